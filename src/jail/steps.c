/* The order of a jail's setup. Each entry says why it stands where it stands. */
#include "jail/steps.h"

#include "base/cleanup.h"
#include "jail/fault.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static bool wants_host_image(const struct jail *j)
{
	return j->plan->image == PLAN_IMAGE_HOST;
}

static bool wants_dir_image(const struct jail *j)
{
	return j->plan->image == PLAN_IMAGE_DIR;
}

static bool wants_workspace(const struct jail *j)
{
	return j->plan->has_workspace;
}

static bool wants_mounts(const struct jail *j)
{
	return j->plan->n_mounts > 0;
}

static bool wants_inputs(const struct jail *j)
{
	return j->plan->n_inputs > 0;
}

static bool wants_tars(const struct jail *j)
{
	return j->plan->n_tars > 0;
}

static bool wants_loopback(const struct jail *j)
{
	return j->plan->network == PLAN_NETWORK_NONE;
}

static bool pivots_early(const struct jail *j)
{
	return j->pivots_early;
}

static bool pivots_late(const struct jail *j)
{
	return !j->pivots_early;
}

static bool wants_tty(const struct jail *j)
{
	return j->plan->tty;
}

/* The same for every task that a parked jail may be claimed by. */
static const struct jail_step shared_steps[] = {
	/* Before any mount: nothing may travel to the host or come from it. */
	{ "private-mounts", NULL, step_private_mounts },
	/* Everything the task can write lives here, under one cap. */
	{ "store", NULL, step_store },
	{ "host-image", wants_host_image, step_host_image },
	{ "dir-image", wants_dir_image, step_dir_image },
	/* After the image, so that they win over its own files. */
	{ "image-files", NULL, step_image_files },
	/* The new pid namespace's own; while the host's /proc is still fully visible, or the kernel
	   refuses it. */
	{ "proc", NULL, step_proc },
	/* Through the new /proc, before it becomes read-only. */
	{ "namespace-limits", NULL, step_namespace_limits },
	{ "proc-masks", NULL, step_proc_masks },
	/* Device nodes are bound from the host's /dev, so before pivot-root. */
	{ "dev", NULL, step_dev },
	{ "hostname", NULL, step_hostname },
	{ "loopback", wants_loopback, step_loopback },
	{ "bounding-set", NULL, step_bounding_set },
	/* In a parked jail that will need nothing of the host's mounts. */
	{ "pivot-root", pivots_early, step_pivot_root },
};

/* A parked jail waits before these. */
static const struct jail_step init_steps[] = {
	/* The user's directories last: their targets may lie in anything above. */
	{ "workspace", wants_workspace, step_workspace },
	{ "mounts", wants_mounts, step_extra_mounts },
	/* Into what the task will see, a private workspace too. */
	{ "inputs", wants_inputs, step_inputs },
	{ "pivot-root", pivots_late, step_pivot_root },
	/* Opened inside the new root, so that it is the jail's own terminal. */
	{ "tty", wants_tty, step_tty },
	/* By a process that has the rights of the task, and nothing else in view. */
	{ "tars", wants_tars, step_tars },
};

static const struct jail_step task_steps[] = {
	/* The tty becomes the controlling terminal of the new session. */
	{ "session", NULL, step_session },
	/* While still privileged in the namespace: hard limits may be raised to what the plan says.
	 */
	{ "rlimits", NULL, step_rlimits },
	{ "stdio", NULL, step_stdio },
	/* What is left of the bounding set; needs CAP_SETPCAP, so before the ids change. */
	{ "capabilities", NULL, step_capabilities },
	{ "credentials", NULL, step_credentials },
	/* With the task's own rights: it may only start where it may be. */
	{ "workdir", NULL, step_workdir },
	{ "no-new-privs", NULL, step_no_new_privs },
	{ "landlock", NULL, step_landlock },
	{ "close-fds", NULL, step_close_fds },
	/* Last: it takes away the calls that the steps above need. */
	{ "seccomp", NULL, step_seccomp },
};

static int run_steps(const struct jail_step *steps, size_t n, struct jail *j, struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		if (steps[i].wanted && !steps[i].wanted(j))
			continue;
		int r = fault_check(steps[i].name, e);
		if (r == 0)
			r = steps[i].run(j, e);
		if (r < 0) {
			snprintf(e->step, sizeof(e->step), "%s", steps[i].name);
			return r;
		}
	}
	return 0;
}

int steps_run_shared(struct jail *j, struct err *e)
{
	return run_steps(shared_steps, ARRAY_SIZE(shared_steps), j, e);
}

int steps_run_init(struct jail *j, struct err *e)
{
	return run_steps(init_steps, ARRAY_SIZE(init_steps), j, e);
}

int steps_run_task(struct jail *j, struct err *e)
{
	return run_steps(task_steps, ARRAY_SIZE(task_steps), j, e);
}

void steps_print(FILE *out)
{
	/* pivot-root is in two tables. */
	for (size_t i = 0; i < ARRAY_SIZE(shared_steps); i++)
		if (shared_steps[i].run != step_pivot_root)
			fprintf(out, "%s\n", shared_steps[i].name);
	for (size_t i = 0; i < ARRAY_SIZE(init_steps); i++)
		fprintf(out, "%s\n", init_steps[i].name);
	for (size_t i = 0; i < ARRAY_SIZE(task_steps); i++)
		fprintf(out, "%s\n", task_steps[i].name);
}
