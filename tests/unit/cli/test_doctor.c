#include "harness.h"

#include "cli/canned_cli.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/*

 * A warden for this test: a script where an installed one would be, as seen from the test program.

 */
static char dirs[2][PATH_MAX], warden[PATH_MAX + 32];

static void put_warden(const char *script)
{
	int fd = open(warden, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
	assert_true(fd >= 0);
	assert_int_equal(
		dprintf(fd, "#!/bin/sh\n[ \"$*\" = --probe ] || exit 9\n%s\n", script) > 0, 1);
	close(fd);
}

static int begin(void **state)
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	assert_true(n > 0);
	self[n] = '\0';
	*strrchr(self, '/') = '\0';
	snprintf(dirs[0], sizeof(dirs[0]), "%.*s/../libexec", PATH_MAX - 64, self);
	snprintf(dirs[1], sizeof(dirs[1]), "%.*s/dayfly", PATH_MAX - 32, dirs[0]);
	snprintf(warden, sizeof(warden), "%s/dayfly-warden", dirs[1]);
	mkdir(dirs[0], 0755);
	mkdir(dirs[1], 0755);
	return 0;
}

static int end(void **state)
{
	unlink(warden);
	rmdir(dirs[1]);
	rmdir(dirs[0]);
	return 0;
}

static void doctor(struct canned_cli *c, const char *option)
{
	canned_cli_run(c, (const char *const[]){ "doctor", option, NULL });
}

TEST(findings_are_printed_with_why_and_fix)
{
	struct canned_cli c = { 0 };
	put_warden(
		"echo '{\"group\":\"host\",\"check\":\"user "
		"namespace\",\"status\":\"ok\",\"for\":\"x\"}'\n"
		"echo '{\"group\":\"host\",\"check\":\"kernel\",\"status\":\"ok\",\"why\":\"Linux "
		"6\"}'\n"
		"echo "
		"'{\"group\":\"cgroups\",\"check\":\"cgroup\",\"status\":\"degraded\",\"why\":\"no "
		"delegation\",\"fix\":\"set Delegate=yes\",\"for\":\"limits\"}'");
	doctor(&c, NULL);
	assert_int_equal(c.status, 0);
	assert_string_equal(c.err, "");
	assert_string_equal(c.out, "host\n"
				   "  ok        user namespace\n"
				   "  ok        kernel                Linux 6\n"
				   "\n"
				   "cgroups\n"
				   "  degraded  cgroup\n"
				   "            why: no delegation\n"
				   "            fix: set Delegate=yes\n"
				   "            for: limits\n"
				   "\n"
				   "Tasks can run; 1 thing is weaker than it could be.\n");
}

TEST(nothing_to_tell_says_that_tasks_can_run)
{
	struct canned_cli c = { 0 };
	put_warden("echo '{\"group\":\"host\",\"check\":\"kernel\",\"status\":\"ok\"}'");
	doctor(&c, NULL);
	assert_int_equal(c.status, 0);
	assert_non_null(strstr(c.out, "\n\nTasks can run.\n"));
}

TEST(text_of_the_machine_is_escaped)
{
	struct canned_cli c = { 0 };
	put_warden("echo "
		   "'{\"group\":\"a\\u001b[1m\",\"check\":\"b\\n\",\"status\":\"missing\","
		   "\"needed\":false,"
		   "\"why\":\"c\\u001b]0;x\\u0007\",\"fix\":\"d\\r\"}'");
	doctor(&c, NULL);
	assert_null(strpbrk(c.out, "\x1b\x07\r"));
}

TEST(something_missing_exits_1)
{
	struct canned_cli c = { 0 };
	put_warden("echo "
		   "'{\"check\":\"overlay\",\"status\":\"missing\",\"needed\":true,\"why\":"
		   "\"EPERM\"}'; exit 1");
	doctor(&c, NULL);
	assert_int_equal(c.status, 1);
	assert_non_null(strstr(c.out, "  missing   overlay\n"));
	assert_non_null(strstr(c.out, "\n1 of the things that a jail needs is missing.\n"));
}

TEST(what_no_task_needs_may_be_missing)
{
	struct canned_cli c = { 0 };
	put_warden("echo "
		   "'{\"check\":\"overlay\",\"status\":\"missing\",\"needed\":false,\"why\":"
		   "\"EPERM\"}'");
	doctor(&c, NULL);
	assert_int_equal(c.status, 0);
	assert_non_null(strstr(c.out, "  missing   overlay\n"));
}

TEST(json_is_passed_on)
{
	struct canned_cli c = { 0 };
	put_warden("echo '{\"check\":\"overlay\",\"status\":\"missing\",\"needed\":true}'; exit 1");
	doctor(&c, "--json");
	assert_int_equal(c.status, 1);
	assert_string_equal(
		c.out, "{\"check\":\"overlay\",\"status\":\"missing\",\"needed\":true}\n");
}

TEST(a_probe_that_fails_is_told)
{
	static const char *const scripts[] = { "exit 3", "echo nonsense", "kill -9 $$",
		"echo '{\"check\":\"a\",\"status\":\"ok\"}'; kill -9 $$", "echo '[1]'" };
	for (size_t i = 0; i < ARRAY_SIZE(scripts); i++) {
		struct canned_cli c = { 0 };
		put_warden(scripts[i]);
		doctor(&c, NULL);
		assert_int_equal(c.status, 1);
		assert_non_null(strstr(c.err, "dayfly: dayfly-warden --probe gave no findings"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(findings_are_printed_with_why_and_fix, begin, end),
		cmocka_unit_test_setup_teardown(
			nothing_to_tell_says_that_tasks_can_run, begin, end),
		cmocka_unit_test_setup_teardown(text_of_the_machine_is_escaped, begin, end),
		cmocka_unit_test_setup_teardown(something_missing_exits_1, begin, end),
		cmocka_unit_test_setup_teardown(what_no_task_needs_may_be_missing, begin, end),
		cmocka_unit_test_setup_teardown(json_is_passed_on, begin, end),
		cmocka_unit_test_setup_teardown(a_probe_that_fails_is_told, begin, end),
	};
	return RUN_TESTS(tests);
}
