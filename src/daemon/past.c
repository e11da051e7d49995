/* What the history is told: see past.h. */
#include "daemon/past.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "daemon/describe.h"
#include "daemon/past_priv.h"
#include "daemon/recovery.h"
#include "daemon/server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A longer request is kept without its details; of a longer command the first words. */
#define REQUEST_BYTES (64u << 10)
#define ARGV_BYTES    (32u << 10)
/* Rows of active tasks that are made in one turn of the loop. */
#define ACTIVE_AT_ONCE 64
#define ACTIVE_WORK_NS (5 * NS_PER_MS)

/* ---- where ---- */

/* The socket that a user's daemon has where nothing else is said: there is one of it. */
static bool is_usual_socket(const char *path)
{
	const char *xdg = getenv("XDG_RUNTIME_DIR");
	auto_free char *usual = NULL;
	char run[64], tmp[64];
	snprintf(run, sizeof(run), "/run/user/%u/dayfly/dayfly.sock", (unsigned)geteuid());
	snprintf(tmp, sizeof(tmp), "/tmp/dayfly-%u/dayfly.sock", (unsigned)geteuid());
	if (!xdg || xdg[0] != '/')
		return !strcmp(path, run) || !strcmp(path, tmp);
	if (asprintf(&usual, "%s/dayfly/dayfly.sock", xdg) < 0)
		usual = NULL;
	return usual && !strcmp(path, usual);
}

static char *user_dir(void)
{
	const char *xdg = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	char *dir = NULL;
	int n = -1;
	if (xdg && xdg[0] == '/')
		n = asprintf(&dir, "%s/dayfly", xdg);
	else if (home && home[0] == '/' && home[1])
		n = asprintf(&dir, "%s/.local/state/dayfly", home);
	return n < 0 ? NULL : dir;
}

/* given: what the settings say, or NULL. */
static void choose_dir(const char *given, const char *socket_path, bool is_root_mode,
	const char *journal_dir, char **ret_dir, bool *ret_makes_dirs)
{
	*ret_dir = NULL;
	*ret_makes_dirs = false;
	if (!given && is_root_mode)
		given = journal_dir;
	if (given) {
		*ret_dir = strdup(given);
	} else if (!is_root_mode && is_usual_socket(socket_path)) {
		*ret_dir = user_dir();
		*ret_makes_dirs = true;
	}
}

void past_choose_dir(const struct options *o, const char *socket_path, bool is_root_mode,
	const char *journal_dir, char **ret_dir, bool *ret_makes_dirs)
{
	*ret_dir = NULL;
	if (!o->keep_history)
		return;
	choose_dir(o->history_dir ? o->history_dir : o->state_dir, socket_path, is_root_mode,
		journal_dir, ret_dir, ret_makes_dirs);
	if (!*ret_dir)
		log_info("no history: a daemon on a socket of its own needs a --state-dir, or dir "
			 "in [history], for it");
}

void past_choose_git_dir(const struct options *o, const char *socket_path,
	const struct identity *become, const char *journal_dir, char **ret_dir,
	bool *ret_makes_dirs)
{
	struct err e;
	choose_dir(o->git.dir ? o->git.dir : o->state_dir, socket_path, become != NULL, journal_dir,
		ret_dir, ret_makes_dirs);
	if (*ret_dir || !become || !is_usual_socket(socket_path))
		return;
	/* Of root's own daemon: later nobody could make it. */
	if (recovery_make_service_dir(o, become, &e) < 0)
		log_info("no repositories: %s", e.msg);
	else
		*ret_dir = strdup(RECOVERY_SERVICE_DIR);
}

/* ---- rows ---- */

static char *dump(json_t *take_json)
{
	char *text = take_json ? json_dumps(take_json, JSON_COMPACT) : NULL;
	json_decref(take_json);
	return text;
}

static void put_spec(struct history_row *r, const struct task_spec *spec, bool argv_is_cut)
{
	bool is_cut = false;
	r->name = spec->name ? strdup(spec->name) : NULL;
	r->argv = dump(describe_argv(spec, &is_cut));
	r->argv_is_cut = is_cut || argv_is_cut;
	r->labels = spec->labels && spec->labels[0] ? dump(describe_labels(spec->labels)) : NULL;
}

/* Only they can be so many. */
static bool has_too_long_names(const struct task_spec *spec)
{
	size_t bytes = 0;
	for (char **v = spec->env; v && *v && bytes <= REQUEST_BYTES; v++)
		bytes += strcspn(*v, "=") + sizeof("\"\",") - 1;
	return bytes > REQUEST_BYTES;
}

static void put_request(struct history_row *r, const struct task_spec *spec)
{
	if (!has_too_long_names(spec))
		r->request = dump(describe_spec(spec, ARGV_BYTES, &r->request_is_cut));
	if (r->request && strlen(r->request) <= REQUEST_BYTES)
		return;
	free(r->request);
	r->request = dump(describe_known_spec(spec, true));
	r->request_is_cut = true;
}

static void put_verdict(struct history_row *r, const struct verdict *v)
{
	snprintf(r->outcome, sizeof(r->outcome), "%s", outcome_name(v->outcome));
	snprintf(r->cause, sizeof(r->cause), "%s", cause_name(v->cause));
	r->has_code = v->exit.has_code;
	r->code = v->exit.code;
}

