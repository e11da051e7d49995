/* JSON about tasks and the daemon: see describe.h. */
#include "daemon/describe.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/str.h"
#include "daemon/json_build.h"
#include "daemon/policy.h"
#include "daemon/server.h"
#include "daemon/usage.h"
#include "git/url.h"
#include "http/url.h"
#include "plan/build.h"
#include "plan/plan.h"
#include "proto/schema.h"
#include "task/closer.h"

#include <string.h>
#include <unistd.h>

/* Of a list's argv: enough to know the task by. */
#define LIST_ARGV_COUNT 16
#define LIST_ARGV_BYTES 512

json_t *describe_version(void)
{
	return json_pack("{s:s, s:i}", "version", DAYFLY_VERSION, "protocol", 1);
}

json_t *describe_state(const struct task *t, enum task_state state)
{
	return json_pack("{s:s, s:s}", "task", t->id, "state", task_state_name(state));
}

json_t *describe_task_state(const struct task *t)
{
	return describe_state(t, t->state);
}

static json_t *strings(char *const *v, size_t max_count, size_t max_bytes)
{
	json_t *list = json_array();
	size_t bytes = 0;
	for (size_t i = 0; list && v && v[i] && i < max_count; i++) {
		bytes += strlen(v[i]);
		if (bytes > max_bytes)
			break;
		json_build_add(&list, json_build_text(v[i]));
	}
	return list;
}

json_t *describe_labels(char *const *v)
{
	json_t *o = json_object();
	for (; o && v && *v; v++) {
		const char *eq = strchr(*v, '=');
		char key[512];
		if (!eq || (size_t)(eq - *v) >= sizeof(key))
			continue;
		memcpy(key, *v, (size_t)(eq - *v));
		key[eq - *v] = '\0';
		json_build_put(&o, key, json_build_text(eq + 1));
	}
	return o;
}

static json_t *env_names(char *const *v)
{
	json_t *list = json_array();
	for (; list && v && *v; v++) {
		const char *eq = strchr(*v, '=');
		size_t len = eq ? (size_t)(eq - *v) : strlen(*v);
		json_build_add(&list, str_is_utf8(*v, len) ? json_stringn(*v, len) : json_null());
	}
	return list;
}

static json_t *mount(const struct spec_mount *m)
{
	return json_pack("{s:o, s:o, s:s}", "path", json_build_text(m->source.path), "target",
		json_build_text(m->target), "mode", plan_mode_name((enum plan_mode)m->mode));
}

static json_t *workspace(const struct task_spec *spec)
{
	json_t *o = spec->has_workspace ? mount(&spec->workspace) : json_null();
	if (spec->has_workspace)
		json_build_put(
			&o, "hidden", json_integer((json_int_t)strv_len(spec->workspace.hide)));
	return o;
}

static json_t *source(const struct task_spec *spec)
{
	const struct spec_git *g = &spec->source.git;
	struct git_url u = { 0 };
	if (!spec->has_source)
		return json_null();
	git_url_parse(g->url, &u, NULL);
	json_t *o = json_pack("{s:{s:o, s:s, s:s, s:b, s:b}}", "git", "url",
		json_build_text(u.shown), "ref", g->ref ? g->ref : "HEAD", "history",
		g->history == GIT_HISTORY_FULL ? "full" : "shallow", "refresh", g->refresh,
		"submodules", g->submodules);
	git_url_finish(&u);
	return o;
}

static json_t *mounts(const struct task_spec *spec)
{
	json_t *list = json_array();
	for (size_t i = 0; list && i < spec->n_mounts; i++)
		json_build_add(&list, mount(&spec->mounts[i]));
	return list;
}

