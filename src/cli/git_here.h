/*
 * git, run here and with our rights in a directory that others may have written to: with everything
 * off that a repository's own configuration could have it run.
 */
#ifndef DAYFLY_CLI_GIT_HERE_H
#define DAYFLY_CLI_GIT_HERE_H

#include "base/err.h"

#include <sys/types.h>

#define GIT_HERE_ARGS_MAX 8

/*
 * Returns the length of what it writes (*ret, the caller's, with a NUL behind it), or -errno with
 * *e where it fails. *ret_said (the caller's): what it had to say beside; NULL: nobody asks.
 */
ssize_t git_here(
	const char *dir, const char *const *args, char **ret, char **ret_said, struct err *e);

#endif
