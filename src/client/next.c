/* Waiting for events. */
#include "base/clock.h"
#include "client/client_priv.h"
#include "client/error.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sys/socket.h>

static int dead(struct dayfly_client *c, int r)
{
	c->is_dead = true;
	return r;
}

static int connection_lost(struct dayfly_client *c, int errnum, struct dayfly_error *e)
{
	error_text(e, ERR_CONNECT, ECONNRESET, "the daemon closed the connection%s%s",
		errnum ? ": " : "", errnum ? strerror(errnum) : "");
	error_hint(e, "it was stopped or it crashed; its log says more");
	return dead(c, -ECONNRESET);
}

/* Reads what is there. Returns 1 when something came, 0 when nothing is there, or -errno. */
static int receive(struct dayfly_client *c, struct dayfly_error *e)
{
	struct iovec iov[2];
	int n_iov = reader_space(&c->reader, iov);
	if (n_iov == -EPROTO) {
		error_text(e, ERR_PROTOCOL, EPROTO, "the daemon sent a line without end");
		return dead(c, -EPROTO);
	}
	if (n_iov < 0)
		return error_set(e, ERR_INTERNAL, -n_iov, "read from the daemon");
	/* Not readv: the daemon may attach descriptors by mistake or malice; without room for them
	 * they are dropped. */
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = (size_t)n_iov };
	ssize_t n = recvmsg(c->fd, &msg, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0)
		return connection_lost(c, n < 0 ? errno : 0, e);
	reader_commit(&c->reader, (size_t)n);
	return 1;
}

/* A point in time, UINT64_MAX for never. */
static uint64_t deadline_of(int timeout_ms)
{
	return timeout_ms < 0 ? UINT64_MAX : clock_mono_ns() + (uint64_t)timeout_ms * NS_PER_MS;
}

static int wait_until(struct dayfly_client *c, uint64_t deadline_ns, struct dayfly_error *e)
{
	int timeout = -1;
	if (deadline_ns != UINT64_MAX) {
		uint64_t now = clock_mono_ns();
		uint64_t left =
			deadline_ns > now ? (deadline_ns - now + NS_PER_MS - 1) / NS_PER_MS : 0;
		timeout = left > INT_MAX ? INT_MAX : (int)left;
	}
	struct pollfd p = { .fd = c->fd, .events = dayfly_client_poll_events(c) };
	int r = poll(&p, 1, timeout);
	if (r < 0 && errno != EINTR)
		return error_set(e, ERR_INTERNAL, errno, "wait for the daemon");
	return r != 0;
}

/* The next event from the socket, past those set aside. */
static int next_fresh(struct dayfly_client *c, uint64_t deadline_ns, bool may_wait,
	struct dayfly_event **ret, struct dayfly_error *e)
{
	for (;;) {
		int r = reader_next(&c->reader, ret, e);
		if (r != 0)
			return r < 0 ? dead(c, r) : r;
		if (!c->is_closed_out)
			send_pending(c);
		if (may_wait) {
			r = wait_until(c, deadline_ns, e);
			if (r <= 0)
				return r;
		}
		r = receive(c, e);
		if (r < 0 || (r == 0 && !may_wait))
			return r;
	}
}

static int check_alive(const struct dayfly_client *c, struct dayfly_error *e)
{
	return c->is_dead ? error_text(e, ERR_CONNECT, ECONNRESET,
				    "the connection to the daemon is gone")
			  : 0;
}

int dayfly_next(struct dayfly_client *c, int timeout_ms, struct dayfly_event **ret_event,
	struct dayfly_error *e)
{
	if (!list_empty(&c->kept)) {
		struct dayfly_event *ev = list_entry(c->kept.next, struct dayfly_event, link);
		list_remove(&ev->link);
		c->kept_bytes -= event_size(ev);
		*ret_event = ev;
		return 1;
	}
	int r = check_alive(c, e);
	return r < 0 ? r
		     : next_fresh(c, timeout_ms > 0 ? deadline_of(timeout_ms) : UINT64_MAX,
			       timeout_ms != 0, ret_event, e);
}

/* An error that answers no request is the end of them all: the daemon refuses the connection. */
static bool is_last_of(const struct dayfly_event *ev, uint64_t request)
{
	if (ev->type == DAYFLY_EVENT_ERROR)
		return ev->request == request || !ev->request;
	return ev->type == DAYFLY_EVENT_RESULT && ev->request == request;
}

static int give(struct dayfly_event *take_ev, struct dayfly_event **ret, struct dayfly_error *e)
{
	if (take_ev->type != DAYFLY_EVENT_ERROR) {
		*ret = take_ev;
		return 1;
	}
	struct dayfly_error why;
	dayfly_event_error(take_ev, &why);
	dayfly_event_free(take_ev);
	if (e)
		*e = why;
	return why.errnum ? -why.errnum : -EREMOTEIO;
}

static int keep(struct dayfly_client *c, struct dayfly_event *take_ev, struct dayfly_error *e)
{
	size_t size = event_size(take_ev);
	if (c->kept_bytes + size > CLIENT_KEPT_MAX) {
		dayfly_event_free(take_ev);
		return dead(c,
			error_text(e, ERR_TOO_LARGE, ENOBUFS, "too many events of other requests"));
	}
	c->kept_bytes += size;
	list_append(&c->kept, &take_ev->link);
	return 0;
}

int dayfly_await(struct dayfly_client *c, uint64_t request, int timeout_ms,
	struct dayfly_event **ret_event, struct dayfly_error *e)
{
	list_for_each (link, &c->kept) {
		struct dayfly_event *ev = list_entry(link, struct dayfly_event, link);
		if (is_last_of(ev, request)) {
			list_remove(&ev->link);
			c->kept_bytes -= event_size(ev);
			return give(ev, ret_event, e);
		}
	}
	uint64_t deadline = deadline_of(timeout_ms);
	int r = check_alive(c, e);
	while (r == 0) {
		struct dayfly_event *ev = NULL;
		r = next_fresh(c, deadline, timeout_ms != 0, &ev, e);
		if (r <= 0)
			return r;
		if (is_last_of(ev, request))
			return give(ev, ret_event, e);
		r = keep(c, ev, e);
	}
	return r;
}
