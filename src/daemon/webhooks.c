/* Who is told of a task: see webhooks.h. */
#include "daemon/webhooks.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/log.h"
#include "base/str.h"
#include "daemon/jobs.h"
#include "daemon/json_build.h"
#include "daemon/server.h"
#include "daemon/webhook_body.h"
#include "proto/schema.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PROMISE_ENDING ".promise"
#define CREDENTIAL     "webhook_secret"
#define HOOKS_MAX      (LIMIT_WEBHOOKS + CONFIG_URLS_MAX)

struct hook {
	const char *url;
	uint32_t events;
	bool is_admins;
};

/* One that was kept, and whose record is to go. */
struct promise {
	struct list link; /* webhooks.over */
	struct server *server;
	struct syncer_wait wait;
	bool is_waiting;
	char task[ID_TASK_SIZE];
};

/* ---- keys ---- */

int webhooks_read_keys(
	const struct options *o, uid_t owner, struct signature_keys *ret, struct err *e)
{
	const char *dir = getenv("CREDENTIALS_DIRECTORY");
	auto_free char *path = NULL;
	*ret = (struct signature_keys){ .n = 0 };
	if (o->hooks.secret_file)
		return signature_read_file(o->hooks.secret_file, owner, ret, e);
	if (dir && asprintf(&path, "%s/" CREDENTIAL, dir) < 0) {
		path = NULL;
		return err_set(e, ERR_INTERNAL, ENOMEM, "find the secrets of webhooks");
	}
	if (path && access(path, F_OK) == 0)
		return signature_read_file(path, owner, ret, e);
	if (!strv_len(o->hooks.endpoints))
		return 0;
	err_set(e, ERR_BAD_VALUE, 0,
		"webhooks.endpoints has addresses, and there is no secret to "
		"sign with");
	err_hint(e, "give one with secret_file in [webhooks] of dayflyd.conf");
	return -EINVAL;
}

int webhooks_check(const struct server *s, const struct task_spec *spec, struct err *e)
{
	if (!spec->n_webhooks || s->start->hook_keys.n)
		return 0;
	err_set_field(e, ERR_NOT_ALLOWED, "task.webhooks",
		"this daemon has no secret to sign webhooks with");
	err_hint(e, "set secret_file in [webhooks] of dayflyd.conf and start dayflyd again");
	return -EINVAL;
}

/* ---- who is told ---- */

static uint32_t endpoint_events(const struct options *o)
{
	uint32_t bits = 0;
	for (char **word = o->hooks.events; word && *word; word++)
		for (const struct schema_word *w = schema_webhook_words; w->name; w++)
			if (!strcmp(*word, w->name))
				bits |= (uint32_t)w->value;
	return bits;
}

static size_t hooks_of(
	const struct server *s, const struct task_spec *spec, struct hook out[HOOKS_MAX])
{
	size_t n = 0;
	if (!s->start->hook_keys.n)
		return 0;
	for (size_t i = 0; i < spec->n_webhooks && n < LIMIT_WEBHOOKS; i++) {
		uint32_t events = spec->webhooks[i].events;
		out[n++] = (struct hook){ spec->webhooks[i].url, events ? events : WEBHOOK_FINISHED,
			false };
	}
	for (char **url = s->options->hooks.endpoints; url && *url && n < HOOKS_MAX; url++)
		out[n++] = (struct hook){ *url, endpoint_events(s->options), true };
	return n;
}

static void tell(
	struct server *s, const struct hook *hooks, size_t n, const struct webhook_facts *f)
{
	for (size_t i = 0; i < n; i++) {
		char id[OUTBOX_ID_SIZE];
		if (!(hooks[i].events & f->event))
			continue;
		webhook_id(f->task, f->event, i, id);
		char *body = webhook_body(f, id, s->webhooks.source);
		outbox_add(&s->webhooks.outbox, f->uid, hooks[i].is_admins, id, hooks[i].url, body,
			body ? strlen(body) : 0);
	}
}

static struct webhook_facts facts_of(const struct job *j, enum webhook_event event)
{
	const struct task *t = j->task;
	return (struct webhook_facts){
		.event = event,
		.task = t->id,
		.name = t->spec->name,
		.labels = t->spec->labels,
		.uid = t->uid,
		.at_ns = clock_real_ns(),
		.created_ns = t->result->created_ns,
		.started_ns = t->result->started_ns,
	};
}

/* ---- promises ---- */

static void promise_name(const char *task, char out[OUTBOX_NAME_MAX])
{
	snprintf(out, OUTBOX_NAME_MAX, "%s" PROMISE_ENDING, task);
}

static json_t *promise_head(const struct job *j, const struct hook *hooks, size_t n)
{
	const struct task *t = j->task;
	json_t *list = json_array(), *words = json_array();
	for (size_t i = 0; i < n; i++)
		json_build_add(&list,
			json_pack("{s:s, s:I, s:b}", "url", hooks[i].url, "events",
				(json_int_t)hooks[i].events, "is_admins", hooks[i].is_admins));
	for (char **label = t->spec->labels; label && *label; label++)
		json_build_add(&words, json_string(*label));
	return json_pack("{s:s, s:s?, s:o, s:I, s:I, s:o}", "task", t->id, "name", t->spec->name,
		"labels", words, "uid", (json_int_t)t->uid, "created_ns",
		(json_int_t)t->result->created_ns, "hooks", list);
}

