/*
 * Writing back what a task changed: from its tar into the real tree, file by file, each whole or not
 * at all, with nobody's rights but ours, and nothing through a link or outside the tree. What
 * changed there meanwhile is never overwritten.
 */
#ifndef DAYFLY_CLI_APPLY_H
#define DAYFLY_CLI_APPLY_H

#include "cli/change_tar.h"

#include <stddef.h>
#include <stdint.h>

/* Is told of a path that is refused, and why. */
typedef void (*apply_refused_fn)(void *owner, const char *path, const char *why);

struct apply {
	int root_fd;	  /* borrowed: the tree */
	uint64_t base_ns; /* CLOCK_REALTIME: what has changed since is not what the task saw */
	apply_refused_fn refused;
	void *owner;

	size_t n_refused;
	size_t written, deleted; /* files and links */
	size_t git_entries;	 /* in ".git": never written back, as git would act upon them */
};

/* Looks at every change, and changes nothing. Returns 0, or -errno where memory ran out. */
int apply_check(struct apply *a, const struct change_tar *tar);

/* Writes. What the check found to be good is looked at once more. Returns 0 or -errno: of those
 * that could not be written `refused` was told. */
int apply_write(struct apply *a, const struct change_tar *tar);

#endif
