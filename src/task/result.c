/* The result record as JSON: see result.h. */
#include "task/result.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/str.h"
#include "proto/json_load.h"

#include <stdlib.h>
#include <string.h>

static const char *const pool_names[] = {
	[POOL_OFF] = "off",
	[POOL_HIT] = "hit",
	[POOL_MISS] = "miss",
};

struct task_result *result_create(void)
{
	struct task_result *r = calloc(1, sizeof(*r));
	if (r) {
		buf_init(&r->changes_list, LIMIT_CHANGES_LIST_BYTES);
		buf_init(&r->artifacts_list, LIMIT_ARTIFACT_LIST_BYTES);
		r->artifacts_unmet = UINT32_MAX;
	}
	return r;
}

void result_destroy(struct task_result *r)
{
	if (!r)
		return;
	free(r->name);
	free(r->source.url);
	free(r->source.ref);
	buf_finish(&r->changes_list);
	buf_finish(&r->artifacts_list);
	strv_free(r->artifact_globs);
	json_decref(r->artifact_uploads);
	free(r->stored);
	free(r);
}

void result_set_started(struct task_result *r, const struct wire_event *started)
{
	r->has_enforced = true;
	static const enum pool_use uses[] = {
		[WIRE_POOL_OFF] = POOL_OFF, [WIRE_POOL_HIT] = POOL_HIT, [WIRE_POOL_MISS] = POOL_MISS
	};
	if (started->started.pool < ARRAY_SIZE(uses))
		r->pool = uses[started->started.pool];
	r->pool_why = (enum wire_pool_why)started->started.pool_why;
	r->enforced = started->started.enforced;
	r->setup_us = known(started->started.setup_ns / NS_PER_US);
	r->n_degraded = started->started.n_degraded;
	if (r->n_degraded > WIRE_DEGRADED_MAX)
		r->n_degraded = WIRE_DEGRADED_MAX;
	for (uint32_t i = 0; i < r->n_degraded; i++)
		snprintf(
			r->degraded[i], sizeof(r->degraded[i]), "%s", started->started.degraded[i]);
}

static void set_if(struct known_u64 *out, const struct wire_usage *u, uint32_t bit, uint64_t v)
{
	if (u->known & bit)
		*out = known(v);
}

/* What the cgroup counted: of the whole jail, every process that ever was in it. */
static void set_usage(struct task_result *r, const struct wire_usage *u)
{
	set_if(&r->memory_peak, u, WIRE_KNOWN_MEMORY_PEAK, u->memory_peak);
	set_if(&r->memory_swap_peak, u, WIRE_KNOWN_SWAP_PEAK, u->swap_peak);
	set_if(&r->memory_oom_kills, u, WIRE_KNOWN_OOM_KILLS, u->oom_kills);
	if (u->known & WIRE_KNOWN_MEMORY_PEAK)
		r->memory_source = "cgroup";
	set_if(&r->cpu_user_us, u, WIRE_KNOWN_CPU, u->user_us);
	set_if(&r->cpu_sys_us, u, WIRE_KNOWN_CPU, u->sys_us);
	if (u->known & WIRE_KNOWN_CPU)
		r->cpu_source = "cgroup";
	set_if(&r->pids_peak, u, WIRE_KNOWN_PIDS_PEAK, u->pids_peak);
	set_if(&r->io_read_bytes, u, WIRE_KNOWN_IO, u->io_read_bytes);
	set_if(&r->io_write_bytes, u, WIRE_KNOWN_IO, u->io_write_bytes);
}

