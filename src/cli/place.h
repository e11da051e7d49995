/*
 * Making files and links in a directory that others may change too: under a name of their own
 * first, then put in place at once. What was there before is seen whole or not at all.
 */
#ifndef DAYFLY_CLI_PLACE_H
#define DAYFLY_CLI_PLACE_H

#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

/* What is to become a file. */
struct place_content {
	int fd;	  /* borrowed: a regular file, */
	off_t at; /* from here */
	uint64_t bytes;
	mode_t mode;
	int64_t mtime; /* seconds; 0: now */
};

/*
 * dirfd/name, in place of what `old` describes; NULL: of nothing, and then -EEXIST where something
 * is there after all; -ESTALE where it is not that any more. Root leaves a file to the owner that
 * it had, a new one to that of the directory. Return 0 or -errno.
 */
int place_file(int dirfd, const char *name, const struct place_content *c, const struct stat *old);
int place_link(int dirfd, const char *name, const char *to, const struct stat *old);

/* Makes a directory of mode 0700, which belongs to the owner of the one that it lies in. Returns 0
 * or -errno. */
int place_directory(int dirfd, const char *name);

/* Makes the directories that lead to a clean path below root_fd, with this mode. Returns 0 or
 * -errno. */
int place_parents(int root_fd, const char *path, mode_t mode);

/* The directory for temporary files: $TMPDIR, else /tmp. Borrowed from the environment. */
const char *place_temporary_dir(void);

/* Removes a directory with all that is in it. Stays on it: no link is followed. */
void place_remove_tree(int dirfd, const char *name);

#endif
