/* Requests for events: see subscription.h. */
#include "daemon/subscription.h"

#include "base/limits.h"
#include "daemon/describe.h"
#include "daemon/server.h"
#include "proto/answer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void destroy(struct subscription *sub)
{
	list_remove(&sub->conn_link);
	list_remove(&sub->link);
	sub->conn->n_open--;
	free(sub->tag);
	free(sub->label);
	free(sub);
}

void subscription_finish_all(struct connection *c)
{
	list_for_each_safe (pos, &c->subscriptions)
		destroy(list_entry(pos, struct subscription, conn_link));
}

/* Whether one more has room. */
static int check_count(const struct connection *c, struct err *e)
{
	size_t n_conn = 0, n_uid = 0, n = 0;
	list_for_each (pos, &c->server->subscriptions) {
		const struct connection *other = list_entry(pos, struct subscription, link)->conn;
		n_conn += other == c;
		n_uid += other->uid == c->uid;
		n++;
	}
	if (n_conn >= LIMIT_CONNECTION_SUBSCRIPTIONS)
		return err_set(
			e, ERR_BUSY, 0, "this connection has %zu subscriptions already", n_conn);
	if (n_uid >= LIMIT_SUBSCRIPTIONS_UID || n >= LIMIT_SUBSCRIPTIONS)
		return err_set(e, ERR_BUSY, 0, "there are %zu subscriptions already",
			n_uid >= LIMIT_SUBSCRIPTIONS_UID ? n_uid : n);
	return 0;
}

static struct subscription *find(struct connection *c, const char *tag)
{
	list_for_each (pos, &c->subscriptions) {
		struct subscription *sub = list_entry(pos, struct subscription, conn_link);
		if (!strcmp(sub->tag, tag))
			return sub;
	}
	return NULL;
}

bool subscription_wants(const struct subscription *sub, const struct task *t)
{
	return (sub->is_all || t->uid == sub->conn->uid) &&
	       (!sub->task[0] || !strcmp(sub->task, t->id)) &&
	       (!sub->label || jobs_has_label(t->spec->labels, sub->label));
}

/* ---- telling ---- */

static bool has_room(const struct subscription *sub)
{
	return buf_len(&sub->conn->out) < SUBSCRIPTION_OUT_MAX;
}

/* Returns whether all that was left out has been told of. */
static bool tell_missed(struct subscription *sub)
{
	if (!sub->missed)
		return true;
	if (!has_room(sub) || answer_missed(&sub->conn->out, sub->tag, sub->missed) < 0)
		return false;
	sub->missed = 0;
	return true;
}

static bool tell_event(struct subscription *sub, const struct job *j, const json_t *event)
{
	return event && tell_missed(sub) && has_room(sub) &&
	       answer_members(&sub->conn->out, sub->tag, "task", j->task->id, event) == 0;
}

void subscription_on_state(struct server *s, struct job *j)
{
	json_t *event = NULL;
	bool is_done = task_is_done(j->task);
	list_for_each (pos, &s->subscriptions) {
		struct subscription *sub = list_entry(pos, struct subscription, link);
		if (sub->conn->is_dead || sub->is_over || !subscription_wants(sub, j->task))
			continue;
		/* The snapshot will show it. */
		if (!is_done && j->number >= sub->next && j->number <= sub->end)
			continue;
		if (!event)
			event = describe_event(j, false);
		if (!tell_event(sub, j, event)) {
			sub->missed++;
			sub->n_missed++;
		}
		sub->is_over = sub->task[0] && is_done;
		connection_kick(sub->conn);
	}
	json_decref(event);
}

/* ---- beginning and filling ---- */

