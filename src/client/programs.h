/* Where the other programs of dayfly are. */
#ifndef DAYFLY_CLIENT_PROGRAMS_H
#define DAYFLY_CLIENT_PROGRAMS_H

#include <limits.h>

/*
 * Looks beside the running program (a build folder), in `relative` as seen from there ("../sbin":
 * an installed tree), then in the directory where this build installs it. Returns 0 or -ENOENT.
 */
int program_find(const char *name, const char *relative, const char *installed, char ret[PATH_MAX]);

#endif
