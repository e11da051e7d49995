/* One client: see connection.h. */
#include "daemon/connection.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "daemon/jobs.h"
#include "daemon/past.h"
#include "daemon/server.h"
#include "daemon/stream.h"
#include "daemon/subscription.h"
#include "daemon/usage.h"
#include "proto/answer.h"
#include "task/closer.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* Fill and send so often in one turn before other clients have theirs. */
#define ROUNDS_PER_TURN 8
#define LINGER_MS	1000
/* So many tasks of connections that are gone end in one turn. */
#define ORPHANS_AT_ONCE 32

/* ---- sending ---- */

bool connection_answered(struct connection *c, int r)
{
	if (r < 0 && !c->is_dead) {
		log_warning("client uid %u pid %d: answer not sent: %s", c->uid, c->pid,
			r == -ENOBUFS ? "it does not read its answers" : strerror(-r));
		connection_fail(c);
	}
	if (!c->is_dead)
		connection_kick(c);
	return !c->is_dead;
}

void connection_send_error(struct connection *c, const char *id, const struct err *e)
{
	connection_answered(c, answer_error(&c->out, id, e));
}

void connection_send_result(
	struct connection *c, const char *id, const char *task, json_t *take_result)
{
	struct err e;
	int r = take_result ? answer_result(&c->out, id, task, take_result) : -ENOMEM;
	json_decref(take_result);
	/* What has no memory is this answer, not the connection and the tasks that hang on it. */
	if (r == -ENOMEM) {
		err_set(&e, ERR_INTERNAL, ENOMEM, "write the answer");
		r = answer_error(&c->out, id, &e);
	}
	connection_answered(c, r);
}

/* Returns whether everything was sent. */
static bool flush(struct connection *c)
{
	while (buf_len(&c->out)) {
		ssize_t n = send(c->fd, buf_data(&c->out), buf_len(&c->out), MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == ENOBUFS))
			return false;
		if (n < 0) {
			connection_fail(c);
			return false;
		}
		buf_consume(&c->out, (size_t)n);
		stream_note_progress(c);
	}
	return true;
}

void connection_kick(struct connection *c)
{
	if (list_empty(&c->kick_link))
		list_append(&c->server->kicked, &c->kick_link);
}

/* Its user's answers were not read, and are now: all his connections may have waited for that. */
static void wake_tenant(const struct connection *c)
{
	list_for_each (pos, &c->server->connections) {
		struct connection *other = list_entry(pos, struct connection, link);
		if (other->tenant == c->tenant)
			connection_kick(other);
	}
}

void connection_count_out(struct connection *c)
{
	bool was_full = c->tenant->out_bytes >= TENANT_OUT_BYTES;
	tenant_count(&c->tenant->out_bytes, &c->out_bytes, buf_len(&c->out));
	if (was_full && c->tenant->out_bytes < TENANT_OUT_BYTES)
		wake_tenant(c);
}

static bool has_more_to_say(const struct connection *c)
{
	return buf_len(&c->out) || !list_empty(&c->streams) || !list_empty(&c->subscriptions) ||
	       !list_empty(&c->usage_waits) || !list_empty(&c->past_waits) ||
	       !list_empty(&c->upload_watches) || !list_empty(&c->acks) || c->feed.is_active;
}

static void set_watch(struct connection *c)
{
	int events = WATCH_HANGUP;
	if (connection_may_read(c))
		events |= WATCH_READ;
	if (buf_len(&c->out))
		events |= WATCH_WRITE;
	watch_set(c->watch, events);
}

static bool fill(struct connection *c)
{
	bool has_added = subscription_fill(c);
	has_added |= stream_fill(c);
	has_added |= usage_fill(c);
	has_added |= past_fill(c);
	return has_added;
}

/* Fills the buffer from the streams and sends it, in turn. Returns whether nothing is left to do.
 */
