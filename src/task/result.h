/*
 * The record of a finished task and its JSON form. Every number is an integer (bytes, microseconds,
 * counts); what is not known is null, never 0, so a number here is a struct known_u64 that starts
 * out unknown.
 */
#ifndef DAYFLY_TASK_RESULT_H
#define DAYFLY_TASK_RESULT_H

#include "base/buf.h"
#include "base/err.h"
#include "base/id.h"
#include "plan/build.h"
#include "plan/plan.h"
#include "plan/wire.h"
#include "task/output_log.h"
#include "task/verdict.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct known_u64 {
	bool is_known;
	uint64_t value;
};

static inline struct known_u64 known(uint64_t value)
{
	return (struct known_u64){ .is_known = true, .value = value };
}

/* What the warden could not hold, and what the plan could not. */
#define RESULT_DEGRADED_MAX (WIRE_DEGRADED_MAX + BUILD_DEGRADED_MAX)

enum pool_use { POOL_OFF, POOL_HIT, POOL_MISS };

struct result_output {
	struct known_u64 bytes;	  /* what the task wrote to the stream */
	struct known_u64 dropped; /* of these, never kept: over the output limit, or no space */
};

/* What the workspace was checked out of. */
struct result_source {
	bool is_there;
	char *url, *ref;	   /* as they may be shown */
	char commit[41];	   /* "": not known */
	bool has_fetched, fetched; /* whether something had to come, once that is known */
	struct known_u64 fetch_us, checkout_us;
	struct known_u64 submodules; /* of the tree, whether they are there or not */
};

struct task_result {
	char task[ID_TASK_SIZE];
	char *name; /* NULL: none */
	struct verdict verdict;
	bool has_error;
	struct err error; /* why it could not be run */

	/* Stamps: CLOCK_REALTIME; 0 = never. Durations: CLOCK_MONOTONIC, microseconds. */
	uint64_t created_ns, started_ns, finished_ns;
	struct known_u64 queued_us, setup_us, run_us, collect_us, destroy_us;

	struct known_u64 cpu_user_us, cpu_sys_us;
	const char *cpu_source; /* "rusage", "cgroup"; NULL: unknown */
	struct known_u64 memory_peak, memory_swap_peak, memory_oom_kills;
	const char *memory_source; /* "rusage" (the largest process), "cgroup"; NULL: unknown */
	struct known_u64 pids_peak;
	struct known_u64 io_read_bytes, io_write_bytes;
	struct known_u64 disk_bytes, disk_inodes, disk_limit;
	struct known_u64 disk_hit; /* 0 or 1: the limit was reached */
	struct result_output output[OUTPUT_STREAM_COUNT];
	struct known_u64 changes_added, changes_modified, changes_deleted;
	struct known_u64 changes_bytes, changes_left_out;
	bool is_changes_cut; /* the list is only the beginning */
	int changes_errnum;  /* why they are not known, or 0 */
	bool has_archive;    /* a tar of them was asked for, and: */
	uint64_t archive_bytes, archive_left_out;
	int archive_errnum;
	struct buf changes_list; /* plan/change_list.h */

	/* What was to be kept: patterns, NULL-terminated (NULL: nothing was asked for), and which
	 * of them must not be without a file, as bits. Then what came of it. */
	char **artifact_globs;
	uint32_t artifacts_required, artifacts_unmet;
	struct known_u64 artifacts_count, artifacts_bytes, artifacts_archive_bytes;
	bool is_artifacts_cut;	   /* there were more than may be taken */
	int artifacts_errnum;	   /* why it ended early, or 0 */
	struct buf artifacts_list; /* plan/artifact_list.h */
	/* By their paths what became of sending each; for no one to see, as a path may be any
	 * bytes. NULL: they are not sent. */
	json_t *artifact_uploads;

	bool has_enforced;	   /* false before WIRE_STARTED: enforced is null */
	uint64_t enforced;	   /* bits by enum control */
	enum plan_profile profile; /* for "seccomp" */
	uint32_t n_degraded;
	char degraded[RESULT_DEGRADED_MAX][WIRE_DEGRADED_SIZE]; /* "control: why" */
	struct result_source source;
	enum pool_use pool;
	enum wire_pool_why pool_why; /* of a miss */
	char *stored; /* JSON: the result as an earlier daemon told it, in place of all this; or
			 NULL */
};

struct task_result *result_create(void);
void result_destroy(struct task_result *r);

/* Take over what the warden says. */
void result_set_started(struct task_result *r, const struct wire_event *started);
void result_set_gone(struct task_result *r, const struct wire_event *gone);
/* A piece of the list; comes before gone. What is too much is dropped. */
void result_add_changes(struct task_result *r, const struct wire_event *changes);
/* Likewise of the list of artifacts. */
void result_add_artifacts(struct task_result *r, const struct wire_event *artifacts);
void result_set_output(struct task_result *r, const struct output_log *log);
/* The error; also its step, errno and hint. */
void result_set_error(struct task_result *r, const struct err *e);

/* A new object, or NULL when there is no memory. */
json_t *result_to_json(const struct task_result *r);

/* result_changes.c: {"added","modified","deleted","bytes","left_out","list","truncated","error",
 * "archive"};
 * NULL when there is no memory. */
json_t *result_changes_to_json(const struct task_result *r);

/* result_artifacts.c: what plan p asks to keep. Returns 0 or -ENOMEM. */
int result_want_artifacts(struct task_result *r, const struct plan *p);
/* Whether one of those that are required is not there. */
bool result_lacks_artifacts(const struct task_result *r);
/* {"count","bytes","list","missing","truncated","archive_bytes","error"}, or null where nothing was
 * asked for; NULL when there is no memory. */
json_t *result_artifacts_to_json(const struct task_result *r);
/* One of the list. */
struct artifact_item;
json_t *result_artifact_to_json(const struct artifact_item *a);

/* result_changes.c: adds a name as "path", or as "path_base64" where it is no text. Returns 0 or
 * -1. */
int result_put_path(json_t *object, const char *path);

/*
 * {"code","message","field","errno","step","hint"}, only those that are set; NULL when there is no
 * memory.
 */
json_t *result_error_to_json(const struct err *e);

#endif