/* What comes of a file, and not what is in it. */
static json_t *files(const struct task_spec *spec)
{
	json_t *list = json_array();
	for (size_t i = 0; list && i < spec->n_files; i++) {
		const struct spec_file *f = &spec->files[i];
		json_build_add(&list,
			json_pack("{s:o, s:o, s:I}", "path", json_build_text(f->path), "mode",
				json_sprintf(
					"%04o", (unsigned)(f->mode ? f->mode : DEFAULT_FILE_MODE)),
				"bytes", (json_int_t)f->data_len));
	}
	return list;
}

static json_t *secret_names(const struct task_spec *spec)
{
	json_t *list = json_array();
	for (size_t i = 0; list && i < spec->n_secrets; i++)
		json_build_add(&list, json_build_text(spec->secrets[i].name));
	return list;
}

static json_t *tars(const struct task_spec *spec)
{
	json_t *list = json_array();
	for (size_t i = 0; list && i < spec->n_tars; i++)
		json_build_add(&list,
			json_pack("{s:o, s:s}", "target", json_build_text(spec->tars[i].target),
				"from", spec->tars[i].fd < 0 ? "stdin" : "descriptor"));
	return list;
}

/* Only what the request gave; durations as text with a unit. */
static json_t *limits(const struct spec_limits *given)
{
	json_t *o = json_object();
	for (size_t i = 0; o && i < policy_field_count; i++) {
		uint64_t v = policy_value(given, i);
		if (!v)
			continue;
		if (policy_fields[i].unit == POLICY_UNIT_DURATION)
			json_build_put(&o, policy_fields[i].name,
				json_sprintf("%llums", (unsigned long long)v));
		else if (policy_fields[i].unit == POLICY_UNIT_CPUS)
			json_build_put(&o, policy_fields[i].name,
				json_sprintf("%llu.%03llu", (unsigned long long)v / 1000,
					(unsigned long long)v % 1000));
		else
			json_build_put(&o, policy_fields[i].name, json_integer((json_int_t)v));
	}
	return o;
}

static json_t *best_effort(uint32_t bits)
{
	json_t *list = json_array();
	for (const struct schema_word *w = schema_best_effort_words; list && w->name; w++)
		if (bits & (uint32_t)w->value)
			json_build_add(&list, json_string(w->name));
	return list;
}

static json_t *concurrency(const struct task_spec *spec)
{
	if (!spec->has_concurrency)
		return json_null();
	return json_pack("{s:s, s:s}", "key", spec->concurrency.key, "mode",
		spec->concurrency.mode == CONCURRENCY_SUPERSEDE ? "supersede" : "queue");
}

/* Of an address only what says whom: the rest may be a token. */
static json_t *webhooks(const struct task_spec *spec)
{
	json_t *list = json_array();
	for (size_t i = 0; list && i < spec->n_webhooks; i++) {
		const struct spec_webhook *h = &spec->webhooks[i];
		uint32_t bits = h->events ? h->events : WEBHOOK_FINISHED;
		json_t *events = json_array();
		struct url u = { 0 };
		for (const struct schema_word *w = schema_webhook_words; events && w->name; w++)
			if (bits & (uint32_t)w->value)
				json_build_add(&events, json_string(w->name));
		url_parse(h->url, &u, NULL);
		json_build_add(&list, json_pack("{s:o, s:o}", "url", json_build_text(u.origin),
					      "events", events));
		url_finish(&u);
	}
	return list;
}

static json_t *changes(const struct task_spec *spec)
{
	const struct spec_changes *c = &spec->changes;
	if (!spec->has_changes)
		return json_null();
	return json_pack("{s:I, s:I}", "bytes",
		(json_int_t)(c->bytes ? c->bytes : DEFAULT_CHANGES_BYTES), "timeout_ms",
		(json_int_t)(c->timeout_ms ? c->timeout_ms : DEFAULT_CHANGES_MS));
}

