/*
 * Reading a connection: request lines with their descriptors, and the raw bytes after an input
 * request. A line is read by itself (looked at first, then taken): the kernel never merges what
 * follows a message with descriptors into one read, but it does merge what precedes it, so only so
 * it is sure to which line descriptors belong.
 */
#include "daemon/connection.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "daemon/handlers.h"
#include "daemon/jobs.h"
#include "daemon/server.h"
#include "task/closer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* Requests of one connection in one turn of the loop. */
#define LINES_PER_TURN 32

void intake_init(struct connection *c)
{
	buf_init(&c->in, LIMIT_REQUEST_BYTES + OUTPUT_RECORD_MAX);
	c->in.is_secret = true; /* requests bring secrets */
	line_splitter_init(&c->splitter, LIMIT_REQUEST_BYTES);
	list_init(&c->feed.job_link);
}

static void count_in(struct connection *c)
{
	if (c->tenant)
		tenant_count(&c->tenant->in_bytes, &c->in_bytes, buf_len(&c->in));
}

static void reset_line(struct connection *c)
{
	close_foreign(c->uid, c->fds, c->n_fds);
	c->n_fds = 0;
	c->has_too_many_fds = c->has_unclosed_fds = false;
	if (!buf_len(&c->in))
		buf_finish(&c->in);
	count_in(c);
}

/* ---- whose turn it is ---- */

static void be_late(struct connection *c)
{
	list_append(&c->server->tenants.late, &c->late_link);
	c->tenant->n_late++;
}

static void be_in_time(struct connection *c)
{
	if (list_empty(&c->late_link))
		return;
	list_remove(&c->late_link);
	c->tenant->n_late--;
}

static void reset_feed(struct connection *c)
{
	list_remove(&c->feed.job_link);
	free(c->feed.tag);
	free(c->feed.data);
	memset(&c->feed, 0, sizeof(c->feed));
	list_init(&c->feed.job_link);
}

static void destroy_ack(struct ack *a)
{
	list_remove(&a->conn_link);
	list_remove(&a->job_link);
	a->conn->n_open--;
	free(a->tag);
	free(a);
}

void intake_finish(struct connection *c)
{
	be_in_time(c);
	list_for_each_safe (pos, &c->acks)
		destroy_ack(list_entry(pos, struct ack, conn_link));
	reset_feed(c);
	reset_line(c);
	buf_finish(&c->in);
	count_in(c);
}

void intake_stop(struct connection *c)
{
	be_in_time(c);
	reset_feed(c);
	reset_line(c);
	buf_clear(&c->in);
	count_in(c);
	if (c->request_alarm)
		alarm_stop(c->request_alarm);
}

/* ---- the time that a request may take ---- */

static void on_late(void *owner)
{
	struct connection *c = owner;
	struct err e;
	/* It may be whole: it is we who do not read it. */
	if (!list_empty(&c->late_link))
		return alarm_set(c->request_alarm, LIMIT_REQUEST_SECONDS * 1000);
	err_set(&e, ERR_PROTOCOL, 0, "the request was not complete within %d seconds",
		LIMIT_REQUEST_SECONDS);
	connection_send_error(c, NULL, &e);
	connection_close_soon(c);
}

static void watch_time(struct connection *c, bool is_incomplete)
{
	if (!is_incomplete) {
		if (c->request_alarm)
			alarm_stop(c->request_alarm);
		return;
	}
	if (!c->request_alarm && alarm_create(c->server->loop, on_late, c, &c->request_alarm) < 0)
		return connection_fail(c);
	alarm_set(c->request_alarm, LIMIT_REQUEST_SECONDS * 1000);
}

/* ---- descriptors that come along ---- */

/* Its user's descriptors are stuck where they are closed: no more of them. */
static bool has_unclosed(const struct connection *c)
{
	return closer_is_full(c->uid, server_closes_max(c->server));
}

/* ---- input for a task ---- */

