/* Who asks for uploads, and who watches them: see uploads.h. There is no queue: now and then each
 * who watches is told what has changed since, as far as his connection has room. */
#include "base/cleanup.h"
#include "daemon/connection.h"
#include "daemon/jobs.h"
#include "daemon/server.h"
#include "daemon/subscription.h"
#include "daemon/uploads_priv.h"
#include "proto/answer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void destroy(struct upload_watch *w)
{
	list_remove(&w->link);
	list_remove(&w->conn_link);
	w->conn->n_open--;
	free(w->tag);
	free(w);
}

void uploads_end_watches(struct connection *c)
{
	list_for_each_safe (pos, &c->upload_watches)
		destroy(list_entry(pos, struct upload_watch, conn_link));
}

void uploads_end_all_watches(struct uploads *u)
{
	struct err e;
	err_set(&e, ERR_SHUTDOWN, 0, "the daemon is stopping; the uploads go on with the next one");
	list_for_each_safe (pos, &u->watches) {
		struct upload_watch *w = list_entry(pos, struct upload_watch, link);
		connection_send_error(w->conn, w->tag, &e);
		destroy(w);
	}
}

static void answer(struct connection *c, const char *tag, const char *task)
{
	connection_send_result(c, tag, task,
		json_pack("{s:o}", "uploads", uploads_to_json(&c->server->uploads, c->uid, task)));
}

/* Of the uploads in the order of their last change. Returns the oldest that he does not know. */
static struct upload *next_news(const struct upload_batch *b, uint64_t told)
{
	struct upload *next = NULL;
	list_for_each (pos, &b->list) {
		struct upload *up = list_entry(pos, struct upload, link);
		if (up->version > told && (!next || up->version < next->version))
			next = up;
	}
	return next;
}

static void tell(struct upload_watch *w, const struct upload_batch *b)
{
	struct connection *c = w->conn;
	const struct upload *up;
	while (buf_len(&c->out) < SUBSCRIPTION_OUT_MAX && (up = next_news(b, w->told))) {
		json_t *event = upload_to_json(up);
		if (!event || answer_members(&c->out, w->tag, "upload", b->task, event) < 0) {
			json_decref(event);
			break;
		}
		json_decref(event);
		w->told = up->version;
		connection_kick(c);
	}
}

/* The watch may be gone afterwards. Returns whether it is to be told again. */
static bool step(struct upload_watch *w)
{
	struct connection *c = w->conn;
	struct uploads *u = &c->server->uploads;
	struct upload_batch *b = uploads_find(u, c->uid, w->task);
	if (b) {
		/* What is under way has moved. */
		list_for_each (pos, &b->list)
			if (list_entry(pos, struct upload, link)->call)
				upload_touch(list_entry(pos, struct upload, link));
		tell(w, b);
	}
	if (b && (!b->finished_ns || next_news(b, w->told)))
		return true;
	answer(c, w->tag, w->task);
	destroy(w);
	return false;
}

void uploads_tell(struct uploads *u)
{
	bool is_again = false;
	list_for_each_safe (pos, &u->watches) {
		struct upload_watch *w = list_entry(pos, struct upload_watch, link);
		if (!w->conn->is_dead)
			is_again |= step(w);
	}
	if (is_again)
		alarm_set(u->telling, UPLOADS_TELL_MS);
}

static int check_count(const struct connection *c, struct err *e)
{
	size_t n = 0, n_uid = 0;
	list_for_each (pos, &c->server->uploads.watches) {
		n++;
		n_uid += list_entry(pos, struct upload_watch, link)->conn->uid == c->uid;
	}
	return n_uid >= LIMIT_SUBSCRIPTIONS_UID || n >= LIMIT_SUBSCRIPTIONS
		       ? err_set(e, ERR_BUSY, 0, "uploads are watched %zu times already",
				 n_uid >= LIMIT_SUBSCRIPTIONS_UID ? n_uid : n)
		       : 0;
}

static int watch(struct connection *c, const char *tag, const char *task, struct err *e)
{
	struct uploads *u = &c->server->uploads;
	int r = check_count(c, e);
	if (r < 0)
		return r;
	struct upload_watch *w = calloc(1, sizeof(*w));
	if (w)
		w->tag = strdup(tag);
	if (!w || !w->tag) {
		free(w);
		return err_set(e, ERR_INTERNAL, ENOMEM, "watch the uploads");
	}
	w->conn = c;
	memcpy(w->task, task, strlen(task) + 1);
	list_append(&u->watches, &w->link);
	list_append(&c->upload_watches, &w->conn_link);
	c->n_open++;
	alarm_set(u->telling, 0);
	return 0;
}

int uploads_handle(struct connection *c, const struct request *rq, struct err *e)
{
	const struct uploads *u = &c->server->uploads;
	char task[ID_TASK_SIZE] = "";
	struct job *j = NULL;
	if (rq->watch && !rq->task)
		return err_set_field(e, ERR_MISSING_FIELD, "task", "is needed with \"watch\"");
	/* Uploads may outlive what is kept of their task. */
	if (rq->task && uploads_find(u, c->uid, rq->task)) {
		snprintf(task, sizeof(task), "%s", rq->task);
	} else if (rq->task) {
		int r = jobs_find(&c->server->jobs, c->uid, rq->task, &j, e);
		if (r < 0)
			return r;
		memcpy(task, j->task->id, sizeof(task));
	}
	if (rq->watch)
		return watch(c, rq->id, task, e);
	answer(c, rq->id, rq->task ? task : NULL);
	return 0;
}