/* Of an address no more than for whom it is. */
static json_t *upload(const struct spec_artifacts *a)
{
	const struct spec_upload *u = &a->upload;
	struct url url = { 0 };
	if (!a->has_upload)
		return json_null();
	json_t *object = json_pack("{s:s*, s:s*}", "target", u->target, "prefix", u->prefix);
	if (object && u->url && url_parse(u->url, &url, NULL) == 0)
		json_object_set_new(object, "url", json_string(url.origin));
	url_finish(&url);
	return object;
}

static json_t *artifacts(const struct task_spec *spec)
{
	const struct spec_artifacts *a = &spec->artifacts;
	static const char *const places[] = {
		[ARTIFACTS_TO_FD] = "fd", [ARTIFACTS_TO_EVENTS] = "events"
	};
	if (!spec->has_artifacts)
		return json_null();
	json_t *list = json_array();
	for (size_t i = 0; list && i < a->n_files; i++)
		json_build_add(&list, json_pack("{s:s, s:b}", "glob", a->files[i].glob, "required",
					      a->files[i].is_required));
	return json_pack("{s:o, s:s, s:o, s:I}", "files", list, "to",
		a->has_upload && a->to == ARTIFACTS_TO_FD ? "upload" : places[a->to], "upload",
		upload(a), "timeout_ms",
		(json_int_t)(a->timeout_ms ? a->timeout_ms : DEFAULT_CHANGES_MS));
}

json_t *describe_spec(const struct task_spec *spec, size_t max_argv_bytes, bool *ret_is_cut)
{
	json_t *argv = strings(spec->argv, SIZE_MAX, max_argv_bytes);
	*ret_is_cut = json_array_size(argv) < strv_len(spec->argv);
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:s, s:s, s:s, s:s, s:b, s:s, s:o, s:o, s:o, "
			 "s:o, s:o, s:o, s:o, s:s, s:s, s:I, s:b, s:o, s:o, s:o, s:o, s:o, s:o}",
		"argv", argv, "env_names", env_names(spec->env), "labels",
		describe_labels(spec->labels), "name", json_build_text(spec->name), "cwd",
		json_build_text(spec->cwd), "image", spec->image ? spec->image : "host", "user",
		plan_user_name((enum plan_user)spec->user), "network",
		plan_network_name((enum plan_network)spec->network), "profile",
		plan_profile_name((enum plan_profile)spec->profile), "tty", spec->tty, "stdin",
		spec->stdin_mode == STDIN_STREAM ? "stream" : "none", "workspace", workspace(spec),
		"mounts", mounts(spec), "files", files(spec), "secret_names", secret_names(spec),
		"tars", tars(spec), "limits", limits(&spec->limits), "best_effort",
		best_effort(spec->best_effort), "on_disconnect",
		spec->on_disconnect == ON_DISCONNECT_KEEP ? "keep" : "kill", "on_output_limit",
		spec->on_output_limit == ON_OUTPUT_LIMIT_KILL ? "kill" : "drop", "priority",
		(json_int_t)spec->priority, "queue", spec->may_queue, "concurrency",
		concurrency(spec), "idempotency_key", json_build_text(spec->idempotency_key),
		"webhooks", webhooks(spec), "changes", changes(spec), "artifacts", artifacts(spec),
		"source", source(spec));
}

/* Of a task of an earlier daemon: what the journal keeps. */
json_t *describe_known_spec(const struct task_spec *spec, bool argv_is_cut)
{
	bool is_cut = false;
	json_t *argv = describe_argv(spec, &is_cut);
	return json_pack("{s:o, s:b, s:o, s:o}", "argv", argv, "argv_is_cut", is_cut || argv_is_cut,
		"labels", describe_labels(spec->labels), "name", json_build_text(spec->name));
}

json_t *describe_argv(const struct task_spec *spec, bool *ret_is_cut)
{
	json_t *argv = strings(spec->argv, LIST_ARGV_COUNT, LIST_ARGV_BYTES);
	*ret_is_cut = json_array_size(argv) < strv_len(spec->argv);
	return argv;
}

/* ---- list ---- */