void result_set_gone(struct task_result *r, const struct wire_event *gone)
{
	/* A process that ran has used memory: all zero means that nothing was measured. */
	if (gone->gone.max_rss_bytes) {
		r->cpu_user_us = known(gone->gone.user_us);
		r->cpu_sys_us = known(gone->gone.sys_us);
		r->cpu_source = "rusage";
		r->memory_peak = known(gone->gone.max_rss_bytes);
		r->memory_source = "rusage";
	}
	set_usage(r, &gone->gone.usage);
	if (gone->gone.has_disk) {
		r->disk_bytes = known(gone->gone.disk_bytes);
		r->disk_inodes = known(gone->gone.disk_inodes);
		r->disk_hit = known(gone->gone.disk_is_full != 0);
	}
	if (gone->gone.has_changes) {
		r->changes_added = known(gone->gone.changes_added);
		r->changes_modified = known(gone->gone.changes_modified);
		r->changes_deleted = known(gone->gone.changes_deleted);
		r->changes_bytes = known(gone->gone.changes_bytes);
		r->changes_left_out = known(gone->gone.changes_left_out);
		r->is_changes_cut |= gone->gone.changes_is_cut != 0;
	}
	r->changes_errnum = gone->gone.changes_errnum;
	r->has_archive = gone->gone.has_archive;
	r->archive_bytes = gone->gone.archive_bytes;
	r->archive_left_out = gone->gone.archive_left_out;
	r->archive_errnum = gone->gone.archive_errnum;
	if (!gone->gone.has_artifacts)
		return;
	r->artifacts_count = known(gone->gone.artifacts_count);
	r->artifacts_bytes = known(gone->gone.artifacts_bytes);
	r->artifacts_archive_bytes = known(gone->gone.artifacts_archive_bytes);
	r->artifacts_unmet = gone->gone.artifacts_unmet;
	r->is_artifacts_cut = gone->gone.artifacts_is_cut != 0;
	r->artifacts_errnum = gone->gone.artifacts_errnum;
}

void result_add_changes(struct task_result *r, const struct wire_event *changes)
{
	if (buf_add(&r->changes_list, changes->changes.data, changes->changes.len) < 0)
		r->is_changes_cut = true;
}

void result_add_artifacts(struct task_result *r, const struct wire_event *artifacts)
{
	/* Jail init keeps the list shorter than this. */
	if (buf_add(&r->artifacts_list, artifacts->changes.data, artifacts->changes.len) < 0)
		r->is_artifacts_cut = true;
}

void result_set_output(struct task_result *r, const struct output_log *log)
{
	for (unsigned s = 0; s < OUTPUT_STREAM_COUNT; s++) {
		struct output_counts c = output_log_counts(log, (enum output_stream)s);
		r->output[s].bytes = known(c.seen);
		r->output[s].dropped = known(c.dropped);
	}
}

void result_set_error(struct task_result *r, const struct err *e)
{
	r->has_error = true;
	r->error = *e;
}

/* ---- JSON ---- */

/* Adds a new reference (taken, also on failure) to an object. *failed stays set once it is. */
static void put(json_t *object, const char *key, json_t *take_value, bool *failed)
{
	if (!take_value || json_object_set_new(object, key, take_value) < 0)
		*failed = true;
}

/* Text that may hold bytes from anywhere, such as a path; NULL gives null. */
static json_t *json_text(const char *text)
{
	if (!text)
		return json_null();
	size_t len = strlen(text);
	if (str_is_utf8(text, len))
		return json_stringn(text, len);
	/* Also a message that was cut inside a character. */
	auto_free char *escaped = malloc(4 * len + 1);
	if (!escaped)
		return NULL;
	size_t o = 0;
	for (size_t i = 0; i < len; i++) {
		if (text[i] & 0x80)
			o += (size_t)snprintf(escaped + o, 5, "\\x%02x", (unsigned char)text[i]);
		else
			escaped[o++] = text[i];
	}
	return json_stringn(escaped, o);
}

static json_t *json_known(struct known_u64 n)
{
	if (!n.is_known)
		return json_null();
	return json_integer(n.value > INT64_MAX ? INT64_MAX : (json_int_t)n.value);
}

static json_t *json_stamp(uint64_t real_ns)
{
	if (!real_ns)
		return json_null();
	char text[CLOCK_RFC3339_SIZE];
	clock_format_rfc3339(real_ns, text);
	return json_string(text);
}

/* Gives the object away if nothing failed. */
static json_t *object_or_null(json_t *take_object, bool failed)
{
	if (!failed)
		return take_object;
	json_decref(take_object);
	return NULL;
}

struct known_field {
	const char *key;
	struct known_u64 value;
};

static void put_known(json_t *object, const struct known_field *fields, size_t n, bool *failed)
{
	for (size_t i = 0; i < n; i++)
		put(object, fields[i].key, json_known(fields[i].value), failed);
}

