/* Throw-away children: what they answer, that they end in time, and that nothing of them stays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "jail/throwaway.h"

struct work {
	pid_t pid;
	int fd;
	char text[64];
};

static int count_fds(void)
{
	int n = 0;
	DIR *dir = opendir("/proc/self/fd");
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static int remember_pid(pid_t pid, void *arg, struct err *e)
{
	struct work *w = arg;
	w->pid = pid;
	return 0;
}

static int refuse_map(pid_t pid, void *arg, struct err *e)
{
	remember_pid(pid, arg, e);
	return err_set(e, ERR_SETUP, EPERM, "write the map");
}

static int answer_seven(void *arg, struct err *e)
{
	struct work *w = arg;
	strncpy(w->text, "from the child", sizeof(w->text) - 1);
	return 7;
}

static int fail_with_eio(void *arg, struct err *e)
{
	return err_set(e, ERR_SETUP, EIO, "the third step");
}

static int sleep_long(void *arg, struct err *e)
{
	sleep(60);
	return 0;
}

static int die(void *arg, struct err *e)
{
	raise(SIGKILL);
	return 0;
}

static int write_mark(void *arg, struct err *e)
{
	struct work *w = arg;
	return (int)write(w->fd, "x", 1);
}

static int leave_grandchild(void *arg, struct err *e)
{
	struct work *w = arg;
	pid_t pid = fork();
	if (pid == 0) {
		signal(SIGTERM, SIG_IGN);
		/* Holds the pipe open for as long as it lives. */
		sleep(60);
		_exit(w->fd);
	}
	return pid > 0 ? 0 : -errno;
}

static int map_self(pid_t pid, void *arg, struct err *e)
{
	return throwaway_map_single(pid, 0, e);
}

static int check_root(void *arg, struct err *e)
{
	int r = throwaway_become_root(e);
	return r < 0 ? r : (int)getuid();
}

static bool is_gone(pid_t pid)
{
	return kill(pid, 0) < 0 && errno == ESRCH;
}

static bool have_userns(void)
{
	struct throwaway t = { .flags = CLONE_NEWUSER, .map = map_self, .fn = check_root };
	return throwaway_run(&t, NULL) == 0;
}

static void test_answer_and_result_come_back(void **state)
{
	struct work w = { 0 };
	struct err e = { 0 };
	struct throwaway t = { .map = remember_pid,
		.fn = answer_seven,
		.arg = &w,
		.result = w.text,
		.result_size = sizeof(w.text) };
	int before = count_fds();
	assert_int_equal(throwaway_run(&t, &e), 7);
	assert_string_equal(w.text, "from the child");
	assert_string_equal(e.msg, "");
	assert_true(is_gone(w.pid));
	assert_int_equal(count_fds(), before);
}

static void test_error_comes_back(void **state)
{
	struct err e = { 0 };
	struct throwaway t = { .fn = fail_with_eio };
	assert_int_equal(throwaway_run(&t, &e), -EIO);
	assert_int_equal(e.errnum, EIO);
	assert_string_equal(e.msg, "the third step: Input/output error");
	assert_int_equal(throwaway_run(&t, NULL), -EIO);
}

static void test_time_limit_kills(void **state)
{
	struct work w = { 0 };
	struct err e = { 0 };
	struct throwaway t = {
		.map = remember_pid, .fn = sleep_long, .arg = &w, .timeout_ms = 150
	};
	uint64_t begin = clock_mono_ns();
	int before = count_fds();
	assert_int_equal(throwaway_run(&t, &e), -ETIMEDOUT);
	assert_true(clock_mono_ns() - begin < 30 * NS_PER_S);
	assert_true(is_gone(w.pid));
	assert_non_null(strstr(e.msg, "did not end in time"));
	assert_int_equal(count_fds(), before);
}

static void test_death_is_named(void **state)
{
	struct err e = { 0 };
	struct throwaway t = { .fn = die };
	assert_int_equal(throwaway_run(&t, &e), -ECHILD);
	assert_int_equal(e.errnum, ECHILD);
	assert_non_null(strstr(e.msg, "signal 9"));
}

static void test_nothing_runs_without_its_map(void **state)
{
	int pipe_fds[2];
	struct err e = { 0 };
	assert_int_equal(fd_pipe(pipe_fds), 0);
	struct work w = { .fd = pipe_fds[1] };
	struct throwaway t = { .map = refuse_map, .fn = write_mark, .arg = &w };
	assert_int_equal(throwaway_run(&t, &e), -EPERM);
	assert_true(is_gone(w.pid));
	fd_close(&pipe_fds[1]);
	char c;
	assert_int_equal(read(pipe_fds[0], &c, 1), 0);
	fd_close(&pipe_fds[0]);
}

static void test_grandchildren_die_with_the_namespace(void **state)
{
	int pipe_fds[2];
	if (!have_userns())
		skip();
	assert_int_equal(fd_pipe(pipe_fds), 0);
	struct work w = { .fd = pipe_fds[1] };
	struct throwaway t = { .flags = CLONE_NEWUSER | CLONE_NEWPID,
		.map = map_self,
		.fn = leave_grandchild,
		.arg = &w };
	assert_int_equal(throwaway_run(&t, NULL), 0);
	fd_close(&pipe_fds[1]);
	char c;
	/* End of file: the last holder is gone. */
	alarm(10);
	assert_int_equal(read(pipe_fds[0], &c, 1), 0);
	alarm(0);
	fd_close(&pipe_fds[0]);
}

static void test_result_too_large_is_refused(void **state)
{
	static char room[THROWAWAY_RESULT_MAX + 1];
	struct throwaway t = { .fn = fail_with_eio, .result = room, .result_size = sizeof(room) };
	assert_int_equal(throwaway_run(&t, NULL), -EINVAL);
}

static int run_sh(const char *script, unsigned timeout_ms, char *out, size_t size, struct err *e)
{
	static char sh[] = "sh", c[] = "-c";
	char *argv[] = { sh, c, (char *)script, NULL };
	return throwaway_exec("/bin/sh", argv, timeout_ms, out, size, e);
}

static void test_exec(void **state)
{
	char out[16];
	struct err e = { 0 };
	int before = count_fds();
	assert_int_equal(run_sh("echo out; echo err >&2; exit 3", 5000, out, sizeof(out), &e), 3);
	assert_string_equal(out, "out\nerr\n");
	assert_int_equal(run_sh("echo 0123456789abcdefghijk", 5000, out, sizeof(out), &e), 0);
	assert_string_equal(out, "0123456789abcde");
	assert_int_equal(run_sh("kill -9 $$", 5000, out, sizeof(out), &e), 128 + 9);
	assert_int_equal(run_sh("echo ${HOME-none}", 5000, out, sizeof(out), &e), 0);
	assert_string_equal(out, "none\n");
	assert_int_equal(run_sh("sleep 60", 150, out, sizeof(out), &e), -ETIMEDOUT);
	static char name[] = "x";
	char *argv[] = { name, NULL };
	assert_int_equal(throwaway_exec("/nonexistent", argv, 1000, out, sizeof(out), &e), 127);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(count_fds(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answer_and_result_come_back),
		cmocka_unit_test(test_error_comes_back),
		cmocka_unit_test(test_time_limit_kills),
		cmocka_unit_test(test_death_is_named),
		cmocka_unit_test(test_nothing_runs_without_its_map),
		cmocka_unit_test(test_grandchildren_die_with_the_namespace),
		cmocka_unit_test(test_result_too_large_is_refused),
		cmocka_unit_test(test_exec),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
