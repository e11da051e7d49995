/* Requests that the history answers: see past.h. */
#include "base/clock.h"
#include "base/str.h"
#include "daemon/connection.h"
#include "daemon/describe.h"
#include "daemon/handlers.h"
#include "daemon/past.h"
#include "daemon/past_priv.h"
#include "daemon/server.h"
#include "proto/answer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of a question that is not taken. */
#define RETRY_MS 500

/* A request that is not answered yet. */
struct past_wait {
	struct history_query query;
	struct list link;	 /* past.waits */
	struct list conn_link;	 /* connection.past_waits */
	struct connection *conn; /* NULL: it is gone */
	enum op op;
	char *tag;
	bool is_ready; /* the query is ours again */
};

static void destroy_wait(struct past *p, struct past_wait *w)
{
	list_remove(&w->link);
	p->n_waits--;
	free(w->query.text);
	free(w->tag);
	free(w);
}

static void leave_connection(struct past_wait *w)
{
	list_remove(&w->conn_link);
	w->conn->n_open--;
	w->conn->n_past_waits--;
	w->conn = NULL;
}

void past_on_answer(void *owner, struct history_query *q)
{
	struct past *p = owner;
	struct past_wait *w = (struct past_wait *)((char *)q - offsetof(struct past_wait, query));
	w->is_ready = true;
	if (w->conn)
		connection_kick(w->conn);
	else
		destroy_wait(p, w);
}

void past_forget(struct connection *c)
{
	struct past *p = &c->server->past;
	list_for_each_safe (pos, &c->past_waits) {
		struct past_wait *w = list_entry(pos, struct past_wait, conn_link);
		leave_connection(w);
		/* One that is being answered comes back. */
		if (w->is_ready || history_cancel(p->history, &w->query))
			destroy_wait(p, w);
	}
}

/* ---- asking ---- */

bool past_is_there(const struct past *p)
{
	return p->history != NULL;
}

static int check_room(const struct past *p, uid_t uid, struct err *e)
{
	size_t n = 0;
	list_for_each (pos, &p->waits)
		n += list_entry(pos, struct past_wait, link)->query.uid == uid;
	if (n < PAST_WAITS_UID && (!n || p->n_waits < PAST_WAITS_MAX))
		return 0;
	err_set(e, ERR_BUSY, 0, "%zu questions to the history wait already",
		n < PAST_WAITS_UID ? p->n_waits : n);
	e->depth = (unsigned)p->n_waits;
	e->retry_ms = RETRY_MS;
	err_hint(e, "ask again when those are answered");
	return -EBUSY;
}

static int create_wait(
	struct connection *c, const struct request *rq, struct past_wait **ret, struct err *e)
{
	struct past *p = &c->server->past;
	int r = check_room(p, c->uid, e);
	if (r < 0)
		return r;
	struct past_wait *w = calloc(1, sizeof(*w));
	char *tag = strdup(rq->id);
	if (!w || !tag) {
		free(w);
		free(tag);
		return err_set(e, ERR_INTERNAL, ENOMEM, "ask the history");
	}
	w->op = rq->op;
	w->tag = tag;
	w->query.uid = c->uid;
	list_init(&w->query.link);
	list_append(&p->waits, &w->link);
	p->n_waits++;
	w->conn = c;
	list_append(&c->past_waits, &w->conn_link);
	c->n_open++;
	c->n_past_waits++;
	*ret = w;
	return 0;
}

static void copy(char *out, size_t size, const char *text)
{
	snprintf(out, size, "%s", text ? text : "");
}

/* What only root and the daemon's own user may ask. */
static int check_users(struct connection *c, const struct request *rq, struct err *e)
{
	const struct spec_history *h = &rq->history;
	if (rq->all && h->has_uid)
		return err_set_field(e, ERR_BAD_VALUE, "uid", "is not allowed beside \"all\"");
	bool is_own = !rq->all && (!h->has_uid || h->uid == c->uid);
	return is_own ? 0 : handlers_check_owner(c, e);
}

static int read_filter(
	struct connection *c, const struct request *rq, struct history_filter *f, struct err *e)
{
	const struct spec_history *h = &rq->history;
	*f = (struct history_filter){
		.has_uid = !rq->all,
		.uid = h->has_uid ? (uid_t)h->uid : c->uid,
		.state = h->state,
		.since_ns = h->since_ns,
		.until_ns = h->until_ns,
		.limit = h->limit ? h->limit : HISTORY_LIMIT_DEFAULT,
		.has_before = h->before != NULL,
	};
	copy(f->outcome, sizeof(f->outcome), h->outcome);
	copy(f->cause, sizeof(f->cause), h->cause);
	copy(f->name, sizeof(f->name), h->name);
	copy(f->label, sizeof(f->label), rq->label);
	if (h->before && history_cursor_parse(h->before, &f->before) < 0) {
		err_set_field(e, ERR_BAD_VALUE, "before", "is not the `next` of an answer");
		return -EINVAL;
	}
	return 0;
}

static int no_history(const struct server *s, struct err *e)
{
	err_set(e, ERR_NO_HISTORY, 0, "this daemon keeps no history");
	err_hint(e, "%s",
		s->options->keep_history
			? "start dayflyd with a --state-dir, or with dir in [history]"
			: "[history] of dayflyd.conf has record = no");
	return -ENOENT;
}

