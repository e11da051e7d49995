/*
 * The cgroup v2 back end: one fresh cgroup per jail, below a subtree that was delegated to the
 * daemon.
 *
 *   BASE                  the delegated cgroup; no process of its own
 *   ├── supervisor        dayflyd, the keeper, the warden
 *   └── tasks             locked by the warden that uses it
 *       └── t-5f0c...     one jail, from before its clone until it is empty and read
 *
 * BASE is the cgroup that the warden finds itself in (or the one above, where that is
 * `supervisor`), if it was delegated. Nothing outside it is ever written, and everything is reached
 * from descriptors that are opened once. Where nothing is delegated there are no cgroups, and `why`
 * says why.
 */
#ifndef DAYFLY_JAIL_CGROUP_H
#define DAYFLY_JAIL_CGROUP_H

#include "base/err.h"
#include "plan/plan.h"
#include "plan/wire.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define CGROUP_SUPERVISOR "supervisor"
#define CGROUP_TASKS	  "tasks"
#define CGROUP_NAME_SIZE  48
#define CGROUP_PIDS_MAX	  4

/* What the tree is found from. Tests fill it in themselves. */
struct cgroup_place {
	char *self;		     /* the text of /proc/self/cgroup */
	char *mountinfo;	     /* the text of /proc/self/mountinfo */
	pid_t pids[CGROUP_PIDS_MAX]; /* our own processes: they go to the supervisor */
	size_t n_pids;
	char *devices; /* the disks of this host, "MAJOR:MINOR", one on each line */
	const struct plan_limits *total; /* of all tasks together; NULL: none */
	bool is_privileged; /* may write anywhere, so that being able to write says nothing */
	bool has_systemd;   /* which marks what it delegates */
	bool is_fake;	    /* plain directories: the kernel's part is not tried */
};

struct cgroup_tree {
	uint32_t controllers;	 /* in force: bits by enum plan_controller; 0: no cgroups */
	char why[WIRE_WHY_SIZE]; /* what is missing and why; "" if nothing is */
	char path[256];		 /* of BASE, for messages */
	uint32_t enabled;	 /* in BASE, by us */
	bool has_swap;		 /* swap can be limited */
	bool made_supervisor;
	bool is_fake;
	char *devices;		  /* as in struct cgroup_place */
	struct plan_limits total; /* of all tasks together; only memory, swap, cpus and pids */
	int base_fd, supervisor_fd, tasks_fd; /* -1: none */
};

/* One jail's cgroup. */
struct cgroup_task {
	int fd; /* -1: none */
	char name[CGROUP_NAME_SIZE];
};

/* cgroup_place.c: reads what /proc says about this process. Returns 0 or -errno. */
int cgroup_place_read(struct cgroup_place *p, int daemon_fd);
void cgroup_place_finish(struct cgroup_place *p);

void cgroup_tree_init(struct cgroup_tree *t);
/*
 * cgroup.c: finds the delegated subtree, moves our own processes out of its way, enables the
 * controllers and sweeps what an earlier warden left. Without a subtree t->controllers is 0,
 * everything is as it was before, and t->why says why.
 */
void cgroup_tree_open(struct cgroup_tree *t, const struct cgroup_place *p);
/* Only finds it and changes nothing: path, controllers and base_fd are set (why: a controller that
 * is lacking). cgroup_tree_close() when done. Returns 0 or -errno with *e set. */
int cgroup_tree_find(const struct cgroup_place *p, struct cgroup_tree *ret, struct err *e);
/* cgroup_limits.c: whether the limits of all tasks together are in force. Returns 0 or -EINVAL with
 * *e naming the setting ("total.memory"). */
int cgroup_check_total(const struct cgroup_tree *t, struct err *e);
/* Removes `tasks`, if it is empty, and closes everything. */
void cgroup_tree_close(struct cgroup_tree *t);
/*
 * What the last of our processes does: removes everything below BASE, itself leaving the
 * supervisor. Where others still use it nothing happens.
 */
void cgroup_tree_undo(const struct cgroup_place *p);

/*
 * cgroup_task.c: makes the cgroup of a jail with its limits, for CLONE_INTO_CGROUP. All or nothing;
 * a limit without its controller is an error. Returns 0 or -errno.
 */
int cgroup_task_make(struct cgroup_tree *t, const char *task, const struct plan_limits *limits,
	struct cgroup_task *ret, struct err *e);
/* Sets the limits of one that was made without. Returns 0 or -errno. */
int cgroup_task_limit(struct cgroup_tree *t, struct cgroup_task *c,
	const struct plan_limits *limits, struct err *e);
/* Whether any process is in it. An error counts as none: then it is gone. */
bool cgroup_task_is_populated(const struct cgroup_task *c);
/* SIGKILL to every process in it; also where it is frozen. */
void cgroup_task_kill(const struct cgroup_task *c);
/* cgroup_usage.c: what it has counted; and only the CPU time so far, in microseconds: false if that
 * cannot be told. */
void cgroup_task_read(const struct cgroup_task *c, struct wire_usage *ret);
/* What it uses now. */
void cgroup_task_read_now(const struct cgroup_task *c, struct wire_now *ret);
bool cgroup_task_cpu_us(const struct cgroup_task *c, uint64_t *ret);
/* Returns 0 (also if it is gone already) or -errno: -EBUSY while a process is in it. */
int cgroup_task_remove(const struct cgroup_tree *t, struct cgroup_task *c);
/* For a child of the warden that is not to have it. */
void cgroup_task_close(struct cgroup_task *c);

#endif
