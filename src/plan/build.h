/*
 * Validated request -> plan: fills in every default and decides what this host can hold. Pure: a
 * function of its arguments, so that every rule is tested without a kernel.
 */
#ifndef DAYFLY_PLAN_BUILD_H
#define DAYFLY_PLAN_BUILD_H

#include "base/err.h"
#include "plan/plan.h"
#include "proto/request.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BUILD_DEGRADED_MAX 12

/* What a task gets that asks for nothing. */
#define DEFAULT_WALL_MS	       (10 * 60 * 1000ull)
#define DEFAULT_GRACE_MS       (5 * 1000ull)
#define DEFAULT_QUEUE_MS       (10 * 60 * 1000ull)
#define DEFAULT_DISK_BYTES     (2ull << 30)
#define DEFAULT_DISK_INODES    500000ull
#define DEFAULT_OUTPUT_BYTES   (64ull << 20)
#define DEFAULT_FILE_MODE      0644	      /* of task.files[] */
#define DEFAULT_CHANGES_BYTES  (1ull << 30)   /* of task.changes */
#define DEFAULT_CHANGES_MS     (60 * 1000ull) /* and of task.artifacts */
#define DEFAULT_ARTIFACT_BYTES (4ull << 30)
#define DEFAULT_OPEN_FILES     65536ull
#define DEFAULT_PROCESSES      4096ull

/* Where a workspace that has no path of its own is shown. */
#define BUILD_WORKSPACE_TARGET "/workspace"

struct build_input {
	const char *task_id;
	size_t n_fds; /* descriptors that came with the request */
	const struct spec_limits
		*ceiling; /* a default is never above it; 0 in a field: no ceiling. May be NULL */
	const struct spec_limits
		*defaults; /* what a task gets that asks for nothing: the administrator's;
			      0 in a field: no limit. NULL: those above */
	bool has_roots;	   /* the next two bind the request; an empty list allows nothing */
	char *const *image_roots, *const *workspace_roots;
	uint64_t open_files_hard; /* the RLIMIT_NOFILE that a task can have at most */
	uint32_t controllers;	  /* of cgroups, in force: bits 1 << enum plan_controller */
	const char *no_cgroup;	  /* why one that holds a limit is missing */
	bool is_upper_on_disk;	  /* where nothing caps the bytes and inodes of a private layer */
};

/* What the plan says, and what the daemon itself watches over. */
struct build {
	struct plan *plan;
	uint64_t wall_ms, grace_ms, queue_ms;
	uint64_t idle_ms; /* 0: none */
	uint64_t output_bytes;
	uint64_t
		collect_ms; /* what collecting may take beyond the usual; 0: nothing is asked for */
	/* Of all that may run at the same time, for the sums of the scheduler: held or not. */
	uint64_t memory_bytes, cpu_millis; /* 0: no limit */
	char degraded[BUILD_DEGRADED_MAX][160];
	size_t n_degraded;
};

/*
 * On success *ret is the caller's: build_finish(). On failure *e names the field.
 * Returns 0, -EINVAL or -ENOMEM.
 */
int plan_build(const struct task_spec *spec, const struct build_input *in, struct build *ret,
	struct err *e);
void build_finish(struct build *b);

/* Whether they go to a file of the daemon's first. */
bool artifacts_want_spool(const struct spec_artifacts *a);

#endif
