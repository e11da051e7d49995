#include "harness.h"

#include "base/clock.h"
#include "client/autostart.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/*

 * A daemon for this test: a script where an installed one would be, as seen from the test program.

 */
static char dir[PATH_MAX], daemon_path[PATH_MAX + 32], scratch[] = "/tmp/dayfly-test-XXXXXX",
						       out[64];

static void put_daemon(const char *script)
{
	int fd = open(daemon_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
	assert_true(fd >= 0);
	assert_true(dprintf(fd, "#!/bin/sh\n%s\n", script) > 0);
	close(fd);
}

static int begin(void **state)
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	assert_true(n > 0);
	self[n] = '\0';
	*strrchr(self, '/') = '\0';
	snprintf(dir, sizeof(dir), "%.*s/../sbin", PATH_MAX - 64, self);
	snprintf(daemon_path, sizeof(daemon_path), "%s/dayflyd", dir);
	mkdir(dir, 0755);
	memcpy(scratch + sizeof(scratch) - 7, "XXXXXX", 6);
	assert_non_null(mkdtemp(scratch));
	snprintf(out, sizeof(out), "%s/out", scratch);
	setenv("HOME", scratch, 1);
	return 0;
}

static int end(void **state)
{
	unlink(daemon_path);
	rmdir(dir);
	unlink(out);
	rmdir(scratch);
	return 0;
}

static int start(struct dayfly_error *e)
{
	memset(e, 0, sizeof(*e));
	return autostart_daemon("/run/x.sock", clock_mono_ns() + 5 * NS_PER_S, e);
}

TEST(a_daemon_that_listens_is_a_success)
{
	struct dayfly_error e;
	put_daemon("printf '%s\\n' \"$*\" >\"$HOME/out\"; echo 1 >&3");
	assert_int_equal(start(&e), 0);
	char text[256] = "";
	int fd = open(out, O_RDONLY | O_CLOEXEC);
	assert_true(read(fd, text, sizeof(text) - 1) > 0);
	close(fd);
	assert_string_equal(text, "--socket /run/x.sock --idle-exit 60 --ready-fd 3\n");
	/* It is nobody's child: nothing has to be waited for. */
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

TEST(the_daemon_gets_a_clean_world)
{
	struct dayfly_error e;
	char text[4096] = "";
	int extra = open("/", O_RDONLY);
	sigset_t set;
	setenv("SSH_AUTH_SOCK", "secret", 1);
	setenv("LD_LIBRARY_PATH", "/tmp", 1);
	setenv("NOTIFY_SOCKET", "secret", 1);
	setenv("TZ", "UTC", 1);
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	put_daemon("{ tr '\\0' '\\n' </proc/$$/environ; grep -E '^Sig(Blk|Ign)' /proc/self/status; "
		   "readlink /proc/$$/fd/0 "
		   "/proc/$$/fd/2; } >\"$HOME/out\"; echo 1 >&3");
	assert_int_equal(start(&e), 0);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	close(extra);
	int fd = open(out, O_RDONLY | O_CLOEXEC);
	assert_true(read(fd, text, sizeof(text) - 1) > 0);
	close(fd);
	assert_null(strstr(text, "secret"));
	assert_null(strstr(text, "LD_"));
	assert_non_null(strstr(text, "PATH="));
	assert_non_null(strstr(text, "TZ=UTC\n"));
	assert_non_null(strstr(text, "SigBlk:\t0000000000000000\n"));
	assert_non_null(strstr(text, "SigIgn:\t0000000000000000\n"));
	assert_non_null(strstr(text, "/dev/null\n/dev/null\n"));
}

TEST(a_daemon_that_cannot_start_says_why)
{
	struct dayfly_error e;
	put_daemon("echo 'cannot make a jail: EPERM' >&3; echo 'run doctor' >&3; exit 1");
	assert_int_equal(start(&e), -EAGAIN);
	assert_string_equal(e.code, "connect_failed");
	assert_string_equal(e.message, "cannot make a jail: EPERM");
	assert_string_equal(e.hint, "run doctor");
	put_daemon("exit 1");
	assert_int_equal(start(&e), -EAGAIN);
	assert_string_equal(e.message, "dayflyd was started and ended without a word");
}

TEST(a_program_that_cannot_be_executed_is_told)
{
	struct dayfly_error e;
	int fd = open(daemon_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
	assert_int_equal(write(fd, "\0\0\0", 3), 3);
	close(fd);
	assert_int_equal(start(&e), -EAGAIN);
	assert_non_null(strstr(e.message, "dayflyd: Exec format error"));
}

TEST(a_daemon_that_says_nothing_is_not_waited_for_long)
{
	struct dayfly_error e;
	uint64_t took_ns = 0;
	put_daemon("exec sleep 2");
	/* A busy machine may stand still itself. */
	for (unsigned i = 0; i < 10 && (!i || took_ns >= 1500 * NS_PER_MS); i++) {
		uint64_t begin_ns = clock_mono_ns();
		assert_int_equal(autostart_daemon("/run/x.sock", begin_ns + 200 * NS_PER_MS, &e),
			-ETIMEDOUT);
		took_ns = clock_mono_ns() - begin_ns;
	}
	assert_true(took_ns < 1500 * NS_PER_MS);
}

TEST(the_log_goes_where_it_was_asked_for)
{
	struct dayfly_error e;
	char text[64] = "";
	setenv("DAYFLY_LOG", out, 1);
	put_daemon("echo logged >&2; echo 1 >&3");
	assert_int_equal(start(&e), 0);
	int fd = open(out, O_RDONLY | O_CLOEXEC);
	assert_true(read(fd, text, sizeof(text) - 1) > 0);
	close(fd);
	assert_string_equal(text, "logged\n");
	setenv("DAYFLY_LOG", "/nonexistent/log", 1);
	assert_int_equal(start(&e), -ENOENT);
	unsetenv("DAYFLY_LOG");
}

#define WITH_DAEMON(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_DAEMON(a_daemon_that_listens_is_a_success),
		WITH_DAEMON(the_daemon_gets_a_clean_world),
		WITH_DAEMON(a_daemon_that_cannot_start_says_why),
		WITH_DAEMON(a_program_that_cannot_be_executed_is_told),
		WITH_DAEMON(a_daemon_that_says_nothing_is_not_waited_for_long),
		WITH_DAEMON(the_log_goes_where_it_was_asked_for),
	};
	return RUN_TESTS(tests);
}
