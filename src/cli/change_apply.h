/*
 * Writing back what a task changed: from its tar into the real tree, file by file, each whole or
 * not at all, with nobody's rights but ours, and nothing through a link or outside the tree. What
 * changed there meanwhile is never overwritten, nor what the task could not see.
 */
#ifndef DAYFLY_CLI_CHANGE_APPLY_H
#define DAYFLY_CLI_CHANGE_APPLY_H

#include "cli/change_tar.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

struct change_apply {
	/* Set by the caller. */
	int root_fd;	      /* borrowed: the tree */
	struct timespec base; /* of change_apply_now(): what has changed since is not what the task
				 saw; zero: nothing is known to be that */
	bool is_unchecked;    /* everything is taken for what the task saw */
	char **hidden; /* strv, may be NULL: what the task was not shown, with all below it */
	char **inputs; /* likewise: files that the task was given, single ones */
	/* Is told of a path that is refused, and why. */
	void (*refused)(void *owner, const char *path, const char *why);
	void *owner;

	/* Its own. */
	struct change_apply_seen *seen; /* of each entry */
	size_t n_hidden, n_inputs;	/* of the lists, which are sorted */
	size_t n_refused;
	size_t written, deleted; /* files and links */
	size_t reached;		 /* so many entries of the tar are done */
	/* Files and links that are left alone, as are those of the tree with these names: */
	size_t git_entries;    /* in ".git", as git would act upon them */
	size_t hidden_entries; /* below `hidden` */
	size_t input_entries;  /* of `inputs` */
	uint64_t space_bytes;  /* that the tree will have more */
};

/*
 * The moment as the clock of the tree's file system has it; all that is changed in it later is
 * later. Fails where nothing can be written there. Returns 0 or -errno.
 */
int change_apply_now(int root_fd, struct timespec *ret);

/* Looks at every change, and changes nothing. Returns 0, -ENOSPC (space_bytes are not free) or
 * -errno: of those that cannot be made `refused` was told. */
int change_apply_check(struct change_apply *a, const struct change_tar *tar);

/*
 * Writes, after a check that found all to be good; each is looked at once more. Ends at the first
 * that cannot be written, of which `refused` is told, or at a signal that is blocked. Returns 0 or
 * -errno.
 */
int change_apply_write(struct change_apply *a, const struct change_tar *tar);

/* Whether a change is one that is left alone. After the check. */
bool change_apply_skips(const struct change_apply *a, const char *path);

void change_apply_finish(struct change_apply *a);

#endif
