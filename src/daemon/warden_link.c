/* The connection to the warden: see warden_link.h. */
#include "daemon/warden_link.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

/* Records that wait for room in the socket. START may be more of them, so that a flood of signals
 * fails nobody's task; KILL is taken even then: of both there is one per task at a time. */
#define OUT_MAX		 4096
#define OUT_MAX_START	 (OUT_MAX + 4096)
#define RECORDS_PER_TURN 64
#define HELLO_MS	 10000
#define ROOM_MS		 5
#define RETRY_MIN_MS	 100
#define RETRY_MAX_MS	 5000
/* A warden that lived so long did not fail at its start: the next one comes at once. */
#define STABLE_NS (5 * NS_PER_S)
#define FDS_MAX	  (2 + 3 + LIMIT_REQUEST_FDS + 1)

struct pending {
	struct list link; /* warden_link.out */
	struct wire_request rq;
	int fds[FDS_MAX];
	size_t n_fds;
};

/* Copies: the task has what it sent until the warden has answered or is lost, so that no close
 * here or in the warden is the last one of a client's descriptor. */
static void drop_pending(struct pending *p)
{
	list_remove(&p->link);
	fd_close_many(p->fds, p->n_fds);
	free(p);
}

static void disconnect(struct warden_link *l)
{
	watch_destroy(&l->watch);
	fd_close(&l->fd);
	list_for_each_safe (pos, &l->out)
		drop_pending(list_entry(pos, struct pending, link));
	l->n_out = 0;
	l->pid = 0;
	l->state = WARDEN_LINK_DOWN;
}

static void die(struct warden_link *l, const struct err *e)
{
	l->is_dead = true;
	l->hooks->on_dead(l->owner, e);
}

/* ---- down: from the daemon ---- */

static int send_one(
	struct warden_link *l, const struct wire_request *rq, const int *fds, size_t n_fds)
{
	ssize_t n = fd_send(l->fd, rq, sizeof(*rq), fds, n_fds);
	return n < 0 ? (int)n : 0;
}

static bool must_wait(int r)
{
	/* ETOOMANYREFS: too many descriptors are on their way; the warden takes them out. */
	return r == -EAGAIN || r == -ENOBUFS || r == -ETOOMANYREFS || r == -ENOMEM;
}

/* A full socket says when it has room. For the rest nobody does: it can be written to, and that is
 * not what is missing. */
static void wait_for_room(struct warden_link *l, int r)
{
	watch_set(l->watch, r == -EAGAIN ? WATCH_READ | WATCH_WRITE : WATCH_READ);
	if (r != -EAGAIN)
		alarm_set(l->retry, ROOM_MS);
}

static bool has_place(const struct warden_link *l, enum wire_type type)
{
	return type == WIRE_KILL || l->n_out < (type == WIRE_START ? OUT_MAX_START : OUT_MAX);
}

static int queue_record(
	struct warden_link *l, const struct wire_request *rq, const int *fds, size_t n_fds)
{
	struct pending *p = has_place(l, rq->type) ? malloc(sizeof(*p)) : NULL;
	if (!p || n_fds > FDS_MAX) {
		free(p);
		return -ENOBUFS;
	}
	p->rq = *rq;
	for (p->n_fds = 0; p->n_fds < n_fds; p->n_fds++) {
		p->fds[p->n_fds] = fcntl(fds[p->n_fds], F_DUPFD_CLOEXEC, 3);
		if (p->fds[p->n_fds] < 0) {
			int r = -errno;
			fd_close_many(p->fds, p->n_fds);
			free(p);
			return r;
		}
	}
	list_append(&l->out, &p->link);
	l->n_out++;
	return 0;
}

int warden_link_send(
	struct warden_link *l, const struct wire_request *rq, const int *fds, size_t n_fds)
{
	if (l->state != WARDEN_LINK_UP)
		return -ENOTCONN;
	if (l->n_out)
		return queue_record(l, rq, fds, n_fds);
	int r = send_one(l, rq, fds, n_fds);
	if (must_wait(r)) {
		wait_for_room(l, r);
		return queue_record(l, rq, fds, n_fds);
	}
	/* A warden that has just died is seen by the reader, which tells everybody. */
	return r == -EPIPE || r == -ECONNRESET ? 0 : r;
}

static void flush_records(struct warden_link *l)
{
	while (!list_empty(&l->out)) {
		struct pending *p = list_entry(l->out.next, struct pending, link);
		int r = send_one(l, &p->rq, p->fds, p->n_fds);
		if (must_wait(r)) {
			wait_for_room(l, r);
			return;
		}
		if (r < 0 && r != -EPIPE && r != -ECONNRESET)
			log_error("warden: record %u of jail %llu not sent: %s", p->rq.type,
				(unsigned long long)p->rq.jail, strerror(-r));
		l->n_out--;
		drop_pending(p);
	}
	watch_set(l->watch, WATCH_READ);
}

/* ---- up: from the warden ---- */

static void on_hello(struct warden_link *l, const struct wire_event *ev)
{
	l->hello = *ev;
	l->state = WARDEN_LINK_UP;
	l->up_since_ns = clock_mono_ns();
	alarm_stop(l->retry);
	log_info("warden: new: %s", ev->hello.info);
	l->hooks->on_up(l->owner);
}

static void schedule_retry(struct warden_link *l)
{
	uint64_t ms = 0;
	if (l->up_since_ns && clock_mono_ns() - l->up_since_ns > STABLE_NS)
		l->n_failures = 0;
	if (l->n_failures)
		ms = RETRY_MIN_MS << (l->n_failures < 6 ? l->n_failures : 6);
	l->n_failures++;
	l->up_since_ns = 0;
	alarm_set(l->retry, ms < RETRY_MAX_MS ? ms : RETRY_MAX_MS);
}

