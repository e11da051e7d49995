/* Sockets that a service manager passes: LISTEN_FDS, LISTEN_PID, LISTEN_FDNAMES. */
#include "harness.h"

#include "base/fd.h"
#include "daemon/activation.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define FIRST 3 /* SD_LISTEN_FDS_START */

static char dir[64], path[96];

static int setup(void **state)
{
	snprintf(dir, sizeof(dir), "/tmp/dayfly-test-XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/s", dir);
	return 0;
}

static int teardown(void **state)
{
	for (int fd = FIRST; fd < FIRST + 3; fd++)
		close(fd);
	unlink(path);
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDNAMES");
	return rmdir(dir);
}

static int bound(int type, bool listens)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	if (listens)
		assert_int_equal(listen(fd, 5), 0);
	return fd;
}

/* As the nth descriptor that is passed. */
static void pass(int n, int take_fd)
{
	int at = FIRST + n;
	if (take_fd == at) {
		assert_int_equal(fd_set_cloexec(take_fd, 0), 0);
		return;
	}
	assert_int_equal(dup2(take_fd, at), at);
	close(take_fd);
}

static void say(const char *count, long pid, const char *names)
{
	char text[24];
	snprintf(text, sizeof(text), "%ld", pid);
	setenv("LISTEN_FDS", count, 1);
	setenv("LISTEN_PID", text, 1);
	if (names)
		setenv("LISTEN_FDNAMES", names, 1);
}

TEST(nothing_passed_is_no_error)
{
	struct err e;
	int fd = 99;
	assert_int_equal(activation_take(&fd, &e), 0);
	assert_int_equal(fd, -1);
}

TEST(what_is_for_another_process_is_left_alone)
{
	struct err e;
	int fd = 99;
	pass(0, bound(SOCK_STREAM, true));
	say("1", getppid(), NULL);
	assert_int_equal(activation_take(&fd, &e), 0);
	assert_int_equal(fd, -1);
}

#ifdef DAYFLY_LIBSYSTEMD

TEST(a_listening_socket_is_taken_and_the_variables_go)
{
	struct err e;
	int fd = -1;
	pass(0, bound(SOCK_STREAM, true));
	say("1", getpid(), "dayflyd.socket");
	assert_int_equal(activation_take(&fd, &e), 0);
	assert_int_equal(fd, FIRST);
	assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	assert_null(getenv("LISTEN_FDS"));
	assert_null(getenv("LISTEN_PID"));
	assert_null(getenv("LISTEN_FDNAMES"));
}

TEST(several_sockets_are_refused_by_name)
{
	struct err e;
	int fd = 99;
	pass(0, bound(SOCK_STREAM, true));
	unlink(path);
	pass(1, bound(SOCK_STREAM, true));
	say("2", getpid(), "one:other");
	assert_true(activation_take(&fd, &e) < 0);
	assert_non_null(strstr(e.msg, "2 sockets"));
	assert_non_null(strstr(e.msg, "one, other"));
	assert_non_null(strstr(e.hint, "ListenStream="));
	assert_int_equal(fd, -1);
}

TEST(a_socket_that_does_not_listen_is_refused)
{
	struct err e;
	int fd = 99;
	pass(0, bound(SOCK_STREAM, false));
	say("1", getpid(), NULL);
	assert_true(activation_take(&fd, &e) < 0);
	assert_non_null(strstr(e.msg, "does not listen"));
	assert_non_null(strstr(e.hint, "Accept=no"));
}

TEST(a_socket_of_another_type_is_refused)
{
	struct err e;
	int fd = 99;
	pass(0, bound(SOCK_DGRAM, false));
	say("1", getpid(), NULL);
	assert_true(activation_take(&fd, &e) < 0);
	assert_non_null(strstr(e.msg, "no Unix stream socket"));
}

TEST(a_descriptor_that_is_no_socket_is_refused)
{
	struct err e;
	int fd = 99;
	pass(0, open("/dev/null", O_RDONLY | O_CLOEXEC));
	say("1", getpid(), NULL);
	assert_true(activation_take(&fd, &e) < 0);
	assert_non_null(strstr(e.msg, "no Unix stream socket"));
}

TEST(a_descriptor_that_is_not_there_is_refused)
{
	struct err e;
	int fd = 99;
	close(FIRST);
	say("1", getpid(), NULL);
	assert_true(activation_take(&fd, &e) < 0);
	assert_int_equal(fd, -1);
}

TEST(nonsense_in_the_variables_is_refused)
{
	static const char *const nonsense[] = { "x", "-1", "99999999999999999999", "1x" };
	for (size_t i = 0; i < ARRAY_SIZE(nonsense); i++) {
		struct err e;
		int fd = 99;
		say(nonsense[i], getpid(), NULL);
		assert_true(activation_take(&fd, &e) < 0);
		assert_int_equal(fd, -1);
		assert_null(getenv("LISTEN_FDS"));
	}
}

#else

TEST(a_build_without_libsystemd_does_not_leave_a_socket_aside)
{
	struct err e;
	int fd = 99;
	pass(0, bound(SOCK_STREAM, true));
	say("1", getpid(), NULL);
	assert_int_equal(activation_take(&fd, &e), -ENOSYS);
	assert_non_null(strstr(e.msg, "without libsystemd"));
	assert_int_equal(fd, -1);
}

#endif

#define IN_PLACE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_PLACE(nothing_passed_is_no_error),
		IN_PLACE(what_is_for_another_process_is_left_alone),
#ifdef DAYFLY_LIBSYSTEMD
		IN_PLACE(a_listening_socket_is_taken_and_the_variables_go),
		IN_PLACE(several_sockets_are_refused_by_name),
		IN_PLACE(a_socket_that_does_not_listen_is_refused),
		IN_PLACE(a_socket_of_another_type_is_refused),
		IN_PLACE(a_descriptor_that_is_no_socket_is_refused),
		IN_PLACE(a_descriptor_that_is_not_there_is_refused),
		IN_PLACE(nonsense_in_the_variables_is_refused),
#else
		IN_PLACE(a_build_without_libsystemd_does_not_leave_a_socket_aside),
#endif
	};
	return RUN_TESTS(tests);
}