/* Returns whether the snapshot is complete. */
static bool show_tasks(struct subscription *sub)
{
	struct connection *c = sub->conn;
	list_for_each (pos, &c->server->jobs.active) {
		struct job *j = list_entry(pos, struct job, link);
		if (j->number < sub->next || j->number > sub->end)
			continue;
		if (!subscription_wants(sub, j->task))
			continue;
		if (buf_len(&c->out) >= CONNECTION_OUT_LOW)
			return false;
		json_t *event = describe_event(j, true);
		bool is_told = tell_event(sub, j, event);
		json_decref(event);
		if (!is_told)
			return false;
		sub->n_shown++;
		sub->next = j->number + 1;
	}
	sub->next = sub->end + 1;
	return true;
}

static void tell_begun(struct subscription *sub)
{
	json_t *members = json_pack("{s:I}", "tasks", (json_int_t)sub->n_shown);
	sub->is_told = members &&
		       answer_members(&sub->conn->out, sub->tag, "subscribed", NULL, members) == 0;
	json_decref(members);
}

static void end(struct subscription *sub)
{
	connection_send_result(sub->conn, sub->tag, sub->task[0] ? sub->task : NULL,
		json_pack("{s:I}", "missed", (json_int_t)sub->n_missed));
	destroy(sub);
}

/* The subscription may be gone afterwards. */
static void step(struct subscription *sub)
{
	if (!tell_missed(sub) || (sub->next <= sub->end && !show_tasks(sub)))
		return;
	if (!sub->is_told)
		tell_begun(sub);
	if (sub->is_told && sub->is_over)
		end(sub);
}

int subscription_create(
	struct connection *c, const struct request *rq, const struct job *only, struct err *e)
{
	int r = check_count(c, e);
	if (r < 0)
		return r;
	if (find(c, rq->id))
		return err_set_field(
			e, ERR_DUPLICATE, "id", "a subscription of this connection has this tag");
	struct subscription *sub = calloc(1, sizeof(*sub));
	if (!sub)
		return err_set(e, ERR_INTERNAL, ENOMEM, "subscribe");
	sub->tag = strdup(rq->id);
	sub->label = rq->label ? strdup(rq->label) : NULL;
	if (!sub->tag || (rq->label && !sub->label)) {
		free(sub->tag);
		free(sub->label);
		free(sub);
		return err_set(e, ERR_INTERNAL, ENOMEM, "subscribe");
	}
	sub->conn = c;
	sub->is_all = rq->all;
	sub->end = c->server->jobs.n_total;
	sub->next = rq->snapshot ? 1 : sub->end + 1;
	if (only) {
		memcpy(sub->task, only->task->id, sizeof(sub->task));
		sub->is_over = job_is_over(only);
	}
	list_append(&c->subscriptions, &sub->conn_link);
	list_append(&c->server->subscriptions, &sub->link);
	c->n_open++;
	connection_kick(c);
	/* Before anything that follows in the same turn. */
	if (buf_len(&c->out) < CONNECTION_OUT_LOW)
		step(sub);
	return 0;
}

bool subscription_fill(struct connection *c)
{
	size_t before = buf_len(&c->out);
	list_for_each_safe (pos, &c->subscriptions) {
		if (c->is_dead || buf_len(&c->out) >= CONNECTION_OUT_LOW)
			break;
		step(list_entry(pos, struct subscription, conn_link));
	}
	return buf_len(&c->out) > before;
}

/* ---- the end ---- */

int subscription_end(struct connection *c, const char *tag, struct err *e)
{
	struct subscription *sub = find(c, tag);
	if (!sub) {
		err_set_field(e, ERR_NOT_FOUND, "request",
			"this connection has no subscription of that tag");
		return -ENOENT;
	}
	end(sub);
	return 0;
}

void subscription_end_all(struct server *s)
{
	struct err e;
	err_set(&e, ERR_SHUTDOWN, 0, "the daemon is stopping");
	list_for_each_safe (pos, &s->subscriptions) {
		struct subscription *sub = list_entry(pos, struct subscription, link);
		connection_send_error(sub->conn, sub->tag, &e);
		destroy(sub);
	}
}