static void on_lost(struct warden_link *l, const char *why)
{
	bool was_up = l->state == WARDEN_LINK_UP;
	disconnect(l);
	if (l->is_closing)
		return;
	log_error("warden: lost: %s", why);
	if (!l->is_dead)
		schedule_retry(l);
	if (was_up)
		l->hooks->on_lost(l->owner);
}

/* Returns whether to go on reading. */
static bool read_record(struct warden_link *l)
{
	struct wire_event ev;
	int fds[FD_PASS_MAX];
	size_t n_fds = 0;
	ssize_t n = fd_recv(l->fd, &ev, sizeof(ev), fds, &n_fds);
	if (n == -EAGAIN)
		return false;
	if (n <= 0) {
		on_lost(l, n == 0 ? "it ended" : strerror((int)-n));
		return false;
	}
	bool wants_hello = l->state == WARDEN_LINK_ASKED;
	int r = wire_event_check(&ev, (size_t)n);
	if (r < 0 || (ev.type == WIRE_HELLO) != wants_hello) {
		fd_close_many(fds, n_fds);
		on_lost(l, r == 0 && wants_hello && ev.type == WIRE_FAILED
				   ? ev.failed.err.msg
				   : "it sent a record that is not of this protocol");
		return false;
	}
	int none = -1;
	if (wants_hello)
		on_hello(l, &ev);
	else
		l->hooks->on_event(l->owner, &ev, n_fds ? &fds[0] : &none);
	fd_close_many(fds, n_fds);
	return l->fd >= 0;
}

static void on_warden(void *owner, int events)
{
	struct warden_link *l = owner;
	if (events & WATCH_WRITE)
		flush_records(l);
	for (int i = 0; i < RECORDS_PER_TURN && l->fd >= 0; i++)
		if (!read_record(l))
			return;
}

/* ---- getting a new one ---- */

static int watch_keeper(struct warden_link *l);

/* Rootless a new keeper can do all that the old one could; in root mode the rights for that are
 * gone. */
static int renew_keeper(struct warden_link *l, struct err *e)
{
	struct startup *s = l->start;
	watch_destroy(&l->keeper_watch);
	keeper_close(&s->keeper, false);
	if (s->is_root_mode) {
		err_set(e, ERR_WARDEN, 0,
			"the keeper ended, and without root's rights there is no way to start "
			"another");
		return -EPERM;
	}
	log_warning("keeper: lost; starting another");
	int r = keeper_start(&s->keeper, s->warden_path, &s->keeper_args, e);
	if (r == 0)
		r = startup_guard_socket(s, e);
	return r < 0 ? r : watch_keeper(l);
}

static void on_keeper(void *owner, int events)
{
	struct warden_link *l = owner;
	int32_t answer;
	int r;
	while ((r = keeper_read_answer(&l->start->keeper, &answer)) == 1) {
		if (answer > 0) {
			l->pid = answer;
			continue;
		}
		log_error("keeper: no new warden: %s", strerror(-answer));
		if (l->state == WARDEN_LINK_ASKED)
			on_lost(l, "it could not be started");
	}
	struct err e;
	if (r < 0 && renew_keeper(l, &e) < 0)
		die(l, &e);
}

static int watch_keeper(struct warden_link *l)
{
	int r = watch_create(l->loop, l->start->keeper.fd, on_keeper, l, &l->keeper_watch);
	if (r == 0)
		watch_set(l->keeper_watch, WATCH_READ);
	return r;
}

/* Time to try again to get a warden, or to send; or no HELLO in time. */
static void on_retry(void *owner)
{
	struct warden_link *l = owner;
	struct err e;
	if (l->state == WARDEN_LINK_UP) {
		flush_records(l);
		return;
	}
	if (l->state == WARDEN_LINK_ASKED) {
		on_lost(l, "it said nothing");
		return;
	}
	int r = keeper_ask_warden(&l->start->keeper, &l->fd, &e);
	if (r == 0)
		r = watch_create(l->loop, l->fd, on_warden, l, &l->watch);
	if (r < 0) {
		log_error("warden: cannot get a new one: %s", strerror(-r));
		disconnect(l);
		schedule_retry(l);
		return;
	}
	watch_set(l->watch, WATCH_READ);
	l->state = WARDEN_LINK_ASKED;
	alarm_set(l->retry, HELLO_MS);
}

/* ---- life ---- */

int warden_link_init(struct warden_link *l, uv_loop_t *loop, struct startup *start,
	const struct warden_link_hooks *hooks, void *owner)
{
	memset(l, 0, sizeof(*l));
	l->loop = loop;
	l->hooks = hooks;
	l->owner = owner;
	l->start = start;
	l->fd = fd_take(&start->warden_fd);
	l->pid = start->warden_pid;
	l->hello = start->hello;
	l->state = WARDEN_LINK_UP;
	l->up_since_ns = clock_mono_ns();
	l->next_jail = 1;
	list_init(&l->out);
	int r = alarm_create(loop, on_retry, l, &l->retry);
	if (r == 0)
		r = watch_create(loop, l->fd, on_warden, l, &l->watch);
	if (r == 0)
		r = watch_keeper(l);
	if (r == 0)
		watch_set(l->watch, WATCH_READ);
	return r;
}

void warden_link_finish(struct warden_link *l)
{
	if (!l->loop)
		return;
	l->is_closing = true;
	disconnect(l);
	watch_destroy(&l->keeper_watch);
	alarm_destroy(&l->retry);
}

bool warden_link_is_up(const struct warden_link *l)
{
	return l->state == WARDEN_LINK_UP;
}

uint64_t warden_link_new_jail(struct warden_link *l)
{
	return l->next_jail++;
}
