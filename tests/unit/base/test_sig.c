/* Signals as a new process should find them. */
#include "base/sig.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

static void nothing_is_ignored_or_blocked_afterwards(void **state)
{
	char status[8192];
	struct {
		void *handler;
		unsigned long flags;
		void *restorer;
		unsigned long mask;
	} ignore = { .handler = (void *)1 };
	/* Two that the C library would not let us touch. */
	syscall(SYS_rt_sigaction, 32, &ignore, NULL, sizeof(ignore.mask));
	syscall(SYS_rt_sigaction, 33, &ignore, NULL, sizeof(ignore.mask));
	signal(SIGTERM, SIG_IGN);
	sigset_t all;
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	sig_reset();
	int fd = open("/proc/self/status", 0);
	ssize_t n = read(fd, status, sizeof(status) - 1);
	close(fd);
	assert_true(n > 0);
	status[n] = '\0';
	assert_non_null(strstr(status, "SigIgn:\t0000000000000000\n"));
	assert_non_null(strstr(status, "SigBlk:\t0000000000000000\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(
		nothing_is_ignored_or_blocked_afterwards) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
