/* Opening by paths that somebody else made up: never out of a directory, never through a link. */
#ifndef DAYFLY_BASE_BENEATH_H
#define DAYFLY_BASE_BENEATH_H

#include <stdbool.h>

/* Whether it is relative and has no empty, "." or ".." part. */
bool beneath_path_is_clean(const char *path);

/* Opens path below dirfd (flags: O_*; O_CLOEXEC and O_NOFOLLOW are added). Returns a descriptor or
 * -errno: -ELOOP where a part is a symlink, -EXDEV where it leads out. */
int beneath_open(int dirfd, const char *path, int flags);

/* Opens the directory that holds path, for use with the at() functions; *ret_name is the last part
 * of path. Returns a descriptor or -errno. */
int beneath_open_parent(int dirfd, const char *path, const char **ret_name);

#endif
