/* The connection to the warden: this process plays the keeper and its wardens. */
#include "loop.h"

#include "base/fd.h"
#include "base/log.h"
#include "daemon/warden_link.h"
#include "plan/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* How many of the next sends on this descriptor find too many descriptors on their way. */
static int refused_fd = -1, n_refusals, n_tries;

ssize_t __real_fd_send(int sock, const void *data, size_t len, const int *fds, size_t n_fds);
ssize_t __wrap_fd_send(int sock, const void *data, size_t len, const int *fds, size_t n_fds)
{
	n_tries += sock == refused_fd;
	if (sock != refused_fd || n_refusals == 0)
		return __real_fd_send(sock, data, len, fds, n_fds);
	n_refusals--;
	return -ETOOMANYREFS;
}

struct world {
	uv_loop_t loop;
	struct startup start;
	struct warden_link link;
	int keeper; /* the keeper's end */
	int warden; /* the warden's end */
	int n_events, n_lost, n_up, n_dead, n_fds;
	uint64_t last_jail;
};

static void on_event(void *owner, const struct wire_event *ev, int *fd)
{
	struct world *w = owner;
	w->n_events++;
	w->n_fds += *fd >= 0;
	w->last_jail = ev->jail;
}

static void on_lost(void *owner)
{
	((struct world *)owner)->n_lost++;
}

static void on_up(void *owner)
{
	((struct world *)owner)->n_up++;
}

static void on_dead(void *owner, const struct err *e)
{
	((struct world *)owner)->n_dead++;
}

static const struct warden_link_hooks hooks = { on_event, on_lost, on_up, on_dead };

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	int pair[2];
	signal(SIGPIPE, SIG_IGN);
	log_init("test", LOG_LEVEL_ERROR);
	uv_loop_init(&w->loop);
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
	w->start.keeper.fd = pair[0];
	w->keeper = pair[1];
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
	w->start.warden_fd = pair[0];
	w->warden = pair[1];
	w->start.warden_pid = 100;
	w->start.is_root_mode = true; /* a lost keeper cannot be replaced */
	wire_event_init(&w->start.hello, WIRE_HELLO, 0);
	assert_int_equal(warden_link_init(&w->link, &w->loop, &w->start, &hooks, w), 0);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;
	warden_link_finish(&w->link);
	fd_close(&w->keeper);
	fd_close(&w->warden);
	fd_close(&w->start.keeper.fd);
	loop_assert_empty(&w->loop);
	free(w);
	return 0;
}

static void send_event(struct world *w, enum wire_type type, uint64_t jail, int fd)
{
	struct wire_event ev;
	wire_event_init(&ev, type, jail);
	assert_int_equal(fd_send(w->warden, &ev, sizeof(ev), &fd, fd >= 0), sizeof(ev));
}

/* The keeper's part when it is asked for a warden. */
static void make_warden(struct world *w, int32_t answer)
{
	struct keeper_request rq;
	int fds[FD_PASS_MAX];
	size_t n_fds = 0;
	ssize_t n;
	fd_close(&w->warden);
	loop_run_until(&w->loop, (n = fd_recv(w->keeper, &rq, sizeof(rq), fds, &n_fds)) != -EAGAIN);
	assert_int_equal(n, sizeof(rq));
	assert_int_equal(rq.type, KEEPER_WORKER);
	assert_int_equal(n_fds, 1);
	if (answer > 0)
		w->warden = fds[0];
	else
		fd_close(&fds[0]);
	assert_int_equal(write(w->keeper, &answer, sizeof(answer)), sizeof(answer));
	if (answer > 0)
		send_event(w, WIRE_HELLO, 0, -1);
}

static void a_record_goes_down_with_its_descriptors_and_one_comes_up(void **state)
{
	struct world *w = *state;
	struct wire_request rq, got;
	int fds[FD_PASS_MAX];
	size_t n_fds = 0;
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	wire_request_init(&rq, WIRE_START, warden_link_new_jail(&w->link));
	assert_int_equal(warden_link_send(&w->link, &rq, &fd, 1), 0);
	fd_close(&fd); /* borrowed */
	assert_int_equal(fd_recv(w->warden, &got, sizeof(got), fds, &n_fds), sizeof(got));
	assert_memory_equal(&got, &rq, sizeof(rq));
	assert_int_equal(n_fds, 1);
	send_event(w, WIRE_TTY, rq.jail, fds[0]);
	loop_run_until(&w->loop, w->n_events == 1);
	assert_int_equal(w->last_jail, rq.jail);
	assert_int_equal(w->n_fds, 1);
	fd_close(&fds[0]);
}

