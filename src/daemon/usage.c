/* What running tasks use now: see usage.h. */
#include "daemon/usage.h"

#include "base/clock.h"
#include "daemon/connection.h"
#include "daemon/describe.h"
#include "daemon/server.h"
#include "task/watch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool usage_is_fresh(const struct job_usage *u, uint64_t ns)
{
	return u->at_ns && clock_boot_ns() - u->at_ns <= ns;
}

static void drop_wait(struct usage_wait *w)
{
	list_remove(&w->link);
	list_remove(&w->conn_link);
	w->conn->n_open--;
	w->conn->n_usage_waits--;
	free(w->tag);
	free(w->label);
	free(w);
}

void usage_forget(struct connection *c)
{
	list_for_each_safe (pos, &c->usage_waits)
		drop_wait(list_entry(pos, struct usage_wait, conn_link));
}

/* Each list is long: it is written when its connection's turn comes. */
static void answer_all(struct usage *u)
{
	if (u->alarm)
		alarm_stop(u->alarm);
	list_for_each_safe (pos, &u->waits) {
		struct usage_wait *w = list_entry(pos, struct usage_wait, link);
		list_remove(&w->link);
		w->is_ready = true;
		connection_kick(w->conn);
	}
}

bool usage_fill(struct connection *c)
{
	bool has_added = false;
	while (!list_empty(&c->usage_waits)) {
		struct usage_wait *w =
			list_entry(c->usage_waits.next, struct usage_wait, conn_link);
		if (!w->is_ready || c->is_dead || buf_len(&c->out) >= CONNECTION_OUT_LOW)
			break;
		/* What is left over waits for the next turn. */
		has_added = true;
		if (!connection_has_time(c) || !connection_may_be_told(c))
			break;
		uint64_t start_ns = clock_mono_ns();
		connection_send_result(
			c, w->tag, NULL, describe_list(c->server, c->uid, w->all, w->label, true));
		drop_wait(w);
		c->tenant->used_ns += clock_mono_ns() - start_ns;
	}
	return has_added;
}

static void on_alarm(void *owner)
{
	answer_all(owner);
}

static bool ask(struct usage *u, struct job *j)
{
	struct wire_request rq;
	wire_request_init(&rq, WIRE_ASK, j->task->jail);
	return task_has_jail(j->task) && warden_link_send(&u->server->warden, &rq, NULL, 0) == 0;
}

/* Asks for the next ones; when nothing is left to wait for, the lists are answered. */
static void pump(struct usage *u)
{
	while (u->n_sent < USAGE_WINDOW && !list_empty(&u->queue)) {
		struct job *j = list_entry(u->queue.next, struct job, usage.link);
		list_remove(&j->usage.link);
		j->usage.is_asked = ask(u, j);
		u->n_sent += j->usage.is_asked;
	}
	if (!u->n_sent && list_empty(&u->queue))
		answer_all(u);
}

void usage_on_wire(struct usage *u, struct job *j, const struct wire_now *now)
{
	u->n_sent -= u->n_sent > 0;
	if (j) {
		j->usage.is_asked = false;
		j->usage.at_ns = clock_boot_ns();
		j->usage.now = *now;
	}
	pump(u);
}

void usage_on_warden_lost(struct usage *u)
{
	u->n_sent = 0;
	list_for_each_safe (pos, &u->queue)
		list_remove(pos);
	list_for_each (pos, &u->server->jobs.active)
		list_entry(pos, struct job, link)->usage.is_asked = false;
	answer_all(u);
}

/* Those that the list will show, and of which nothing is known that is good enough. */
static void queue_jobs(struct usage *u, const struct usage_wait *w)
{
	list_for_each (pos, &u->server->jobs.active) {
		struct job *j = list_entry(pos, struct job, link);
		const struct task *t = j->task;
		if (t->uid != w->conn->uid || !t->started_ns || !task_has_jail(t) ||
			(w->label && !jobs_has_label(t->spec->labels, w->label)))
			continue;
		if (j->usage.is_asked || usage_is_fresh(&j->usage, USAGE_FRESH_NS))
			continue;
		j->usage.is_asked = true;
		list_append(&u->queue, &j->usage.link);
	}
}

int usage_list(struct connection *c, const struct request *rq, struct err *e)
{
	struct usage *u = &c->server->usage;
	struct usage_wait *w = calloc(1, sizeof(*w));
	if (!w)
		return err_set(e, ERR_INTERNAL, ENOMEM, "list the tasks");
	w->tag = strdup(rq->id);
	w->label = rq->label ? strdup(rq->label) : NULL;
	if (!w->tag || (rq->label && !w->label)) {
		free(w->tag);
		free(w->label);
		free(w);
		return err_set(e, ERR_INTERNAL, ENOMEM, "list the tasks");
	}
	w->conn = c;
	w->all = rq->all;
	if (list_empty(&u->waits))
		alarm_set(u->alarm, USAGE_WAIT_MS);
	list_append(&u->waits, &w->link);
	list_append(&c->usage_waits, &w->conn_link);
	c->n_open++;
	c->n_usage_waits++;
	queue_jobs(u, w);
	pump(u);
	return 0;
}

int usage_init(struct usage *u, struct server *s)
{
	*u = (struct usage){ .server = s };
	list_init(&u->waits);
	list_init(&u->queue);
	return alarm_create(s->loop, on_alarm, u, &u->alarm);
}

void usage_finish(struct usage *u)
{
	if (u->server)
		list_for_each_safe (pos, &u->queue)
			list_remove(pos);
	alarm_destroy(&u->alarm);
}
