/* Which descriptors changes can go to. */
#include "harness.h"

#include "task/outputs.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int check(int fd)
{
	struct err e = { 0 };
	const struct task_spec spec = { .has_changes = true, .changes = { .fd = 1 } };
	const int fds[] = { -1, fd };
	int r = outputs_check(&spec, fds, 2, &e);
	if (r < 0)
		assert_string_equal(e.field, "task.changes.fd");
	return r;
}

TEST(pipes_and_streams_that_can_be_written_are_good)
{
	int p[2], s[2], d[2];
	assert_int_equal(fd_pipe(p), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, d), 0);
	assert_int_equal(check(p[1]), 0);
	assert_int_equal(check(s[0]), 0);
	assert_true(check(p[0]) < 0);
	assert_true(check(d[0]) < 0);
	for (int i = 0; i < 2; i++) {
		close(p[i]);
		close(s[i]);
		close(d[i]);
	}
}

TEST(files_devices_and_nothing_are_refused)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int path = open("/", O_PATH | O_CLOEXEC);
	int inet = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(check(null) < 0);
	assert_true(check(path) < 0);
	if (inet >= 0)
		assert_true(check(inet) < 0);
	assert_true(check(-1) < 0);
	close(null);
	close(path);
	close(inet);
}

TEST(nothing_asked_for_is_fine)
{
	const struct task_spec none = { 0 };
	const struct task_spec far = { .has_changes = true, .changes = { .fd = 5 } };
	assert_int_equal(outputs_check(&none, NULL, 0, NULL), 0);
	/* plan_build() says that it was not sent. */
	assert_int_equal(outputs_check(&far, NULL, 0, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pipes_and_streams_that_can_be_written_are_good),
		cmocka_unit_test(files_devices_and_nothing_are_refused),
		cmocka_unit_test(nothing_asked_for_is_fine),
	};
	return RUN_TESTS(tests);
}