static void fail_feed(struct connection *c, const struct err *e)
{
	struct feed *f = &c->feed;
	if (!f->has_failed)
		f->error = *e;
	f->has_failed = true;
	f->job = NULL;
	list_remove(&f->job_link);
}

/* The answer: at once, or when the task has room for more. */
static void answer_feed(struct connection *c)
{
	struct feed *f = &c->feed;
	struct ack *a = NULL;
	if (f->has_failed) {
		connection_send_error(c, f->tag, &f->error);
	} else if (f->job && streams_input_is_full(&f->job->task->streams) &&
		   (a = calloc(1, sizeof(*a)))) {
		a->conn = c;
		a->tag = f->tag;
		f->tag = NULL;
		list_append(&c->acks, &a->conn_link);
		list_append(&f->job->acks, &a->job_link);
		c->n_open++;
	} else {
		connection_send_result(c, f->tag, NULL, json_object());
	}
	reset_feed(c);
}

/* Gives bytes to the task. Returns whether to go on: false is "wait for room". */
static bool give(struct connection *c, const char *data, size_t len)
{
	struct err e;
	if (!c->feed.job || !len)
		return true;
	int r = task_add_input(c->feed.job->task, data, len, &e);
	if (r == -EAGAIN)
		return false;
	if (r < 0)
		fail_feed(c, &e);
	return true;
}

/* Takes some of the raw bytes. Returns whether to go on. */
static bool read_raw(struct connection *c)
{
	struct feed *f = &c->feed;
	char *scratch = c->server->read_scratch;
	int fds[FD_RECV_MAX];
	size_t n_fds = 0,
	       want = f->raw_left < OUTPUT_RECORD_MAX ? (size_t)f->raw_left : OUTPUT_RECORD_MAX;
	if (f->job && streams_input_is_full(&f->job->task->streams))
		return false;
	ssize_t n = fd_recv_all(c->fd, scratch, want, fds, &n_fds);
	if (n == -EAGAIN)
		return false;
	/* Raw bytes have no use for descriptors. */
	bool may_go_on = !n_fds || !has_unclosed(c);
	close_foreign(c->uid, fds, n_fds);
	if (n <= 0 || !may_go_on) {
		connection_fail(c); /* cut off in the middle */
		return false;
	}
	f->raw_left -= (uint64_t)n;
	give(c, scratch, (size_t)n);
	return true;
}

/* Returns whether the feed is through. */
static bool run_feed(struct connection *c)
{
	struct feed *f = &c->feed;
	struct err e;
	if (f->data_len) {
		if (!give(c, f->data, f->data_len))
			return false;
		f->data_len = 0;
		free(f->data);
		f->data = NULL;
	}
	while (f->raw_left)
		if (!read_raw(c)) {
			bool is_full = f->job && streams_input_is_full(&f->job->task->streams);
			watch_time(c, !is_full && !c->is_dead);
			return false;
		}
	if (f->eof && f->job && task_end_input(f->job->task, &e) < 0)
		fail_feed(c, &e);
	watch_time(c, false);
	answer_feed(c);
	return true;
}

/* Takes the request's tag and data over. A request that has failed still has its raw bytes coming.
 */
static void start_feed(struct connection *c, struct request *rq, const struct err *error)
{
	struct feed *f = &c->feed;
	struct err e;
	f->is_active = true;
	if (!error && jobs_find(&c->server->jobs, c->uid, rq->task, &f->job, &e) < 0)
		error = &e;
	f->tag = rq->id;
	rq->id = NULL;
	f->data = rq->data;
	f->data_len = rq->data_len;
	rq->data = NULL;
	f->raw_left = rq->bytes;
	f->eof = rq->eof;
	if (error)
		fail_feed(c, error);
	else
		list_append(&f->job->feeds, &f->job_link);
}

