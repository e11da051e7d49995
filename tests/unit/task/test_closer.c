/* Closing what came from a client, with sockets whose close sleeps for as long as a peer likes. */
#include "harness.h"

#include "task/closer.h"

#include "base/clock.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MANY 12

struct held {
	int far;    /* its peer, which does not read */
	int parcel; /* a Unix socket in which the lingering one lies, so that nobody can reach it */
};

/* Valgrind has one thread at a time go on, also during a close. */
static void skip_in_valgrind(void)
{
	if (getenv("UNIT_WRAPPER"))
		skip();
}

static int connect_tcp(int *ret_far)
{
	struct sockaddr_in addr = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(addr);
	const int small = 4096;
	int listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int near = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(setsockopt(listening, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
	assert_int_equal(bind(listening, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(listening, 1), 0);
	assert_int_equal(getsockname(listening, (struct sockaddr *)&addr, &len), 0);
	assert_int_equal(connect(near, (struct sockaddr *)&addr, sizeof(addr)), 0);
	*ret_far = accept4(listening, NULL, NULL, SOCK_CLOEXEC);
	assert_true(*ret_far >= 0);
	close(listening);
	return near;
}

static int make_lingering(int *ret_far)
{
	static const char bytes[65536];
	const struct linger on = { 1, 600 };
	int fd = connect_tcp(ret_far);
	assert_int_equal(fd_set_nonblock(fd), 0);
	while (write(fd, bytes, sizeof(bytes)) > 0)
		;
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &on, sizeof(on)), 0);
	return fd;
}

static struct held make_held(void)
{
	struct held h;
	int pair[2], fd = make_lingering(&h.far);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(fd_send(pair[0], "x", 1, &fd, 1), 1);
	close(fd); /* not the last one */
	close(pair[0]);
	h.parcel = pair[1];
	return h;
}

static bool waits_for(size_t n)
{
	for (int i = 0; i < 20000 && closer_waiting() != n; i++)
		usleep(1000);
	return closer_waiting() == n;
}

static void *close_it(void *fd)
{
	close(*(int *)fd);
	return NULL;
}

/* The control: without the closer this thread would be the one that sleeps. */
TEST(such_a_close_does_sleep)
{
	skip_in_valgrind();
	struct held h = make_held();
	pthread_t thread;
	struct timespec at;
	assert_int_equal(pthread_create(&thread, NULL, close_it, &h.parcel), 0);
	clock_gettime(CLOCK_REALTIME, &at);
	at.tv_sec++;
	assert_int_equal(pthread_timedjoin_np(thread, NULL, &at), ETIMEDOUT);
	close(h.far); /* a reset ends it */
	assert_int_equal(pthread_join(thread, NULL), 0);
}

TEST(pipes_are_closed_soon)
{
	int p[2];
	assert_int_equal(fd_pipe(p), 0);
	errno = EXDEV;
	close_foreign(1, p, 1);
	assert_int_equal(errno, EXDEV);
	assert_int_equal(p[0], -1);
	struct pollfd hung = { .fd = p[1] };
	assert_int_equal(poll(&hung, 1, 20000), 1);
	close(p[1]);
	close_foreign(1, p, 0);
	assert_true(waits_for(0));
}

TEST(a_socket_that_lingers_is_let_go_at_once)
{
	skip_in_valgrind();
	int far, fd = make_lingering(&far);
	close_foreign(1, &fd, 1);
	assert_true(waits_for(0));
	close(far);
}

TEST(one_user_has_a_part_of_the_threads_and_others_go_on)
{
	skip_in_valgrind();
	struct held held[MANY];
	int p[2];
	for (int i = 0; i < MANY; i++) {
		held[i] = make_held();
		close_foreign(1, &held[i].parcel, 1);
		assert_int_equal(held[i].parcel, -1);
	}
	assert_int_equal(closer_waiting(), MANY);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(fd_pipe(p), 0);
		close_foreign(2, p, 2);
		assert_true(waits_for(MANY));
	}
	for (int i = 0; i < 20000 && !closer_is_full(1, MANY - CLOSER_THREADS_UID - 1); i++)
		usleep(1000);
	assert_true(closer_is_full(1, MANY - CLOSER_THREADS_UID - 1));
	assert_false(closer_is_behind(1, 0));
	assert_false(closer_is_full(1, MANY - CLOSER_THREADS_UID));
	assert_false(closer_is_full(2, 0));
	for (int i = 0; i < MANY; i++)
		close(held[i].far);
	assert_true(waits_for(0));
}

TEST(a_client_with_nothing_unread_is_closed_here_and_any_other_elsewhere)
{
	skip_in_valgrind();
	int pair[2];
	char c;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	close_client(1, &pair[0]);
	assert_int_equal(pair[0], -1);
	assert_int_equal(closer_waiting(), 0);
	assert_int_equal(read(pair[1], &c, 1), 0);
	close(pair[1]);
	struct held h = make_held();
	close_client(1, &h.parcel);
	assert_int_equal(h.parcel, -1);
	assert_int_equal(closer_waiting(), 1);
	close(h.far);
	assert_true(waits_for(0));
	close_client(1, &h.parcel);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(such_a_close_does_sleep),
		cmocka_unit_test(pipes_are_closed_soon),
		cmocka_unit_test(a_socket_that_lingers_is_let_go_at_once),
		cmocka_unit_test(one_user_has_a_part_of_the_threads_and_others_go_on),
		cmocka_unit_test(
			a_client_with_nothing_unread_is_closed_here_and_any_other_elsewhere),
	};
	return RUN_TESTS(tests);
}