static void put_waiting(json_t **o, const struct sched *s, const struct job *j)
{
	if (j->sched.state != SCHED_READY)
		return;
	size_t position = j->sched.position;
	uint64_t wait_ms = sched_wait_us(s, position) / 1000;
	json_build_put(o, "position", json_integer((json_int_t)position));
	json_build_put(o, "wait_ms", wait_ms ? json_integer((json_int_t)wait_ms) : json_null());
	if (j->sched.want.is_held)
		json_build_put(o, "reason", json_string("source"));
}

json_t *describe_job(const struct server *s, struct job *j)
{
	const struct task *t = j->task;
	bool is_cut;
	json_t *spec = j->is_recovered ? describe_known_spec(t->spec, j->argv_is_cut)
				       : describe_spec(t->spec, SIZE_MAX, &is_cut);
	json_t *o = json_pack("{s:s, s:s, s:I, s:b, s:o, s:o, s:o, s:I, s:o}", "task", t->id,
		"state", task_state_name(t->state), "uid", (json_int_t)t->uid, "recovered",
		j->is_recovered, "created", json_build_stamp(t->result->created_ns), "started",
		json_build_stamp(t->result->started_ns), "spec", spec, "last_seq",
		(json_int_t)output_log_last_seq(t->log), "result",
		job_is_over(j) ? result_to_json(t->result) : json_null());
	j->sched.position = sched_position(&s->sched, &j->sched);
	put_waiting(&o, &s->sched, j);
	return o;
}

static void put_end(json_t **o, const struct task_result *r)
{
	const struct task_exit *x = &r->verdict.exit;
	json_build_put(o, "outcome", json_string(outcome_name(r->verdict.outcome)));
	json_build_put(o, "cause", json_string(cause_name(r->verdict.cause)));
	json_build_put(o, "code", x->has_code ? json_integer(x->code) : json_null());
}

static json_t *known_or_null(const struct job *j, uint32_t bit, uint64_t value)
{
	return usage_is_fresh(&j->usage, USAGE_OLD_NS) && j->usage.now.known & bit
		       ? json_integer((json_int_t)value)
		       : json_null();
}

/* Of a task that runs. What the warden did not say in time is not known. */
static json_t *usage_of(const struct job *j)
{
	static const char *const sources[] = { NULL, "cgroup", "processes" };
	const struct task *t = j->task;
	const struct wire_now *now = &j->usage.now;
	if (!t->started_ns || task_is_done(t))
		return json_null();
	const char *source = sources[usage_is_fresh(&j->usage, USAGE_OLD_NS) ? now->source : 0];
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:I, s:{s:I, s:I}}", "cpu",
		known_or_null(j, WIRE_NOW_CPU, now->cpu_us), "memory",
		known_or_null(j, WIRE_NOW_MEMORY, now->memory_bytes), "pids",
		known_or_null(j, WIRE_NOW_PIDS, now->pids), "source", json_build_text(source),
		"boot_us",
		source ? json_integer((json_int_t)(now->at_ns / NS_PER_US)) : json_null(), "run",
		(json_int_t)((clock_mono_ns() - t->started_ns) / NS_PER_US), "output", "stdout",
		(json_int_t)output_log_counts(t->log, OUTPUT_STDOUT).seen, "stderr",
		(json_int_t)output_log_counts(t->log, OUTPUT_STDERR).seen);
}

static json_t *list_entry_of(const struct sched *s, const struct job *j)
{
	const struct task *t = j->task;
	const struct task_result *r = t->result;
	bool is_cut;
	json_t *argv = describe_argv(t->spec, &is_cut);
	json_t *o = json_pack("{s:s, s:o, s:s, s:I, s:o, s:b, s:o, s:o, s:o, s:o}", "task", t->id,
		"name", json_build_text(t->spec->name), "state", task_state_name(t->state), "uid",
		(json_int_t)t->uid, "argv", argv, "argv_is_cut", is_cut || j->argv_is_cut, "labels",
		describe_labels(t->spec->labels), "created", json_build_stamp(r->created_ns),
		"started", json_build_stamp(r->started_ns), "finished",
		json_build_stamp(r->finished_ns));
	put_waiting(&o, s, j);
	if (o && task_is_done(t))
		put_end(&o, r);
	return o;
}