/* One task, as inspect, wait, logs and attach name it. */
static int ask_one(
	struct connection *c, const struct request *rq, uid_t of_uid, bool any_uid, struct err *e)
{
	struct past_wait *w;
	int r = create_wait(c, rq, &w, e);
	if (r < 0)
		return r;
	copy(w->query.word, sizeof(w->query.word), rq->task);
	w->query.is_id = id_is_task_prefix(rq->task) && strlen(rq->task) >= JOBS_PREFIX_MIN &&
			 strlen(rq->task) < ID_TASK_SIZE;
	w->query.of_uid = of_uid;
	w->query.any_uid = any_uid;
	w->query.with_all = rq->op == OP_INSPECT || rq->op == OP_HISTORY;
	history_ask(c->server->past.history, &w->query);
	return 0;
}

int past_find(struct connection *c, const struct request *rq, struct err *e)
{
	return ask_one(c, rq, c->uid, false, e);
}

int past_list(struct connection *c, const struct request *rq, struct err *e)
{
	struct past *p = &c->server->past;
	struct history_filter filter;
	struct past_wait *w;
	int r = past_is_there(p) ? check_users(c, rq, e) : no_history(c->server, e);
	if (r == 0)
		r = read_filter(c, rq, &filter, e);
	if (r == 0 && rq->task)
		return ask_one(c, rq, filter.uid, rq->all, e);
	if (r == 0)
		r = create_wait(c, rq, &w, e);
	if (r < 0)
		return r;
	w->query.is_list = true;
	w->query.filter = filter;
	history_ask(p->history, &w->query);
	return 0;
}

/* ---- answering ---- */

void past_explain_gone(const struct server *s, const char *id, uint64_t finished_ns, struct err *e)
{
	if (finished_ns < s->started_ns)
		err_set(e, ERR_OUTPUT_GONE, 0,
			"the output of task %s is gone: it ended with the daemon that ran the task",
			id);
	else
		err_set(e, ERR_OUTPUT_GONE, 0,
			"the output of task %s is gone: this daemon keeps that of a finished task "
			"for %llu minutes, and of %zu tasks at most",
			id, JOBS_KEEP_NS / (60 * NS_PER_S), s->jobs.keep_count);
	err_hint(e, "its result is in `dayfly inspect`; what is to stay a task writes into a "
		    "workspace, or its caller reads it while it runs");
}

bool past_is_silent(const struct task_result *r)
{
	static const char *const streams[] = { "stdout", "stderr" };
	json_t *full = r->stored ? result_to_json(r) : NULL;
	const json_t *output = json_object_get(full, "output");
	bool is_silent = true;
	for (size_t i = 0; i < 2; i++) {
		const json_t *n = json_object_get(json_object_get(output, streams[i]), "bytes");
		is_silent = is_silent && json_is_integer(n) && !json_integer_value(n);
	}
	json_decref(full);
	return is_silent;
}

static void send_text(struct connection *c, const struct past_wait *w)
{
	const struct history_query *q = &w->query;
	bool names_task = w->op != OP_HISTORY && w->op != OP_INSPECT;
	connection_answered(
		c, answer_result_text(&c->out, w->tag, names_task ? q->id : NULL, q->text, q->len));
}

/* It has the result of a task; its output it has not. */
static void answer_one(struct connection *c, const struct past_wait *w)
{
	const struct history_query *q = &w->query;
	struct err e;
	bool wants_output = w->op == OP_LOGS || w->op == OP_ATTACH;
	if (wants_output && q->output_bytes != 0) {
		past_explain_gone(c->server, q->id, q->finished_ns, &e);
		if (!connection_answered(c, answer_gone(&c->out, w->tag, q->id, &e)))
			return;
	}
	send_text(c, w);
}

/* The history has no such task, or no answer. */
static void answer_without(struct connection *c, const struct past_wait *w)
{
	const struct history_query *q = &w->query;
	struct job *j;
	struct err e = q->err;
	if (w->op == OP_HISTORY)
		return connection_send_error(c, w->tag, &e);
	/* Of one that the journal brought little is known, but that. */
	if (jobs_find(&c->server->jobs, c->uid, q->word, &j, &e) == 0 && w->op == OP_INSPECT)
		return connection_send_result(c, w->tag, NULL, describe_job(c->server, j));
	if (q->r != -ENOENT)
		e = q->err;
	connection_send_error(c, w->tag, &e);
}

bool past_fill(struct connection *c)
{
	bool has_added = false;
	list_for_each_safe (pos, &c->past_waits) {
		struct past_wait *w = list_entry(pos, struct past_wait, conn_link);
		if (c->is_dead || buf_len(&c->out) >= CONNECTION_OUT_LOW)
			break;
		if (!w->is_ready)
			continue;
		has_added = true;
		if (!connection_has_time(c) || !connection_may_be_told(c))
			break;
		uint64_t start_ns = clock_mono_ns();
		if (w->query.r < 0)
			answer_without(c, w);
		else if (w->op == OP_HISTORY)
			send_text(c, w);
		else
			answer_one(c, w);
		c->tenant->used_ns += clock_mono_ns() - start_ns;
		leave_connection(w);
		destroy_wait(&c->server->past, w);
	}
	return has_added;
}