bool webhooks_promise(struct server *s, const struct job *j)
{
	struct outbox_store *store = &s->webhooks.outbox.store;
	struct hook hooks[HOOKS_MAX];
	char name[OUTBOX_NAME_MAX];
	uint32_t events = 0;
	size_t n = hooks_of(s, j->task->spec, hooks);
	for (size_t i = 0; i < n; i++)
		events |= hooks[i].events;
	if (!(events & WEBHOOK_FINISHED) || !store->path)
		return false;
	json_t *head = promise_head(j, hooks, n);
	promise_name(j->task->id, name);
	int r = head ? outbox_store_write(store, name, head, "", 0) : -ENOMEM;
	json_decref(head);
	if (r < 0)
		log_task(LOG_LEVEL_WARNING, j->task->id,
			"if dayflyd dies before its end, nobody is told of that: %s", strerror(-r));
	else
		outbox_store_sync(store, name);
	return r == 0;
}

static void forget_promise(struct server *s, const char *task)
{
	char name[OUTBOX_NAME_MAX];
	promise_name(task, name);
	outbox_store_remove(&s->webhooks.outbox.store, name);
}

void webhooks_take_back(struct server *s, const struct job *j)
{
	forget_promise(s, j->task->id);
}

static void forget_over(struct promise *p)
{
	list_remove(&p->link);
	forget_promise(p->server, p->task);
	free(p);
}

static void forget_all_over(struct server *s)
{
	list_for_each_safe (pos, &s->webhooks.over) {
		struct promise *p = list_entry(pos, struct promise, link);
		if (!p->is_waiting)
			forget_over(p);
	}
}

static void on_synced(struct syncer_wait *w, int errnum)
{
	struct promise *p = list_entry(w, struct promise, wait);
	p->is_waiting = false;
	if (!errnum && !p->server->webhooks.outbox.n_unstored)
		forget_over(p);
}

/* The end is told. Until that is on the disk, the promise stays: whatever this daemon, or the
 * machine, takes with it, the next daemon tells. Without memory for a note it does, too. */
static void end_promise(struct server *s, const char *task)
{
	struct webhooks *w = &s->webhooks;
	char name[OUTBOX_NAME_MAX];
	promise_name(task, name);
	/* It could not be made, perhaps. */
	bool is_there = faccessat(w->outbox.store.dir_fd, name, F_OK, 0) == 0;
	struct promise *p = is_there ? calloc(1, sizeof(*p)) : NULL;
	if (!p)
		return;
	snprintf(p->task, sizeof(p->task), "%s", task);
	p->server = s;
	p->wait.fn = on_synced;
	list_append(&w->over, &p->link);
	p->is_waiting = syncer_wait(w->outbox.syncer, &p->wait);
	if (!p->is_waiting && !w->outbox.n_unstored)
		forget_over(p);
}

void webhooks_tick(struct server *s)
{
	outbox_tick(&s->webhooks.outbox);
	if (!s->webhooks.outbox.n_unstored)
		forget_all_over(s);
}

/* ---- the life of a task ---- */

static void on_done(struct server *s, struct job *j, const struct hook *hooks, size_t n)
{
	struct webhook_facts f = facts_of(j, WEBHOOK_FINISHED);
	json_t *result = server_result_to_json(s, j->task->result);
	f.result = result;
	f.at_ns = j->task->result->finished_ns;
	tell(s, hooks, n, &f);
	json_decref(result);
	end_promise(s, j->task->id);
}

void webhooks_on_accepted(struct server *s, struct job *j)
{
	struct hook hooks[HOOKS_MAX];
	size_t n = hooks_of(s, j->task->spec, hooks);
	if (!n)
		return;
	struct webhook_facts f = facts_of(j, WEBHOOK_ACCEPTED);
	f.at_ns = f.created_ns ? f.created_ns : f.at_ns;
	j->is_told = true;
	tell(s, hooks, n, &f);
	/* The journal may have taken longer than all the rest. */
	if (j->seen_states & 1u << TASK_STATE_RUNNING) {
		f = facts_of(j, WEBHOOK_STARTED);
		tell(s, hooks, n, &f);
	}
	if (job_is_over(j))
		on_done(s, j, hooks, n);
}

void webhooks_on_state(struct server *s, struct job *j)
{
	struct hook hooks[HOOKS_MAX];
	enum task_state state = j->task->state;
	if (!j->is_told || (state != TASK_STATE_RUNNING && state != TASK_STATE_DONE))
		return;
	size_t n = hooks_of(s, j->task->spec, hooks);
	if (state == TASK_STATE_DONE) {
		on_done(s, j, hooks, n);
		return;
	}
	const struct webhook_facts f = facts_of(j, WEBHOOK_STARTED);
	tell(s, hooks, n, &f);
}