json_t *describe_event(const struct job *j, bool is_snapshot)
{
	const struct task *t = j->task;
	json_t *o = json_pack("{s:s, s:o, s:I, s:o, s:o, s:I}", "state", task_state_name(t->state),
		"name", json_build_text(t->spec->name), "uid", (json_int_t)t->uid, "labels",
		describe_labels(t->spec->labels), "at", json_build_stamp(j->state_real_ns),
		"boot_us", (json_int_t)(j->state_boot_ns / NS_PER_US));
	if (o && is_snapshot)
		json_build_put(&o, "snapshot", json_true());
	if (o && task_is_done(t))
		put_end(&o, t->result);
	return o;
}

struct list_filter {
	const struct sched *sched;
	uid_t uid;
	const char *label; /* NULL: any */
	bool with_usage;
};

static void add_jobs(json_t **list, const struct list_filter *f, const struct list *from)
{
	list_for_each (pos, from) {
		const struct job *j = list_entry(pos, struct job, link);
		if (j->task->uid != f->uid ||
			(f->label && !jobs_has_label(j->task->spec->labels, f->label)))
			continue;
		json_t *entry = list_entry_of(f->sched, j);
		if (entry && f->with_usage)
			json_build_put(&entry, "usage", usage_of(j));
		json_build_add(list, entry);
	}
}

json_t *describe_list(
	const struct server *s, uid_t uid, bool all, const char *label, bool with_usage)
{
	const struct list_filter f = {
		.sched = &s->sched, .uid = uid, .label = label, .with_usage = with_usage
	};
	json_t *list = json_array();
	sched_each_ready(&s->sched, NULL, NULL);
	if (all)
		add_jobs(&list, &f, &s->jobs.done);
	add_jobs(&list, &f, &s->jobs.active);
	return json_pack("{s:o}", "tasks", list);
}

/* ---- info ---- */

static json_t *warden_info(const struct warden_link *l)
{
	return json_pack("{s:b, s:s, s:b, s:i, s:o, s:o}", "is_up", warden_link_is_up(l), "mode",
		warden_mode_name((enum warden_mode)l->hello.hello.mode), "upper_on_disk",
		l->hello.hello.upper_on_disk != 0, "landlock_abi", l->hello.hello.landlock_abi,
		"info", json_build_text(l->hello.hello.info), "pid",
		l->pid > 0 ? json_integer(l->pid) : json_null());
}

static json_t *ceilings(const struct policy *p)
{
	json_t *o = limits(&p->ceiling);
	json_build_put(&o, "host_network", json_boolean(p->allow_host_network));
	return o;
}

/* What a task gets that asks for nothing. */
static json_t *defaults(const struct policy *p)
{
	struct spec_limits given = p->defaults;
	for (size_t i = 0; i < policy_field_count; i++) {
		uint64_t *v = (uint64_t *)((char *)&given + policy_fields[i].offset);
		uint64_t max = policy_value(&p->ceiling, i);
		if (max && *v > max)
			*v = max;
	}
	return limits(&given);
}

static json_t *counts(const struct server *s)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I}", "running", (json_int_t)s->sched.n_running,
		"queued", (json_int_t)s->sched.n_ready, "kept", (json_int_t)s->jobs.kept.count,
		"accepted", (json_int_t)s->jobs.n_total, "connections",
		(json_int_t)s->n_connections);
}

static json_t *probes(const struct probe *p)
{
	return p->findings ? json_incref(p->findings) : json_array();
}