/* An object of numbers. */
static json_t *known_object(const struct known_field *fields, size_t n)
{
	bool failed = false;
	json_t *object = json_object();
	put_known(object, fields, n, &failed);
	return object_or_null(object, failed);
}

#define KNOWN_OBJECT(...)                                                                          \
	known_object((const struct known_field[]){ __VA_ARGS__ },                                  \
		ARRAY_SIZE(((const struct known_field[]){ __VA_ARGS__ })))

/* The same with the source of the numbers. */
static json_t *with_source(json_t *take_object, const char *source)
{
	bool failed = !take_object;
	put(take_object, "source", json_text(source), &failed);
	return object_or_null(take_object, failed);
}

static json_t *exit_to_json(const struct task_exit *x)
{
	if (!x->has_code && !x->has_signal)
		return json_null();
	bool failed = false;
	json_t *object = json_object();
	put(object, "code", x->has_code ? json_integer(x->code) : json_null(), &failed);
	put(object, "signal", x->has_signal ? json_integer(x->signal) : json_null(), &failed);
	put(object, "core", json_boolean(x->core), &failed);
	return object_or_null(object, failed);
}

json_t *result_error_to_json(const struct err *e)
{
	bool failed = false;
	json_t *object = json_object();
	put(object, "code", json_string(err_code_name(e->code)), &failed);
	put(object, "message", json_text(e->msg), &failed);
	if (e->field[0])
		put(object, "field", json_text(e->field), &failed);
	if (e->errnum)
		put(object, "errno", json_integer(e->errnum), &failed);
	if (e->depth)
		put(object, "depth", json_integer(e->depth), &failed);
	if (e->retry_ms)
		put(object, "retry_after_ms", json_integer(e->retry_ms), &failed);
	if (e->step[0])
		put(object, "step", json_text(e->step), &failed);
	if (e->hint[0])
		put(object, "hint", json_text(e->hint), &failed);
	return object_or_null(object, failed);
}

static json_t *time_to_json(const struct task_result *r)
{
	const struct known_field spans[] = {
		{ "queued", r->queued_us },
		{ "setup", r->setup_us },
		{ "run", r->run_us },
		{ "collect", r->collect_us },
		{ "destroy", r->destroy_us },
	};
	bool failed = false;
	json_t *object = json_object();
	put_known(object, spans, ARRAY_SIZE(spans), &failed);
	put(object, "created", json_stamp(r->created_ns), &failed);
	put(object, "started", json_stamp(r->started_ns), &failed);
	put(object, "finished", json_stamp(r->finished_ns), &failed);
	return object_or_null(object, failed);
}

static json_t *disk_to_json(const struct task_result *r)
{
	const struct known_field sizes[] = {
		{ "bytes", r->disk_bytes },
		{ "inodes", r->disk_inodes },
		{ "limit", r->disk_limit },
	};
	bool failed = false;
	json_t *object = json_object();
	put_known(object, sizes, ARRAY_SIZE(sizes), &failed);
	put(object, "hit", r->disk_hit.is_known ? json_boolean(r->disk_hit.value) : json_null(),
		&failed);
	return object_or_null(object, failed);
}

static json_t *output_to_json(const struct task_result *r)
{
	bool failed = false;
	json_t *object = json_object();
	for (unsigned s = 0; s < OUTPUT_STREAM_COUNT; s++) {
		const struct result_output *o = &r->output[s];
		json_t *stream = KNOWN_OBJECT({ "bytes", o->bytes }, { "dropped", o->dropped });
		if (stream)
			put(stream, "truncated",
				o->dropped.is_known ? json_boolean(o->dropped.value > 0)
						    : json_null(),
				&failed);
		put(object, output_stream_name((enum output_stream)s), stream, &failed);
	}
	return object_or_null(object, failed);
}

static json_t *enforced_to_json(const struct task_result *r)
{
	if (!r->has_enforced)
		return json_null();
	bool failed = false;
	json_t *object = json_object();
	for (unsigned c = 0; c < CONTROL_COUNT; c++) {
		if (!(r->enforced & UINT64_C(1) << c))
			continue;
		json_t *value = c == CONTROL_SECCOMP ? json_string(plan_profile_name(r->profile))
						     : json_true();
		put(object, control_name((enum control)c), value, &failed);
	}
	return object_or_null(object, failed);
}

