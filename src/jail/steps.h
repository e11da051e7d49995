/*
 * The setup of a jail as three tables of named steps: what jail init does for any task, what it
 * does for this one (the user's directories, names), and what the forked task does to itself
 * (limits, credentials, filters). docs/jail.md lists the names with their reasons.
 */
#ifndef DAYFLY_JAIL_STEPS_H
#define DAYFLY_JAIL_STEPS_H

#include "jail/jail.h"

#include <stdbool.h>
#include <stdio.h>

struct jail_step {
	const char *name;
	bool (*wanted)(const struct jail *j); /* NULL: always */
	int (*run)(struct jail *j, struct err *e);
};

/* Run the tables in order. Return 0 or -errno with e->step set to the failing step. */
int steps_run_shared(struct jail *j, struct err *e);
int steps_run_init(struct jail *j, struct err *e);
int steps_run_task(struct jail *j, struct err *e);

/* One name a line, in order: for --print-steps and the test that compares it with docs/jail.md. */
void steps_print(FILE *out);

/* mounts.c */
int step_private_mounts(struct jail *j, struct err *e);
int step_store(struct jail *j, struct err *e);
int step_pivot_root(struct jail *j, struct err *e);

/* image.c */
int step_host_image(struct jail *j, struct err *e);
int step_dir_image(struct jail *j, struct err *e);
int step_image_files(struct jail *j, struct err *e);

/* proc.c */
int step_proc(struct jail *j, struct err *e);
int step_namespace_limits(struct jail *j, struct err *e);
int step_proc_masks(struct jail *j, struct err *e);

/* dev.c */
int step_dev(struct jail *j, struct err *e);
int step_tty(struct jail *j, struct err *e);

/* sources.c */
int step_workspace(struct jail *j, struct err *e);
int step_extra_mounts(struct jail *j, struct err *e);

/* inputs.c */
int step_inputs(struct jail *j, struct err *e);

/* unpack.c */
int step_tars(struct jail *j, struct err *e);

/*
 * net.c. The kernel takes as long to bring the loopback device up as for most other steps together:
 * net_begin() has a helper process do that meanwhile, step_loopback() waits for it.
 */
void net_begin(struct jail *j);
int step_hostname(struct jail *j, struct err *e);
int step_loopback(struct jail *j, struct err *e);

/* task.c, in jail init */
int step_bounding_set(struct jail *j, struct err *e);
/* task.c, in the task's own process */
int step_session(struct jail *j, struct err *e);
int step_rlimits(struct jail *j, struct err *e);
int step_stdio(struct jail *j, struct err *e);
int step_workdir(struct jail *j, struct err *e);
int step_credentials(struct jail *j, struct err *e);
int step_capabilities(struct jail *j, struct err *e);
int step_no_new_privs(struct jail *j, struct err *e);
int step_landlock(struct jail *j, struct err *e);
int step_close_fds(struct jail *j, struct err *e);
int step_seccomp(struct jail *j, struct err *e);

#endif
