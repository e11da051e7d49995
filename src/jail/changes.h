/*
 * What a task changed in a copy-on-write workspace, read from the overlay's layers after the task
 * is dead. The one place that looks at what a task has left: it never follows a link, never leaves
 * the two directories, opens nothing but directories and regular files, and never waits for one.
 */
#ifndef DAYFLY_JAIL_CHANGES_H
#define DAYFLY_JAIL_CHANGES_H

#include "plan/change_list.h"

#include <stdint.h>

/* Directories below each other; what lies deeper is left out. */
#define CHANGES_MAX_DEPTH 256

struct change {
	struct change_entry entry;
	int dirfd;	  /* where it lies in the upper layer; of what was deleted: -1 */
	const char *name; /* there */
};

/* Is told of one change. Returns 0, or -errno to stop. */
typedef int (*change_fn)(void *owner, const struct change *c);

struct changes_walk {
	/* Directories, borrowed; what the task could write, and what was there before. */
	int upper_fd, lower_fd;
	uint64_t until_ns; /* CLOCK_MONOTONIC: the end of our patience */
	change_fn fn;
	void *owner;
};

/*
 * Tells of every change: a directory before what is in it, but what was deleted in a directory
 * before the directory. Files are compared byte by byte: written again as it was, one has not
 * changed. *ret_left_out counts the directories that were not looked into, since they lie too deep
 * or the path is too long. Holds a bounded number of descriptors. Returns 0, what fn returned, or
 * -errno (-E2BIG: too many entries; -ETIME: it is past until_ns).
 */
int changes_walk(const struct changes_walk *walk, uint64_t *ret_left_out);

/* Opens a regular file of a directory for reading, if it is one. Returns a descriptor or -errno
 * (-ENXIO: it is something else). */
int changes_open_file(int dirfd, const char *name);

/* Likewise, on other mounts too if resolve is not RESOLVE_NO_XDEV but 0; and a directory. */
int changes_open_any_file(int dirfd, const char *name, uint64_t resolve);
int changes_open_dir(int dirfd, const char *name, uint64_t resolve);

/* The sum of what is told. Directories are listed but not counted. */
struct changes {
	uint64_t added, modified, deleted;
	uint64_t bytes;	   /* of what was added or modified */
	uint64_t left_out; /* what could not be taken along: specials, and what lies too deep */
	struct buf list;   /* change_list.h: the first of them */
	uint64_t n_listed;
	bool is_list_cut;
};

void changes_init(struct changes *c);
void changes_finish(struct changes *c);
/* A change_fn; owner is a struct changes. */
int changes_note(void *owner, const struct change *c);

#endif