/* "control: why" as an object. */
static json_t *degraded_line_to_json(const char *line)
{
	char control[WIRE_DEGRADED_SIZE];
	const char *colon = strstr(line, ": ");
	bool failed = false;
	json_t *object = json_object();
	if (colon) {
		snprintf(control, sizeof(control), "%.*s", (int)(colon - line), line);
		put(object, "control", json_text(control), &failed);
		put(object, "why", json_text(colon + 2), &failed);
	} else {
		put(object, "control", json_null(), &failed);
		put(object, "why", json_text(line), &failed);
	}
	return object_or_null(object, failed);
}

static json_t *degraded_to_json(const struct task_result *r)
{
	json_t *array = json_array();
	for (uint32_t i = 0; array && i < r->n_degraded; i++) {
		if (json_array_append_new(array, degraded_line_to_json(r->degraded[i])) < 0) {
			json_decref(array);
			return NULL;
		}
	}
	return array;
}

static void put_usage(json_t *object, const struct task_result *r, bool *failed)
{
	put(object, "cpu",
		with_source(KNOWN_OBJECT({ "user", r->cpu_user_us }, { "sys", r->cpu_sys_us }),
			r->cpu_source),
		failed);
	put(object, "memory",
		with_source(KNOWN_OBJECT({ "peak", r->memory_peak },
				    { "swap_peak", r->memory_swap_peak },
				    { "oom_kills", r->memory_oom_kills }),
			r->memory_source),
		failed);
	put(object, "pids", KNOWN_OBJECT({ "peak", r->pids_peak }), failed);
	put(object, "io",
		KNOWN_OBJECT({ "read", r->io_read_bytes }, { "write", r->io_write_bytes }), failed);
	put(object, "disk", disk_to_json(r), failed);
	put(object, "output", output_to_json(r), failed);
	put(object, "changes", result_changes_to_json(r), failed);
	put(object, "artifacts", result_artifacts_to_json(r), failed);
}

static json_t *source_to_json(const struct result_source *s)
{
	if (!s->is_there)
		return json_null();
	const struct known_field spans[] = {
		{ "fetch_us", s->fetch_us },
		{ "checkout_us", s->checkout_us },
		{ "submodules", s->submodules },
	};
	bool failed = false;
	json_t *object = json_object();
	put(object, "url", json_text(s->url), &failed);
	put(object, "ref", json_text(s->ref), &failed);
	put(object, "commit", json_text(s->commit[0] ? s->commit : NULL), &failed);
	put(object, "fetched", s->has_fetched ? json_boolean(s->fetched) : json_null(), &failed);
	put_known(object, spans, ARRAY_SIZE(spans), &failed);
	return object_or_null(object, failed);
}

json_t *result_to_json(const struct task_result *r)
{
	if (r->stored)
		return json_load_whole(r->stored, strlen(r->stored), 0, NULL);
	bool failed = false;
	json_t *object = json_object();
	put(object, "task", json_string(r->task), &failed);
	put(object, "name", json_text(r->name), &failed);
	put(object, "outcome", json_string(outcome_name(r->verdict.outcome)), &failed);
	put(object, "cause", json_string(cause_name(r->verdict.cause)), &failed);
	put(object, "phase", json_string(phase_name(r->verdict.phase)), &failed);
	put(object, "exit", exit_to_json(&r->verdict.exit), &failed);
	put(object, "error", r->has_error ? result_error_to_json(&r->error) : json_null(), &failed);
	put(object, "time", time_to_json(r), &failed);
	put_usage(object, r, &failed);
	put(object, "source", source_to_json(&r->source), &failed);
	put(object, "enforced", enforced_to_json(r), &failed);
	put(object, "degraded", degraded_to_json(r), &failed);
	put(object, "pool", json_string(pool_names[r->pool]), &failed);
	put(object, "pool_miss", json_text(wire_pool_why_name(r->pool_why)), &failed);
	return object_or_null(object, failed);
}