/* ---- after a restart ---- */

struct promises {
	struct server *s;
	size_t n_kept;
};

/* Without a journal: what is sure all the same. */
static json_t *lost_result(const char *task, const char *name)
{
	return json_pack("{s:s, s:s?, s:s, s:s}", "task", task, "name", name, "outcome", "lost",
		"cause", "daemon_crash");
}

static size_t read_hooks(const json_t *head, struct hook out[HOOKS_MAX])
{
	size_t i, n = 0;
	json_t *entry;
	json_array_foreach (json_object_get(head, "hooks"), i, entry) {
		const char *url = json_string_value(json_object_get(entry, "url"));
		if (url && n < HOOKS_MAX)
			out[n++] = (struct hook){ url,
				(uint32_t)json_integer_value(json_object_get(entry, "events")),
				json_is_true(json_object_get(entry, "is_admins")) };
	}
	return n;
}

static char **read_labels(const json_t *head)
{
	char **v = NULL;
	size_t i;
	json_t *entry;
	json_array_foreach (json_object_get(head, "labels"), i, entry)
		if (json_is_string(entry))
			strv_add(&v, json_string_value(entry));
	return v;
}

static void keep_promise(void *owner, const char *file, const json_t *head, size_t body_len)
{
	struct promises *p = owner;
	struct server *s = p->s;
	struct hook hooks[HOOKS_MAX];
	const char *task = json_string_value(json_object_get(head, "task"));
	size_t n = read_hooks(head, hooks);
	char id[OUTBOX_ID_SIZE];
	if (!task || !id_is_task(task))
		return;
	uid_t uid = (uid_t)json_integer_value(json_object_get(head, "uid"));
	const char *name = json_string_value(json_object_get(head, "name"));
	/* It died between the event and the end of the promise: what is there is not told twice. */
	for (size_t i = 0; i < n; i++) {
		webhook_id(task, WEBHOOK_FINISHED, i, id);
		if (outbox_has(&s->webhooks.outbox, id))
			hooks[i].events = 0;
	}
	struct job *j = NULL;
	bool is_known = jobs_find(&s->jobs, uid, task, &j, NULL) == 0 && task_is_done(j->task);
	char **labels = read_labels(head);
	json_t *result = is_known ? result_to_json(j->task->result) : lost_result(task, name);
	const struct webhook_facts f = {
		.event = WEBHOOK_FINISHED,
		.task = task,
		.name = name,
		.labels = labels,
		.uid = uid,
		.at_ns = is_known ? j->task->result->finished_ns : clock_real_ns(),
		.created_ns = (uint64_t)json_integer_value(json_object_get(head, "created_ns")),
		.started_ns = is_known ? j->task->result->started_ns : 0,
		.result = result,
	};
	tell(s, hooks, n, &f);
	json_decref(result);
	strv_free(labels);
	end_promise(s, task);
	p->n_kept++;
}

static void set_source(struct webhooks *w)
{
	char host[256] = "";
	bool is_known =
		gethostname(host, sizeof(host) - 1) == 0 && str_is_name(host, sizeof(host) - 1);
	snprintf(w->source, sizeof(w->source), "dayfly://%s", is_known ? host : "localhost");
}

int webhooks_start(struct server *s)
{
	struct promises p = { .s = s };
	struct outbox *o = &s->webhooks.outbox;
	size_t n_bad = 0;
	set_source(&s->webhooks);
	list_init(&s->webhooks.over);
	int r = outbox_init(
		o, s->loop, s->options, &s->start->hook_keys, &s->metrics, s->start->outbox_dir);
	if (r < 0)
		return r;
	if (outbox_store_each(&o->store, PROMISE_ENDING, keep_promise, &p, &n_bad) < 0 || n_bad)
		log_warning(
			"%s: not all promises of an earlier daemon could be read", o->store.path);
	if (p.n_kept)
		log_info("the ends of %zu tasks of an earlier daemon are to be told", p.n_kept);
	return 0;
}

void webhooks_finish(struct server *s)
{
	/* It was never started. */
	if (!s->webhooks.over.next)
		return;
	syncer_drain(s->webhooks.outbox.syncer);
	if (!s->webhooks.outbox.n_unstored)
		forget_all_over(s);
	/* What is lost with this daemon is told by the next one. */
	list_for_each_safe (pos, &s->webhooks.over)
		free(list_entry(pos, struct promise, link));
	outbox_finish(&s->webhooks.outbox);
}

json_t *webhooks_to_json(const struct server *s)
{
	const struct outbox *o = &s->webhooks.outbox;
	const char *path = o->store.path;
	return json_pack("{s:I, s:o, s:I, s:I, s:o}", "secrets", (json_int_t)s->start->hook_keys.n,
		"outbox", path && str_is_utf8(path, strlen(path)) ? json_string(path) : json_null(),
		"waiting", (json_int_t)o->count, "bytes", (json_int_t)o->bytes, "fault",
		o->fault ? json_string(strerror(o->fault)) : json_null());
}