static bool pump(struct connection *c)
{
	for (int i = 0; i < ROUNDS_PER_TURN && connection_may_be_told(c); i++) {
		uint64_t start_ns = clock_mono_ns();
		bool was_full = buf_len(&c->out) >= CONNECTION_OUT_LOW;
		bool has_added = fill(c);
		bool is_sent = !c->is_dead && flush(c);
		c->tenant->told_ns += clock_mono_ns() - start_ns;
		if (!is_sent)
			return false;
		if (!has_added && !was_full)
			return true;
	}
	return false;
}

static void on_linger_over(void *owner)
{
	connection_fail(owner);
}

/*
 * Everything is said. A client that is still sending would lose our last words to an error if the
 * socket closed under its hands: it is given a moment to see the end.
 */
static void leave(struct connection *c)
{
	if (c->is_leaving)
		return;
	if (c->is_read_closed ||
		alarm_create(c->server->loop, on_linger_over, c, &c->linger_alarm) < 0)
		return connection_fail(c);
	c->is_leaving = true;
	shutdown(c->fd, SHUT_WR);
	alarm_set(c->linger_alarm, LINGER_MS);
	watch_set(c->watch, WATCH_READ | WATCH_HANGUP);
}

/* What comes after the end is thrown away. */
static void skip_input(struct connection *c)
{
	int fds[FD_RECV_MAX];
	size_t n_fds = 0;
	ssize_t n = fd_recv_all(c->fd, c->server->read_scratch, OUTPUT_RECORD_MAX, fds, &n_fds);
	/* Left to the kernel they would be closed here and now. */
	close_foreign(c->uid, fds, n_fds);
	if (n > 0)
		c->n_skipped += (size_t)n;
	if (n_fds || (n <= 0 && n != -EAGAIN) || c->n_skipped > LIMIT_REQUEST_BYTES)
		connection_fail(c);
}

void connection_settle(struct connection *c)
{
	if (c->feed.is_active)
		intake_run(c); /* perhaps there is room again */
	list_remove(&c->kick_link);
	bool is_idle = pump(c);
	connection_count_out(c);
	if (c->is_dead)
		return;
	stream_check_lag(c);
	if (is_idle && (c->is_closing || c->is_read_closed) && !has_more_to_say(c))
		return leave(c);
	if (is_idle && list_empty(&c->streams))
		buf_finish(&c->out);
	if (!is_idle && !buf_len(&c->out))
		connection_kick(c); /* this turn's share is used up */
	set_watch(c);
}

/* ---- life ---- */

bool connection_may_read(const struct connection *c)
{
	if (c->is_dead || c->is_closing || c->is_read_closed)
		return false;
	if (c->feed.is_active)
		return c->feed.raw_left &&
		       !(c->feed.job && streams_input_is_full(&c->feed.job->task->streams));
	if (c->n_usage_waits >= USAGE_WAITS_MAX || c->n_past_waits >= PAST_WAITS_CONNECTION)
		return false;
	/* Of one whose uid is over its part also nothing that is small. */
	return buf_len(&c->out) < CONNECTION_OUT_HIGH && c->tenant->out_bytes < TENANT_OUT_BYTES;
}

bool connection_may_be_told(const struct connection *c)
{
	return c->server->state == SERVER_STOPPED || tenant_may_be_told(c->tenant);
}

bool connection_has_time(const struct connection *c)
{
	if (c->server->state != SERVER_RUNNING)
		return true;
	/* Who sends descriptors faster than they are closed waits for that. */
	return tenant_has_time(c->tenant) &&
	       !closer_is_behind(c->uid, server_closes_max(c->server));
}

void connection_fail(struct connection *c)
{
	if (c->is_dead)
		return;
	c->is_dead = true;
	watch_set(c->watch, 0);
	list_remove(&c->kick_link);
	list_remove(&c->link);
	list_append(&c->server->dead, &c->link);
}

void connection_close_soon(struct connection *c)
{
	c->is_closing = true;
	connection_kick(c);
}

/* Nothing of it is under way, so the daemon's end is the only word that it will get. */
static bool is_at_rest(const struct connection *c)
{
	return list_empty(&c->streams) && list_empty(&c->subscriptions) &&
	       list_empty(&c->usage_waits) && list_empty(&c->past_waits) && list_empty(&c->acks) &&
	       list_empty(&c->upload_watches) && !c->feed.is_active;
}

