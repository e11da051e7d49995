/* The warden takes nothing on trust: records that a broken or taken-over dayflyd could send. No
 * jail is made here. */
#include "jail/warden.h"

#include "base/fd.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static int control = -1;
static pid_t warden_pid;

static void receive(struct wire_event *ev)
{
	int fds[FD_PASS_MAX];
	size_t n;
	assert_int_equal(fd_recv(control, ev, sizeof(*ev), fds, &n), sizeof(*ev));
	assert_int_equal(wire_event_check(ev, sizeof(*ev)), 0);
}

static int start(void **state)
{
	int pair[2];
	struct timeval limit = { .tv_sec = 20 };
	struct wire_event ev;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	warden_pid = fork();
	if (warden_pid == 0) {
		close(pair[0]);
		struct warden_options o = { .upper = "tmpfs" };
		_exit(warden_main(pair[1], &o));
	}
	close(pair[1]);
	control = pair[0];
	setsockopt(control, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	receive(&ev);
	assert_int_equal(ev.type, WIRE_HELLO);
	return 0;
}

static int finish(void **state)
{
	int status;
	fd_close(&control);
	/* When the connection closes, the warden ends by itself. */
	assert_int_equal(waitpid(warden_pid, &status, 0), warden_pid);
	assert_true(WIFEXITED(status));
	return 0;
}

static void expect_failed_and_gone(uint64_t jail, const char *text)
{
	struct wire_event ev;
	receive(&ev);
	assert_int_equal(ev.type, WIRE_FAILED);
	assert_int_equal(ev.jail, jail);
	assert_non_null(strstr(ev.failed.err.msg, text));
	receive(&ev);
	assert_int_equal(ev.type, WIRE_GONE);
	assert_int_equal(ev.jail, jail);
}

static void send_start(uint64_t jail, const int *fds, size_t n)
{
	struct wire_request rq;
	wire_request_init(&rq, WIRE_START, jail);
	assert_int_equal(fd_send(control, &rq, sizeof(rq), fds, n), sizeof(rq));
}

static void a_start_without_descriptors_fails_alone(void **state)
{
	send_start(1, NULL, 0);
	expect_failed_and_gone(1, "without a connection");
	/* It still serves. */
	send_start(2, NULL, 0);
	expect_failed_and_gone(2, "without a connection");
}

/* A connection through a listening socket: [0] is the accepted end, [1] the client's. */
static void connect_pair(int pair[2])
{
	/* With no name given the kernel makes one. */
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	socklen_t len = sizeof(at);
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&at, sizeof(at.sun_family)), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &len), 0);
	pair[1] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(pair[1], (struct sockaddr *)&at, len), 0);
	pair[0] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(pair[0] >= 0);
	close(listener);
}

/* The credentials of whoever listens are no client's: taken for that, root's sockets would make
 * root's rights. */
static void only_an_accepted_connection_is_a_client(void **state)
{
	int through[2], stream[2], packets[2], plan = memfd_create("plan", MFD_CLOEXEC);
	connect_pair(through);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, stream), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, packets), 0);
	const int others[] = { through[1], stream[0], packets[0] };
	for (size_t i = 0; i < 3; i++) {
		const int fds[] = { others[i], plan };
		send_start(20 + i, fds, 2);
		expect_failed_and_gone(20 + i, "not one that was accepted");
	}
	/* The other end is one, and what is wrong is the plan. */
	const int fds[] = { through[0], plan };
	send_start(30, fds, 2);
	expect_failed_and_gone(30, "not sealed");
	fd_close_many(through, 2);
	fd_close_many(stream, 2);
	fd_close_many(packets, 2);
	close(plan);
}

static void a_plan_that_is_not_sealed_is_refused(void **state)
{
	int pair[2];
	connect_pair(pair);
	int plan = memfd_create("plan", MFD_CLOEXEC);
	assert_int_equal(write(plan, "plan", 4), 4);
	const int fds[] = { pair[0], plan };
	send_start(3, fds, 2);
	expect_failed_and_gone(3, "not sealed");
	close(plan);
	close(pair[0]);
	close(pair[1]);
}

static void a_connection_that_is_no_socket_is_refused(void **state)
{
	int plan = fd_sealed_memfd("plan", "x", 1);
	const int fds[] = { plan, plan };
	send_start(4, fds, 2);
	expect_failed_and_gone(4, "not one that was accepted");
	close(plan);
}

static void a_sealed_plan_of_garbage_is_refused(void **state)
{
	int pair[2];
	char garbage[5000];
	memset(garbage, 0xee, sizeof(garbage));
	connect_pair(pair);
	int plan = fd_sealed_memfd("plan", garbage, sizeof(garbage));
	const int fds[] = { pair[0], plan };
	send_start(5, fds, 2);
	expect_failed_and_gone(5, "plan");
	close(plan);
	close(pair[0]);
	close(pair[1]);
}

static void words_for_a_jail_that_is_not_there_are_passed_over(void **state)
{
	struct wire_request rq;
	wire_request_init(&rq, WIRE_KILL, 12345);
	assert_int_equal(fd_send(control, &rq, sizeof(rq), NULL, 0), sizeof(rq));
	wire_request_init(&rq, WIRE_SIGNAL, 12345);
	assert_int_equal(fd_send(control, &rq, sizeof(rq), NULL, 0), sizeof(rq));
	send_start(6, NULL, 0);
	expect_failed_and_gone(6, "without a connection");
}

static void a_record_of_another_version_ends_the_connection(void **state)
{
	struct wire_request rq;
	wire_request_init(&rq, WIRE_KILL, 1);
	rq.version = 99;
	assert_int_equal(fd_send(control, &rq, sizeof(rq), NULL, 0), sizeof(rq));
	char byte;
	assert_int_equal(recv(control, &byte, 1, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_start_without_descriptors_fails_alone, start, finish),
		cmocka_unit_test_setup_teardown(
			only_an_accepted_connection_is_a_client, start, finish),
		cmocka_unit_test_setup_teardown(
			a_plan_that_is_not_sealed_is_refused, start, finish),
		cmocka_unit_test_setup_teardown(
			a_connection_that_is_no_socket_is_refused, start, finish),
		cmocka_unit_test_setup_teardown(a_sealed_plan_of_garbage_is_refused, start, finish),
		cmocka_unit_test_setup_teardown(
			words_for_a_jail_that_is_not_there_are_passed_over, start, finish),
		cmocka_unit_test_setup_teardown(
			a_record_of_another_version_ends_the_connection, start, finish),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
