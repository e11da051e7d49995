/* The filter on a real kernel, in throw-away children. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "filters.h"
#include "jail/seccomp.h"

typedef int (*child_fn)(void);

/* Runs fn under the filter in a child; returns its wait status. Exit status 99: the filter could
 * not be loaded. */
static int run_filtered(enum plan_profile profile, child_fn fn)
{
	const struct sock_fprog *prog = filter_get(profile, PLAN_NETWORK_NONE);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || seccomp_filter_load(prog) < 0)
			_exit(99);
		_exit(fn());
	}
	int status = 0;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static int call_errno(long r)
{
	return r < 0 ? errno : 0;
}

static int try_calls(void)
{
	if (syscall(SYS_getpid) <= 0)
		return 1;
	if (call_errno(syscall(SYS_mount, 0, 0, 0, 0, 0)) != EPERM)
		return 2;
	if (call_errno(syscall(SYS_clone3, 0, 0)) != ENOSYS)
		return 3;
	if (call_errno(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0)) != EPERM)
		return 4;
	if (call_errno(syscall(SYS_socket, AF_VSOCK, SOCK_STREAM, 0)) != EAFNOSUPPORT)
		return 5;
	if (call_errno(syscall(SYS_socket, (1l << 32) | AF_VSOCK, SOCK_STREAM, 0)) != EAFNOSUPPORT)
		return 6;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return 7;
	close(fd);
	if (call_errno(syscall(600)) != ENOSYS)
		return 8;
	pid_t pid = fork();
	if (pid < 0)
		return 9;
	if (pid == 0)
		_exit(0);
	return waitpid(pid, NULL, 0) == pid ? 0 : 10;
}

static void the_kernel_takes_the_filter(void **state)
{
	(void)state;
	for (int profile = 0; profile < PLAN_PROFILE_COUNT; profile++) {
		int status = run_filtered((enum plan_profile)profile, try_calls);
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), 0);
	}
}

#ifdef __x86_64__
static int call_x32(void)
{
	syscall(0x40000000 + SYS_getpid);
	return 0;
}

static void E2_x32_kills_the_process(void **state)
{
	(void)state;
	int status = run_filtered(PLAN_PROFILE_DEV, call_x32);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSYS);
}
#endif

/* E22: what the kernel does not take is an error of ours, not a task without a filter. */
static void E22_a_bad_program_is_refused(void **state)
{
	(void)state;
	struct sock_filter endless = BPF_STMT(BPF_LD | BPF_IMM, 0);
	struct sock_fprog no_return = { .len = 1, .filter = &endless };
	struct sock_fprog empty = { 0 };
	assert_int_equal(seccomp_filter_load(&empty), -EINVAL);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		_exit(seccomp_filter_load(&no_return) == -EINVAL ? 0 : 1);
	}
	int status = 0;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static int finish(void **state)
{
	(void)state;
	filter_finish_all();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_kernel_takes_the_filter),
#ifdef __x86_64__
		cmocka_unit_test(E2_x32_kills_the_process),
#endif
		cmocka_unit_test(E22_a_bad_program_is_refused),
	};
	return cmocka_run_group_tests_name("seccomp load", tests, NULL, finish);
}
