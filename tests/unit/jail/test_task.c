/* What a start leaves in jail init, whose memory the task's process has until it executes. That the
 * task itself runs is tested in tests/jail. */
#include "harness.h"

#include "jail/task.h"

#include <fcntl.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* It fails at a step, as there is no room for a descriptor. Returns 0 if all is as it was. */
static int start_one(void)
{
	static char *const argv[] = { "true", NULL };
	struct plan plan = { .user = PLAN_USER_AGENT, .argv = (char **)argv };
	struct jail j = { .plan = &plan, .tty_fd = -1, .stdio = { -1, -1, -1 }, .cwd = "/" };
	struct task_start s;
	char **env = environ;
	pid_t pid, group = getpgrp();
	/* As the task's change of ids leaves it where fs.suid_dumpable is 1. */
	if (prctl(PR_SET_DUMPABLE, 1) < 0)
		return 1;
	pid = task_start(&j, &s);
	if (pid <= 0 || waitpid(pid, NULL, 0) != pid)
		return 2;
	if (!s.has_failed || s.phase != TASK_PHASE_SETUP || strcmp(s.err.step, "stdio") != 0)
		return 3;
	if (environ != env || s.env || getpgrp() != group || fcntl(0, F_GETFD) < 0)
		return 4;
	return prctl(PR_GET_DUMPABLE) == 0 ? 0 : 5;
}

TEST(a_start_changes_nothing_of_jail_init)
{
	int status;
	pid_t pid = fork();
	if (pid == 0)
		_exit(start_one());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_start_changes_nothing_of_jail_init),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