void connection_finish(struct connection *c)
{
	struct err e;
	/* What has come in already is answered; that a new task is refused shows its client that it
	 * may ask the next daemon. */
	intake_run(c);
	if (!c->is_dead && is_at_rest(c)) {
		err_set(&e, ERR_SHUTDOWN, 0, "the daemon is stopping");
		connection_send_error(c, NULL, &e);
	}
	intake_stop(c);
	c->is_read_closed = true;
	connection_kick(c);
}

static bool has_hung_up(int fd)
{
	struct pollfd p = { .fd = fd };
	return poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLERR));
}

static void on_socket(void *owner, int events)
{
	struct connection *c = owner;
	assert(c->magic == CONNECTION_MAGIC);
	if (c->is_dead)
		return;
	if (events & WATCH_HANGUP) {
		if (!has_hung_up(c->fd))
			log_warning("client uid %u pid %d: sends out of band", c->uid, c->pid);
		connection_fail(c);
		return;
	}
	if (c->is_leaving)
		return skip_input(c);
	if (events & WATCH_WRITE)
		connection_kick(c);
	if (events & WATCH_READ)
		intake_run(c);
	/* Half-closed it may still want its answers; altogether closed it is gone. */
	if (c->is_read_closed && has_hung_up(c->fd))
		connection_fail(c);
}

int connection_create(struct server *server, int take_fd, uid_t uid, gid_t gid, pid_t pid,
	struct connection **ret)
{
	struct connection *c = calloc(1, sizeof(*c));
	if (!c) {
		close_client(uid, &take_fd);
		return -ENOMEM;
	}
	c->magic = CONNECTION_MAGIC;
	c->server = server;
	c->fd = take_fd;
	c->uid = uid;
	c->gid = gid;
	c->pid = pid;
	list_init(&c->link);
	list_init(&c->kick_link);
	list_init(&c->late_link);
	list_init(&c->streams);
	list_init(&c->subscriptions);
	list_init(&c->usage_waits);
	list_init(&c->past_waits);
	list_init(&c->upload_watches);
	list_init(&c->acks);
	list_init(&c->jobs);
	buf_init(&c->out, CONNECTION_OUT_MAX);
	intake_init(c);
	c->tenant = tenant_join(&server->tenants, uid);
	int r = c->tenant ? watch_create(server->loop, c->fd, on_socket, c, &c->watch) : -ENOMEM;
	if (r < 0) {
		connection_destroy(c);
		return r;
	}
	watch_set(c->watch, WATCH_READ | WATCH_HANGUP);
	*ret = c;
	return 0;
}

void connection_destroy(struct connection *c)
{
	if (!c)
		return;
	c->is_dead = true;
	list_remove(&c->link);
	list_remove(&c->kick_link);
	stream_finish_all(c);
	subscription_finish_all(c);
	usage_forget(c);
	past_forget(c);
	uploads_end_watches(c);
	intake_finish(c);
	list_for_each_safe (pos, &c->jobs) {
		list_remove(pos);
		list_append(&c->server->orphans, pos);
	}
	watch_destroy(&c->watch);
	alarm_destroy(&c->request_alarm);
	alarm_destroy(&c->stall_alarm);
	alarm_destroy(&c->linger_alarm);
	buf_finish(&c->out);
	if (c->tenant)
		connection_count_out(c);
	tenant_leave(&c->tenant);
	/* A queued task may hold the same socket open for its sources' sake. */
	close_client(c->uid, &c->fd);
	c->magic = 0;
	free(c);
}

void connection_end_orphans(struct server *s)
{
	for (unsigned n = 0; n < ORPHANS_AT_ONCE && !list_empty(&s->orphans); n++) {
		struct job *j = list_entry(s->orphans.next, struct job, conn_link);
		list_remove(&j->conn_link);
		task_handle(j->task, EVENT_CLIENT_GONE);
	}
}
