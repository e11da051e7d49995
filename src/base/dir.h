/* Listing directories by descriptor, and making them. */
#ifndef DAYFLY_BASE_DIR_H
#define DAYFLY_BASE_DIR_H

#include <dirent.h>

/* A listing of an open directory, from its beginning; dirfd stays the caller's. NULL with errno set
 * on failure. */
DIR *dir_list(int dirfd);

/* The next entry that is neither "." nor "..", or NULL at the end. */
struct dirent *dir_next(DIR *d);

/* Opens a directory below dirfd without following a symlink. Returns a descriptor or -errno. */
int dir_open(int dirfd, const char *name);

/* Makes a directory and what is missing above it, for nobody but ourselves (0700). A failure is
 * told by the open that follows. */
void dir_make_all(const char *path);

#endif
