/*
 * What of a directory the task is not to see: a layer of whiteouts between the directory and the
 * task's own layer, so that nothing of it counts as the task's doing.
 */
#ifndef DAYFLY_JAIL_HIDE_H
#define DAYFLY_JAIL_HIDE_H

#include "base/err.h"

/*
 * Fills the empty directory hide_fd with whiteouts for the paths ("/a/b": seen from lower_fd), and
 * with directories on the way to them, which look as in lower_fd. What lies behind a link, or in no
 * directory, is not there anyhow. Returns 0 or -errno.
 */
int hide_fill(int hide_fd, int lower_fd, char *const *paths, struct err *e);

#endif