void intake_on_input_room(struct job *job)
{
	list_for_each_safe (pos, &job->acks) {
		struct ack *a = list_entry(pos, struct ack, job_link);
		connection_send_result(a->conn, a->tag, NULL, json_object());
		destroy_ack(a);
	}
	/* What waits is looked at at the end of the turn: the task is in the middle of something.
	 */
	list_for_each (pos, &job->feeds) {
		struct feed *f = list_entry(pos, struct feed, job_link);
		connection_kick(list_entry(f, struct connection, feed));
	}
}

/* ---- requests ---- */

static void handle_line(struct connection *c, const char *line, size_t len)
{
	struct request *rq = NULL;
	struct err e;
	char *id = NULL;
	int r;
	r = request_parse(line, len, &rq, &id, &e);
	/* Raw bytes may follow that nobody can count now. */
	bool is_lost = r < 0 && memmem(line, len, "\"bytes\"", 7);
	if (r == 0 && c->has_unclosed_fds)
		r = err_set(&e, ERR_BUSY, 0,
			"more than %zu descriptors that this user sent wait to be closed: they do "
			"not let go (a socket that lingers, a file on FUSE)",
			server_closes_max(c->server));
	if (r == 0 && c->has_too_many_fds)
		r = err_set(&e, ERR_TOO_LARGE, 0,
			"at most %d descriptors may come with one request, and %llu with all that "
			"are not complete",
			LIMIT_REQUEST_FDS,
			(unsigned long long)c->server->start->open_files_hard / 8);
	if (r == 0 && rq->op != OP_INPUT && c->n_open >= LIMIT_CONNECTION_REQUESTS)
		r = err_set(&e, ERR_BUSY, 0,
			"%d requests of this connection wait for their answers",
			LIMIT_CONNECTION_REQUESTS);
	if (rq && rq->op == OP_INPUT)
		start_feed(c, rq, r < 0 ? &e : NULL);
	else if (r == 0)
		r = handle_request(c, rq, len, &e);
	if (r < 0 && !c->feed.is_active)
		connection_send_error(c, rq ? rq->id : id, &e);
	if (is_lost || c->has_unclosed_fds)
		connection_close_soon(c);
	request_destroy(rq);
	free(id);
}

static void fail_line(struct connection *c, enum err_code code, const char *text)
{
	struct err e;
	err_set(&e, code, 0, "%s", text);
	connection_send_error(c, NULL, &e);
	connection_close_soon(c);
}

/* Descriptors of requests that are not complete: one user must not have us hold most of what there
 * are. */
static bool may_hold(const struct connection *c, size_t n)
{
	size_t held = n;
	list_for_each (pos, &c->server->connections) {
		const struct connection *other = list_entry(pos, struct connection, link);
		held += other->uid == c->uid ? other->n_fds : 0;
	}
	return held <= c->server->start->open_files_hard / 8;
}

static void take_fds(struct connection *c, int *fds, size_t n)
{
	if (n && !may_hold(c, n))
		c->has_too_many_fds = true;
	if (n && has_unclosed(c))
		c->has_too_many_fds = c->has_unclosed_fds = true;
	size_t kept = 0;
	while (kept < n && c->n_fds < LIMIT_REQUEST_FDS && !c->has_too_many_fds)
		c->fds[c->n_fds++] = fds[kept++];
	c->has_too_many_fds |= kept < n;
	close_foreign(c->uid, fds + kept, n - kept);
}

/* Reads to the end of the current line, or what there is of it. Returns 1, 0 (nothing there), or
 * -errno (the connection is over). */