static json_t *service_info(const struct startup *s)
{
	return json_pack("{s:b, s:b, s:b, s:o}", "libsystemd", notify_is_built_in(),
		"socket_passed", s->listener.is_passed, "notified", s->notify.is_wanted,
		"watchdog_ms",
		s->notify.watchdog_ms ? json_integer((json_int_t)s->notify.watchdog_ms)
				      : json_null());
}

static json_t *journal_info(const struct server *s)
{
	auto_free char *path = journal_path(&s->start->journal);
	return path || !s->start->journal.is_on ? json_build_text(path) : NULL;
}

/* Of others' requests only root and the daemon's own user see what they are for. */
static json_t *pool_info(const struct server *s, uid_t uid)
{
	bool all = uid == 0 || (!s->start->is_root_mode && uid == geteuid());
	if (!s->options->pool_size)
		return json_null();
	return json_pack("{s:I, s:I, s:o}", "size", (json_int_t)s->options->pool_size, "max_age_ms",
		(json_int_t)s->options->pool_max_age_ms, "kinds",
		pool_view_to_json(&s->pool, uid, all));
}

json_t *describe_server(const struct server *s, uid_t uid)
{
	return json_pack(
		"{s:s, s:i, s:s, s:I, s:i, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:I, s:o, "
		"s:o, s:o, s:o, s:b, s:o, s:o, s:o, s:o}",
		"version", DAYFLY_VERSION, "protocol", 1, "mode",
		s->start->is_root_mode ? "root" : "rootless", "uid", (json_int_t)geteuid(), "pid",
		(int)getpid(), "socket", s->start->listener.path, "warden", warden_info(&s->warden),
		"service", service_info(s->start), "limits", ceilings(&s->options->policy),
		"defaults", defaults(&s->options->policy), "journal", journal_info(s), "counts",
		counts(s), "max_tasks", (json_int_t)s->options->max_tasks, "max_queue",
		(json_int_t)s->options->max_queue, "idle_exit_ms",
		s->options->idle_exit_ms ? json_integer((json_int_t)s->options->idle_exit_ms)
					 : json_null(),
		"config", config_to_json(s->options), "probes", probes(&s->probe), "probes_made",
		json_build_stamp(s->probe.made_ns), "draining", s->takes_none, "pool",
		pool_info(s, uid), "webhooks", webhooks_to_json(s), "history", past_info(&s->past),
		"uploads", uploads_info(&s->uploads));
}

/* ---- stats ---- */

static json_t *gauge(const char *name, const char *help, uint64_t value)
{
	return json_pack("{s:s, s:s, s:s, s:{}, s:I}", "name", name, "kind", "gauge", "help", help,
		"labels", "value", (json_int_t)value);
}

json_t *describe_stats(const struct server *s)
{
	json_t *list = metrics_to_json(&s->metrics);
	json_build_add(&list, gauge("tasks_running", "tasks that have a slot", s->sched.n_running));
	json_build_add(&list, gauge("tasks_waiting", "tasks that wait for one", s->sched.n_ready));
	json_build_add(&list,
		gauge("webhooks_waiting", "events that are to be told", s->webhooks.outbox.count));
	json_build_add(
		&list, gauge("webhooks_waiting_bytes", "what they take", s->webhooks.outbox.bytes));
	json_build_add(
		&list, gauge("uploads_waiting", "uploads that are not over", s->uploads.count));
	json_build_add(&list,
		gauge("uploads_waiting_bytes", "what they have on the disk", s->uploads.bytes));
	json_build_add(&list, gauge("connections", "clients", s->n_connections));
	json_build_add(
		&list, gauge("closes_waiting", "descriptors of clients that are not closed yet",
			       closer_waiting()));
	json_build_add(
		&list, gauge("draining", "1: no new tasks are taken", s->takes_none ? 1 : 0));
	pool_view_add_metrics(&s->pool, &list);
	return json_pack("{s:o}", "metrics", list);
}