static void a_warden_that_does_not_read_gets_everything_later_and_in_order(void **state)
{
	struct world *w = *state;
	struct wire_request rq, got;
	int fds[FD_PASS_MAX];
	size_t n_fds = 0;
	uint64_t n_sent = 0, n_got = 0;
	wire_request_init(&rq, WIRE_SIGNAL, 1);
	int r;
	while ((r = warden_link_send(&w->link, &rq, NULL, 0)) == 0 && n_sent < 100000)
		rq.jail = ++n_sent + 1;
	assert_int_equal(r, -ENOBUFS); /* bounded */
	/* No flood of signals keeps a task from its start. */
	rq.type = WIRE_START;
	for (int i = 0; i < 1000; i++, rq.jail = ++n_sent + 1)
		assert_int_equal(warden_link_send(&w->link, &rq, NULL, 0), 0);
	rq.type = WIRE_SIGNAL;
	assert_int_equal(warden_link_send(&w->link, &rq, NULL, 0), -ENOBUFS);
	rq.type = WIRE_KILL;
	assert_int_equal(warden_link_send(&w->link, &rq, NULL, 0), 0); /* a kill always goes */
	n_sent++;
	while (n_got < n_sent) {
		loop_run_until(&w->loop,
			fd_recv(w->warden, &got, sizeof(got), fds, &n_fds) == sizeof(got));
		assert_int_equal(got.jail, ++n_got);
	}
	assert_int_equal(got.type, WIRE_KILL);
	assert_int_equal(w->link.n_out, 0);
}

static void what_no_room_can_be_waited_for_is_tried_again_from_time_to_time(void **state)
{
	struct world *w = *state;
	struct wire_request rq, got;
	int fds[FD_PASS_MAX];
	size_t n_fds = 0;
	wire_request_init(&rq, WIRE_SIGNAL, 1);
	refused_fd = w->link.fd;
	n_refusals = 5;
	n_tries = 0;
	assert_int_equal(warden_link_send(&w->link, &rq, NULL, 0), 0);
	rq.jail = 2;
	assert_int_equal(warden_link_send(&w->link, &rq, NULL, 0), 0);
	for (uint64_t jail = 1; jail <= 2; jail++) {
		loop_run_until(&w->loop,
			fd_recv(w->warden, &got, sizeof(got), fds, &n_fds) == sizeof(got));
		assert_int_equal(got.jail, jail);
	}
	/* Not at every turn of the loop, though the socket could be written to. */
	assert_int_equal(n_tries, 5 + 2);
	refused_fd = -1;
}

static void a_lost_warden_is_told_and_replaced(void **state)
{
	struct world *w = *state;
	struct wire_request rq;
	uint64_t jail = warden_link_new_jail(&w->link);
	fd_close(&w->warden);
	loop_run_until(&w->loop, w->n_lost == 1);
	assert_false(warden_link_is_up(&w->link));
	wire_request_init(&rq, WIRE_SIGNAL, jail);
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_int_equal(warden_link_send(&w->link, &rq, &fd, 1), -ENOTCONN);
	fd_close(&fd);
	make_warden(w, 200);
	loop_run_until(&w->loop, w->n_up == 1);
	assert_true(warden_link_is_up(&w->link));
	assert_int_equal(w->link.pid, 200);
	assert_int_equal(w->n_lost, 1);
	assert_true(warden_link_new_jail(&w->link) > jail);
}

static void a_warden_that_cannot_be_made_is_asked_for_again(void **state)
{
	struct world *w = *state;
	fd_close(&w->warden);
	loop_run_until(&w->loop, w->n_lost == 1);
	make_warden(w, -EAGAIN);
	make_warden(w, 201);
	loop_run_until(&w->loop, w->n_up == 1);
	assert_int_equal(w->n_lost, 1); /* its jails were told about once */
}

static void a_warden_that_breaks_the_protocol_is_not_listened_to(void **state)
{
	struct world *w = *state;
	send_event(w, WIRE_HELLO, 0, -1); /* a second one */
	loop_run_until(&w->loop, w->n_lost == 1);
	make_warden(w, 202);
	loop_run_until(&w->loop, w->n_up == 1);
	assert_int_equal(write(w->warden, "short", 5), 5);
	loop_run_until(&w->loop, w->n_lost == 2);
	make_warden(w, 203);
	loop_run_until(&w->loop, w->n_up == 2);
	send_event(w, (enum wire_type)99, 0, -1);
	loop_run_until(&w->loop, w->n_lost == 3);
	assert_int_equal(w->n_events, 0);
}

static void without_the_keeper_root_mode_is_at_its_end(void **state)
{
	struct world *w = *state;
	fd_close(&w->keeper);
	loop_run_until(&w->loop, w->n_dead == 1);
	/* What runs may still be ended in order. */
	send_event(w, WIRE_GONE, 5, -1);
	loop_run_until(&w->loop, w->n_events == 1);
	fd_close(&w->warden);
	loop_run_until(&w->loop, w->n_lost == 1);
	loop_run_ms(&w->loop, 20);
	assert_int_equal(w->n_dead, 1);
}

#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_WORLD(a_record_goes_down_with_its_descriptors_and_one_comes_up),
		IN_WORLD(a_warden_that_does_not_read_gets_everything_later_and_in_order),
		IN_WORLD(what_no_room_can_be_waited_for_is_tried_again_from_time_to_time),
		IN_WORLD(a_lost_warden_is_told_and_replaced),
		IN_WORLD(a_warden_that_cannot_be_made_is_asked_for_again),
		IN_WORLD(a_warden_that_breaks_the_protocol_is_not_listened_to),
		IN_WORLD(without_the_keeper_root_mode_is_at_its_end),
	};
	return RUN_TESTS(tests);
}
