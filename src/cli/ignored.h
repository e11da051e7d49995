/*
 * What git ignores in a directory. git runs here, with our rights, and with everything off that a
 * repository's own configuration could have it run.
 */
#ifndef DAYFLY_CLI_IGNORED_H
#define DAYFLY_CLI_IGNORED_H

#include "base/err.h"

/* Is told of one path, relative to the directory. Returns 0, or -errno to stop. */
typedef int (*ignored_fn)(void *owner, const char *path);

/*
 * Files and whole directories that git ignores in `dir`, in its submodules and in other
 * repositories below it. Returns 0, what fn returned, or -errno, the latter two with *e.
 */
int ignored_each(const char *dir, ignored_fn fn, void *owner, struct err *e);

#endif
