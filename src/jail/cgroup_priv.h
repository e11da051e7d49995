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

static inline bool cgroup_has(const struct cgroup_tree *t, enum plan_controller c)
{
	return t->controllers & 1u << c;
}

/* cgroup_limits.c: whether each limit has its controller; the field of an error is
 * "section.limit". 0 or -EINVAL. */
int cgroup_limits_check(const struct cgroup_tree *t, const struct plan_limits *l,
	const char *section, struct err *e);
/* Write the limits of one task, and those of all (t->total, to `tasks`). 0 or -errno. */
int cgroup_limits_write_task(
	const struct cgroup_tree *t, int fd, const struct plan_limits *l, struct err *e);
int cgroup_limits_write_total(const struct cgroup_tree *t, struct err *e);

#endif
