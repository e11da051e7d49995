/* Shared by cgroup*.c. */
#ifndef DAYFLY_JAIL_CGROUP_PRIV_H
#define DAYFLY_JAIL_CGROUP_PRIV_H

#include "jail/cgroup.h"

/* All of a file of a cgroup. Returns 0 or -errno; *ret is the caller's. */
int cgroup_read(int dirfd, const char *file, char **ret);

/* Makes `tasks` (if it is not there), locks it and enables the controllers in it. 0 or -errno. */
int cgroup_open_tasks(struct cgroup_tree *t, struct err *e);

/* Kills and removes whatever lies below a directory, waiting a moment for it. */
void cgroup_sweep(int dirfd);

/* A jail's cgroup without limits, a process cloned into it and its end: whether it really works. */
int cgroup_try(struct cgroup_tree *t, struct err *e);

#endif