/* result: NULL: it is not done. */
static struct history_row *row_of(const struct past *p, const struct job *j, const char *result)
{
	const struct task *t = j->task;
	struct history_row *r = history_row_create();
	if (!r)
		return NULL;
	memcpy(r->id, t->id, sizeof(r->id));
	r->uid = t->uid;
	r->created_ns = t->result->created_ns;
	r->started_ns = t->result->started_ns;
	put_spec(r, t->spec, false);
	put_request(r, t->spec);
	if (p->server->host.log_dir)
		r->log_dir = strdup(p->server->host.log_dir);
	if (!result)
		return r;
	r->finished_ns = t->result->finished_ns;
	r->result = strdup(result);
	put_verdict(r, &t->result->verdict);
	return r;
}

static void note(struct past *p, struct history_row *take_row)
{
	if (take_row)
		history_note(p->history, take_row);
}

void past_note_done(struct past *p, struct job *j, const char *result)
{
	if (p->history && result)
		note(p, row_of(p, j, result));
}

static bool is_due(const struct job *j, uint64_t now_ns)
{
	return !j->is_in_history &&
	       now_ns - j->task->result->created_ns >= PAST_ACTIVE_MS * NS_PER_MS;
}

/* Tasks are in the order in which they were accepted. */
static void on_alarm(void *owner)
{
	struct past *p = owner;
	uint64_t now_ns = clock_real_ns(), begun_ns = clock_mono_ns();
	size_t n = 0;
	bool has_more = false, is_enough = false;
	p->is_alarm_set = false;
	list_for_each (pos, &p->server->jobs.active) {
		struct job *j = list_entry(pos, struct job, link);
		if (j->is_in_history)
			continue;
		is_enough =
			n == ACTIVE_AT_ONCE || (n && clock_mono_ns() - begun_ns >= ACTIVE_WORK_NS);
		has_more = is_enough || !is_due(j, now_ns);
		if (has_more)
			break;
		note(p, row_of(p, j, NULL));
		j->is_in_history = true;
		n++;
	}
	if (!has_more)
		return;
	p->is_alarm_set = true;
	alarm_set(p->alarm, is_enough ? 1 : PAST_ACTIVE_MS);
}

void past_note_accepted(struct past *p)
{
	if (!p->history || p->is_alarm_set)
		return;
	p->is_alarm_set = true;
	alarm_set(p->alarm, PAST_ACTIVE_MS);
}

void past_note_recovered(
	struct past *p, const struct journal_task *t, const struct task_result *res)
{
	struct history_row *r = p->history ? history_row_create() : NULL;
	if (!r)
		return;
	const struct task_spec spec = { .name = t->name, .argv = t->argv, .labels = t->labels };
	memcpy(r->id, t->id, sizeof(r->id));
	r->uid = t->uid;
	r->created_ns = t->created_ns;
	r->started_ns = t->started_ns;
	r->finished_ns = t->finished_ns;
	put_spec(r, &spec, t->argv_is_cut);
	r->request = dump(describe_known_spec(&spec, t->argv_is_cut));
	r->request_is_cut = true;
	r->result = strdup(t->result);
	put_verdict(r, &res->verdict);
	note(p, r);
}

/* The journal did not know it. */
static void on_lost(void *owner, struct history_row *take_row)
{
	struct past *p = owner;
	struct history_row *r = take_row;
	struct journal_task t = {
		.uid = r->uid,
		.state = r->started_ns ? TASK_STATE_RUNNING : TASK_STATE_QUEUED,
		.created_ns = r->created_ns,
		.started_ns = r->started_ns,
		.name = r->name,
	};
	memcpy(t.id, r->id, sizeof(t.id));
	struct task_result *res = recovery_lost_result(&t);
	r->result = res ? recovery_result_text(NULL, res) : NULL;
	if (!r->result) {
		history_row_destroy(r);
	} else {
		r->finished_ns = res->finished_ns;
		put_verdict(r, &res->verdict);
		history_note(p->history, r);
	}
	result_destroy(res);
}

/* ---- life ---- */

static struct history_bounds bounds_of(const struct past *p)
{
	const struct options *o = p->server->options;
	return (struct history_bounds){ o->history_age_ms, o->history_bytes };
}

int past_init(struct past *p, struct server *s, const char *dir, bool makes_dirs)
{
	const struct history_hooks hooks = { .on_answer = past_on_answer, .on_lost = on_lost };
	p->server = s;
	list_init(&p->waits);
	if (!dir)
		return 0;
	const struct history_bounds bounds = bounds_of(p);
	int r = alarm_create(s->loop, on_alarm, p, &p->alarm);
	return r < 0 ? r
		     : history_create(s->loop, dir, makes_dirs, &bounds, &hooks, p, &p->history);
}

void past_start(struct past *p)
{
	int r = p->history ? history_start(p->history) : 0;
	if (r == 0)
		return;
	log_error("no history: its thread cannot be made: %s", strerror(-r));
	history_stop(p->history);
	p->history = NULL;
}

void past_finish(struct past *p)
{
	if (!p->server)
		return;
	history_stop(p->history);
	p->history = NULL;
	alarm_destroy(&p->alarm);
}

void past_reload(struct past *p)
{
	const struct history_bounds bounds = bounds_of(p);
	if (p->history)
		history_set_bounds(p->history, &bounds);
}

/* ---- info ---- */

json_t *past_info(const struct past *p)
{
	struct history_status st;
	if (!p->history)
		return json_null();
	history_get_status(p->history, &st);
	return json_pack("{s:s, s:s, s:o, s:I, s:I, s:I, s:I, s:I}", "path",
		history_path(p->history), "state", history_mode_name(st.mode), "fault",
		st.fault[0] ? json_string(st.fault) : json_null(), "tasks", (json_int_t)st.rows,
		"bytes", (json_int_t)st.bytes, "waiting", (json_int_t)st.waiting, "written",
		(json_int_t)st.written, "dropped", (json_int_t)st.dropped);
}
