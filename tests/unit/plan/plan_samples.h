/* Plans for the tests of plan/: a small valid one, and one in which every member is set. */
#ifndef TESTS_UNIT_PLAN_PLAN_SAMPLES_H
#define TESTS_UNIT_PLAN_PLAN_SAMPLES_H

#include "base/str.h"
#include "plan/plan.h"

#include <stdlib.h>
#include <string.h>

static inline struct plan *sample_small(void)
{
	struct plan *p = plan_create();
	p->task = strdup("t-00");
	strv_add(&p->argv, "true");
	p->limits = (struct plan_limits){
		.disk_bytes = 1 << 20, .disk_inodes = 100, .open_files = 64, .processes = 10
	};
	return p;
}

static inline struct plan *sample_full(void)
{
	struct plan *p = sample_small();
	strv_add(&p->argv, "");
	strv_add(&p->argv, "two words");
	strv_add(&p->env, "A=b=c");
	strv_add(&p->env, "EMPTY=");
	p->cwd = strdup("/work");
	p->user = PLAN_USER_ROOT;
	p->network = PLAN_NETWORK_HOST;
	p->profile = PLAN_PROFILE_STRICT;
	p->image = PLAN_IMAGE_DIR;
	p->image_source.path = strdup("/images/debian");
	p->has_workspace = true;
	p->workspace = (struct plan_mount){ .source = { 2, strdup("/home/me/repo") },
		.target = strdup("/repo"),
		.mode = PLAN_MODE_RW };
	p->n_mounts = 2;
	p->mounts = calloc(2, sizeof(*p->mounts));
	p->mounts[0] = (struct plan_mount){
		.source = { -1, strdup("/data") }, .target = strdup("/data"), .mode = PLAN_MODE_RO
	};
	p->mounts[1] = (struct plan_mount){ .source = { 5, NULL },
		.target = strdup("/cache"),
		.mode = PLAN_MODE_RW,
		.is_own = true };
	p->tty = true;
	p->rows = 24;
	p->cols = 65535;
	p->has_stdin = true;
	p->limits = (struct plan_limits){ 1, 2, 3, 4, 5, 6, 7, UINT64_MAX, PLAN_MEMORY_MIN,
		PLAN_MEMORY_MIN + 1, 10, PLAN_CPU_MILLIS_MAX, PLAN_CPU_WEIGHT_MAX, PLAN_PIDS_MAX,
		11, 12, 13 };
	p->n_inputs = 2;
	p->inputs = calloc(2, sizeof(*p->inputs));
	p->inputs[0] = (struct plan_input){ PLAN_INPUT_FILE, strdup("/etc/f"), 0755, 1000 };
	p->inputs[1] = (struct plan_input){ PLAN_INPUT_SECRET, strdup("token"), 0, 7 };
	p->workspace.mode = PLAN_MODE_RO;
	strv_add(&p->hidden, "/.env");
	strv_add(&p->hidden, "/a/b");
	p->n_tars = 2;
	p->tars = calloc(2, sizeof(*p->tars));
	p->tars[0] = (struct plan_tar){ 7, strdup("/opt/a") };
	p->tars[1] = (struct plan_tar){ -1, strdup("/b") };
	strv_add(&p->image_roots, "/");
	strv_add(&p->workspace_roots, "/home");
	strv_add(&p->workspace_roots, "/srv/a");
	return p;
}

#endif
