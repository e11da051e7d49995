/* Between the journal and the tasks: see recovery.h. */
#include "daemon/recovery.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "daemon/jobs.h"
#include "daemon/server.h"
#include "task/restore.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SERVICE_DIR    RECOVERY_SERVICE_DIR
#define SERVICE_SOCKET "/run/dayfly/dayfly.sock"

/* ---- where ---- */

/* Made by root, for whoever dayflyd becomes. It may have been for the id without a name (unnamed),
 * before there was a user for the service. */
static int make_service_dir(const struct identity *become, uid_t unnamed, struct err *e)
{
	struct stat st;
	if (mkdir(SERVICE_DIR, 0700) < 0 && errno != EEXIST)
		return err_set(e, ERR_INTERNAL, errno, "make the state directory " SERVICE_DIR);
	auto_close int fd = open(SERVICE_DIR, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_set(e, ERR_INTERNAL, errno, "open the state directory " SERVICE_DIR);
	if (st.st_uid == become->uid)
		return 0;
	if (st.st_uid != 0 && st.st_uid != unnamed)
		return err_set(e, ERR_NOT_ALLOWED, EPERM,
			"the state directory " SERVICE_DIR " belongs to user id %u, not to %u",
			(unsigned)st.st_uid, (unsigned)become->uid);
	return fchown(fd, become->uid, become->gid) < 0
		       ? err_set(e, ERR_INTERNAL, errno, "give " SERVICE_DIR " to user id %u",
				 (unsigned)become->uid)
		       : 0;
}

int recovery_make_service_dir(const struct options *o, const struct identity *become, struct err *e)
{
	return make_service_dir(become, (uid_t)o->ids_base, e);
}

static int copy_dir(const char *path, size_t len, char **ret_dir, struct err *e)
{
	*ret_dir = strndup(path, len);
	return *ret_dir ? 0 : err_set(e, ERR_INTERNAL, ENOMEM, "find the journal");
}

int recovery_choose_dir(const struct options *o, const char *socket_path,
	const struct identity *become, char **ret_dir, struct err *e)
{
	*ret_dir = NULL;
	if (!o->keep_journal)
		return 0;
	if (o->state_dir)
		return copy_dir(o->state_dir, strlen(o->state_dir), ret_dir, e);
	if (!become) {
		size_t len = (size_t)(strrchr(socket_path, '/') - socket_path);
		return copy_dir(len ? socket_path : "/", len ? len : 1, ret_dir, e);
	}
	if (strcmp(socket_path, SERVICE_SOCKET) != 0) {
		log_info("no journal: a root daemon on a socket of its own needs a --state-dir for "
			 "it");
		return 0;
	}
	int r = make_service_dir(become, (uid_t)o->ids_base, e);
	if (r < 0) {
		err_hint(e, "give another with --state-dir, or set journal = no in [daemon]");
		return r;
	}
	return copy_dir(SERVICE_DIR, strlen(SERVICE_DIR), ret_dir, e);
}

/* ---- results ---- */

/* What has a list of files. */
static const char *const with_lists[] = { "changes", "artifacts" };

/* The longest of the lists becomes half as long: the first are kept, and how many went is said.
 * Returns false when nothing is left to be taken. */
static bool halve_longest(json_t *full)
{
	json_t *owner = NULL, *list = NULL;
	for (size_t i = 0; i < ARRAY_SIZE(with_lists); i++) {
		json_t *o = json_object_get(full, with_lists[i]), *l = json_object_get(o, "list");
		if (json_array_size(l) > json_array_size(list)) {
			owner = o;
			list = l;
		}
	}
	size_t n = json_array_size(list), dropped = n - n / 2;
	if (!n)
		return false;
	dropped += (size_t)json_integer_value(json_object_get(owner, "list_dropped"));
	while (json_array_size(list) > n / 2)
		json_array_remove(list, json_array_size(list) - 1);
	json_object_set_new(owner, "list_dropped", json_integer((json_int_t)dropped));
	if (owner == json_object_get(full, "changes"))
		json_object_set_new(owner, "truncated", json_true());
	return true;
}

/* Returns the text with as much of the lists of files as there is room for, and that object. */
static char *text_with_short_lists(const struct task_result *r, json_t **ret_full)
{
	json_t *full = *ret_full = result_to_json(r);
	char *text = full ? json_dumps(full, JSON_COMPACT) : NULL;
	while (text && strlen(text) > JOURNAL_RESULT_BYTES && halve_longest(full)) {
		free(text);
		text = json_dumps(full, JSON_COMPACT);
	}
	return text;
}

char *recovery_result_text(struct server *s, const struct task_result *r)
{
	static const char *const details[] = { "degraded", "enforced", "error" };
	json_t *full = s ? server_result_to_json(s, r) : result_to_json(r);
	char *text = full ? json_dumps(full, JSON_COMPACT) : NULL;
	if (text && strlen(text) > JOURNAL_RESULT_BYTES) {
		free(text);
		/* This one is others' too. */
		json_decref(full);
		text = text_with_short_lists(r, &full);
	}
	if (text && strlen(text) > JOURNAL_RESULT_BYTES) {
		free(text);
		for (size_t i = 0; i < ARRAY_SIZE(details); i++)
			json_object_set_new(full, details[i], json_null());
		text = json_dumps(full, JSON_COMPACT);
	}
	json_decref(full);
	return text;
}

static const char *doing(enum task_state state)
{
	return state == TASK_STATE_QUEUED ? "waiting for its turn" : task_state_name(state);
}

struct task_result *recovery_lost_result(const struct journal_task *t)
{
	struct task_result *r = result_create();
	struct err e;
	if (!r)
		return NULL;
	memcpy(r->task, t->id, sizeof(r->task));
	r->name = t->name ? strdup(t->name) : NULL;
	r->created_ns = t->created_ns;
	r->started_ns = t->started_ns;
	r->finished_ns = clock_real_ns();
	const struct verdict_facts facts = { .daemon_crash = true, .started = t->started_ns != 0 };
	r->verdict = verdict_decide(&facts);
	if (t->state == TASK_STATE_QUEUED)
		r->verdict.phase = PHASE_QUEUE;
	err_set(&e, ERR_DAEMON_CRASH, 0, "the daemon died while the task was %s", doing(t->state));
	err_hint(&e, t->started_ns ? "it may have done part of its work; run it again if that does "
				     "no harm"
				   : "it did nothing yet; run it again");
	result_set_error(r, &e);
	return r;
}

static int set_lost(struct journal_task *t)
{
	struct task_result *r = recovery_lost_result(t);
	if (!r)
		return -ENOMEM;
	t->finished_ns = r->finished_ns;
	t->result = recovery_result_text(NULL, r);
	result_destroy(r);
	log_info("task %s: lost: the daemon died while it was %s", t->id, doing(t->state));
	return t->result ? 0 : -ENOMEM;
}

/* What lists show stands in the result, by name. */
static void read_verdict(struct task_result *r, const json_t *full)
{
	const char *outcome = json_string_value(json_object_get(full, "outcome"));
	const char *cause = json_string_value(json_object_get(full, "cause"));
	const json_t *code = json_object_get(json_object_get(full, "exit"), "code");
	r->verdict.outcome = OUTCOME_ERROR;
	r->verdict.cause = CAUSE_INTERNAL;
	for (unsigned i = 0; outcome && i < OUTCOME_COUNT; i++)
		if (!strcmp(outcome, outcome_name((enum outcome)i)))
			r->verdict.outcome = (enum outcome)i;
	for (unsigned i = 0; cause && i < CAUSE_COUNT; i++)
		if (!strcmp(cause, cause_name((enum cause)i)))
			r->verdict.cause = (enum cause)i;
	r->verdict.exit.has_code = json_is_integer(code);
	r->verdict.exit.code = (int)json_integer_value(code);
}

static struct task_result *stored_result(const struct journal_task *t)
{
	struct task_result *r = result_create();
	if (!r)
		return NULL;
	memcpy(r->task, t->id, sizeof(r->task));
	r->created_ns = t->created_ns;
	r->started_ns = t->started_ns;
	r->finished_ns = t->finished_ns;
	r->stored = strdup(t->result);
	json_t *full = r->stored ? result_to_json(r) : NULL;
	if (!full) {
		result_destroy(r);
		return NULL;
	}
	read_verdict(r, full);
	json_decref(full);
	return r;
}

/* ---- taking in ---- */

static struct task_spec *known_spec(struct journal_task *t)
{
	struct task_spec *spec = calloc(1, sizeof(*spec));
	if (!spec)
		return NULL;
	spec->name = t->name ? strdup(t->name) : NULL;
	spec->idempotency_key = t->idempotency_key ? strdup(t->idempotency_key) : NULL;
	spec->argv = strv_copy(t->argv);
	spec->labels = strv_copy(t->labels);
	return spec;
}

/* When it was done, on the clock that counts how long it is kept. */
static uint64_t done_at(const struct journal_task *t)
{
	uint64_t real = clock_real_ns(), boot = clock_boot_ns();
	uint64_t age = t->finished_ns < real ? real - t->finished_ns : 0;
	return age < boot ? boot - age : 0;
}

static int take_in(struct server *s, struct journal_task *t)
{
	int r = t->result ? 0 : set_lost(t);
	if (r < 0)
		return r;
	struct task_result *result = stored_result(t);
	struct task_spec *spec = result ? known_spec(t) : NULL;
	if (spec)
		past_note_recovered(&s->past, t, result);
	if (!spec) {
		result_destroy(result);
		return -ENOMEM;
	}
	struct task *task = task_restore(&s->host, t->uid, spec, result);
	struct job *j =
		task ? jobs_add_recovered(&s->jobs, task, t->argv_is_cut, done_at(t)) : NULL;
	if (!j)
		return -ENOMEM;
	j->digest = t->digest;
	return 0;
}

int recovery_start(struct server *s, struct journal_image *m)
{
	size_t n_before = m->n_tasks, n_lost = 0;
	journal_image_prune(m, clock_real_ns(), JOBS_KEEP_NS, JOURNAL_KEEP_COUNT);
	list_for_each (pos, &m->tasks) {
		struct journal_task *t = list_entry(pos, struct journal_task, link);
		n_lost += !t->result;
		int r = take_in(s, t);
		if (r < 0)
			return r;
	}
	if (n_before)
		log_info("the journal: %zu tasks of an earlier daemon, %zu of them lost",
			m->n_tasks, n_lost);
	int r = journal_start(&s->start->journal, s->loop, m);
	/* Megabytes, and not looked at again. */
	journal_image_finish(m);
	malloc_trim(0);
	return r;
}

/* ---- telling ---- */

int recovery_note_accepted(struct server *s, const struct job *j, struct err *e)
{
	const struct task *t = j->task;
	/* Texts are borrowed, but for the words of the command. */
	struct journal_task record = {
		.uid = t->uid,
		.created_ns = t->result->created_ns,
		.name = t->spec->name,
		.labels = t->spec->labels,
		.idempotency_key = t->spec->idempotency_key,
		.digest = j->digest,
	};
	memcpy(record.id, t->id, sizeof(record.id));
	int r = journal_cut_argv(&record, t->spec->argv);
	r = r < 0 ? err_set(e, ERR_INTERNAL, -r, "write down the task")
		  : journal_accept(&s->start->journal, &record, e);
	strv_free(record.argv);
	return r;
}

void recovery_note_state(struct server *s, const struct job *j)
{
	enum task_state state = j->task->state;
	if (state == TASK_STATE_STARTING || state == TASK_STATE_RUNNING)
		journal_state(&s->start->journal, j->task->id, state, clock_real_ns());
}

void recovery_note_done(struct server *s, struct job *j, const char *result)
{
	if (!s->start->journal.is_on)
		return;
	int r = -ENOMEM;
	if (result)
		r = journal_finish(
			&s->start->journal, j->task->id, j->task->result->finished_ns, result);
	if (r < 0 && !j->is_unwritten)
		log_task(LOG_LEVEL_WARNING, j->task->id,
			"its end is not in the journal yet, and the next daemon would take it for "
			"lost: %s",
			strerror(-r));
	j->is_unwritten = r < 0;
	s->has_unwritten |= j->is_unwritten;
}

void recovery_write_rest(struct server *s)
{
	if (!s->has_unwritten)
		return;
	s->has_unwritten = false;
	list_for_each (pos, &s->jobs.done) {
		struct job *j = list_entry(pos, struct job, link);
		if (!j->is_unwritten)
			continue;
		auto_free char *text = recovery_result_text(s, j->task->result);
		recovery_note_done(s, j, text);
	}
}
