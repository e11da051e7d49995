#include "harness.h"

#include "cli/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { N = 1 << 20 };
static char data[N], copy[N];

/* Writes N bytes to fds[1] and reads them from fds[0] whenever the sink would have to wait. */
static void check_flow(const int *fds)
{
	struct sink s;
	size_t got = 0;
	int waits = 0;
	for (size_t i = 0; i < N; i++)
		data[i] = (char)(i * 31);
	sink_init(&s, fds[1]);
	int r = sink_write(&s, data, N);
	while (r == 0) {
		waits++;
		ssize_t n = read(fds[0], copy + got, N - got);
		assert_true(n > 0);
		got += (size_t)n;
		r = sink_flush(&s);
	}
	assert_int_equal(r, 1);
	assert_true(waits > 0);
	/* The other users of this descriptor see no change. */
	assert_false(fcntl(fds[1], F_GETFL) & O_NONBLOCK);
	sink_finish(&s);
	close(fds[1]);
	for (ssize_t n; (n = read(fds[0], copy + got, N - got)) > 0;)
		got += (size_t)n;
	assert_int_equal(got, N);
	assert_memory_equal(copy, data, N);
	close(fds[0]);
}

TEST(a_pipe_is_filled_without_waiting)
{
	int fds[2];
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	check_flow(fds);
}

TEST(a_socket_is_filled_without_waiting)
{
	int fds[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	check_flow(fds);
}

TEST(a_reader_that_has_gone_is_told)
{
	struct sink s;
	int fds[2];
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	sink_init(&s, fds[1]);
	assert_int_equal(sink_write(&s, "a", 1), 1);
	close(fds[0]);
	assert_int_equal(sink_write(&s, "a", 1), -EPIPE);
	sink_finish(&s);
	sink_init(&s, fds[1]);
	assert_int_equal(sink_write(&s, "a", 1), -EPIPE);
	sink_finish(&s);
	close(fds[1]);
}

TEST(files_and_failures_work_as_ever)
{
	struct sink s;
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC),
	    full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	sink_init(&s, null);
	assert_int_equal(sink_write(&s, data, N), 1);
	assert_int_equal(sink_write(&s, "", 0), 1);
	sink_finish(&s);
	sink_init(&s, full);
	assert_int_equal(sink_write(&s, "x", 1), -ENOSPC);
	sink_finish(&s);
	sink_init(&s, 99);
	assert_int_equal(sink_write(&s, "x", 1), -EBADF);
	close(null);
	close(full);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pipe_is_filled_without_waiting),
		cmocka_unit_test(a_socket_is_filled_without_waiting),
		cmocka_unit_test(a_reader_that_has_gone_is_told),
		cmocka_unit_test(files_and_failures_work_as_ever),
	};
	return RUN_TESTS(tests);
}