static int read_some(struct connection *c)
{
	char *scratch = c->server->read_scratch;
	int fds[FD_RECV_MAX];
	size_t n_fds = 0;
	ssize_t n;
	do
		n = recv(c->fd, scratch, OUTPUT_RECORD_MAX, MSG_PEEK | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? 0 : -errno;
	if (n == 0) {
		c->is_read_closed = true;
		return 0;
	}
	const char *newline = memchr(scratch, '\n', (size_t)n);
	size_t want = newline ? (size_t)(newline - scratch) + 1 : (size_t)n;
	explicit_bzero(scratch, (size_t)n);
	int r = buf_reserve(&c->in, want);
	if (r < 0)
		return r;
	n = fd_recv_all(c->fd, c->in.data + c->in.end, want, fds, &n_fds);
	if (n <= 0)
		close_foreign(c->uid, fds, n_fds);
	if (n <= 0)
		return n == -EAGAIN ? 0 : n == 0 ? -EPIPE : (int)n;
	c->in.end += (size_t)n;
	count_in(c);
	take_fds(c, fds, n_fds);
	return c->tenant->in_bytes > TENANT_IN_BYTES ? -EDQUOT : 1;
}

/* One read, and the line if it is whole. Returns whether to go on. */
static bool take_line(struct connection *c)
{
	const char *line;
	size_t len;
	bool was_empty = !buf_len(&c->in);
	int r = read_some(c);
	if (r == -EMSGSIZE)
		fail_line(c, ERR_BUSY, "the descriptors of the request could not be received");
	else if (r == -ENOBUFS)
		fail_line(c, ERR_TOO_LARGE, "the request is too long");
	else if (r == -EDQUOT)
		fail_line(c, ERR_BUSY,
			"requests of this user that are not complete take too much room");
	else if (r < 0)
		connection_fail(c);
	if (r <= 0)
		return false;
	r = line_next(&c->splitter, &c->in, &line, &len);
	if (r == 0) {
		if (was_empty)
			watch_time(c, true);
		return true;
	}
	watch_time(c, false);
	if (r < 0) {
		fail_line(c, ERR_TOO_LARGE, "the request is too long");
		return false;
	}
	handle_line(c, line, len);
	connection_count_out(c);
	line_consume(&c->splitter, &c->in, len);
	reset_line(c);
	return true;
}

/* The client has said its last, without a newline. */
static void end_line(struct connection *c)
{
	watch_time(c, false);
	handle_line(c, buf_data(&c->in), buf_len(&c->in));
	buf_clear(&c->in);
	reset_line(c);
	if (c->feed.is_active && !run_feed(c) && c->feed.is_active && c->feed.raw_left)
		connection_fail(c); /* its raw bytes will never come */
}

/* One line, or some bytes. Returns whether to go on. */
static bool take_some(struct connection *c)
{
	if (!c->feed.is_active)
		return connection_may_read(c) && take_line(c);
	return run_feed(c);
}

static void take_turn(struct connection *c)
{
	for (int i = 0; i < LINES_PER_TURN && !c->is_dead && !c->is_closing; i++) {
		if (!connection_has_time(c)) {
			be_late(c);
			break;
		}
		uint64_t start_ns = clock_mono_ns();
		bool has_more = take_some(c);
		c->tenant->used_ns += clock_mono_ns() - start_ns;
		if (!has_more)
			break;
	}
	if (c->is_read_closed && buf_len(&c->in) && !c->is_dead)
		end_line(c);
	if (!c->is_dead)
		connection_kick(c);
}

void intake_run(struct connection *c)
{
	bool is_late = !list_empty(&c->late_link);
	if (c->server->state != SERVER_RUNNING)
		be_in_time(c);
	else if (!is_late && (c->tenant->n_late || !connection_has_time(c)))
		return be_late(c);
	else if (is_late)
		return;
	take_turn(c);
}

void intake_run_late(struct server *s)
{
	struct list turn;
	list_init(&turn);
	if (list_empty(&s->tenants.late))
		return;
	list_insert(&s->tenants.late, &turn);
	list_remove(&s->tenants.late);
	while (!list_empty(&turn)) {
		struct connection *c = list_entry(turn.next, struct connection, late_link);
		be_in_time(c);
		if (c->is_dead)
			continue;
		if (connection_has_time(c))
			take_turn(c);
		else
			be_late(c);
	}
}
