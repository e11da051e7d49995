/* Lines with fields, as libsystemd is given them. */
#include "harness.h"

#include "base/log.h"
#include "daemon/journald.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

/* One field a line. */
static char sent[4096];
static int answer;

int __wrap_sd_journal_sendv(const struct iovec *iov, int n);
int __wrap_sd_journal_sendv(const struct iovec *iov, int n)
{
	size_t len = 0;
	for (int i = 0; i < n; i++)
		len += (size_t)snprintf(sent + len, sizeof(sent) - len, "%.*s\n",
			(int)iov[i].iov_len, (const char *)iov[i].iov_base);
	return answer;
}

static void use_stderr_as_journal(void)
{
	struct stat st;
	char name[64];
	assert_int_equal(fstat(STDERR_FILENO, &st), 0);
	snprintf(name, sizeof(name), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	setenv("JOURNAL_STREAM", name, 1);
	log_init("prog", LOG_LEVEL_INFO);
	unsetenv("JOURNAL_STREAM");
}

static int teardown(void **state)
{
	log_set_sink(NULL);
	sent[0] = '\0';
	answer = 0;
	return 0;
}

TEST(elsewhere_nothing_goes_to_the_journal)
{
	log_init("prog", LOG_LEVEL_INFO);
	journald_init();
	log_error("this line belongs to the test");
	assert_string_equal(sent, "");
}

#ifdef DAYFLY_LIBSYSTEMD

TEST(J19_a_line_about_a_task_has_its_fields_and_stays_a_line)
{
	const struct log_field more[] = {
		{ "MESSAGE_ID", LOG_MESSAGE_TASK_DONE },
		{ "DAYFLY_UID", "7" },
		{ "DAYFLY_OUTCOME", "killed" },
		{ "DAYFLY_CAUSE", "oom" },
	};
	use_stderr_as_journal();
	journald_init();
	log_task_fields(LOG_LEVEL_INFO, "t-1", more, 4, "done\nPRIORITY=0\x1b[2J");
	assert_string_equal(sent, "MESSAGE=task t-1: done\\x0aPRIORITY=0\\x1b[2J\n"
				  "PRIORITY=6\n"
				  "SYSLOG_IDENTIFIER=prog\n"
				  "DAYFLY_TASK=t-1\n"
				  "MESSAGE_ID=" LOG_MESSAGE_TASK_DONE "\n"
				  "DAYFLY_UID=7\n"
				  "DAYFLY_OUTCOME=killed\n"
				  "DAYFLY_CAUSE=oom\n");
}

TEST(a_line_about_no_task_has_none)
{
	use_stderr_as_journal();
	journald_init();
	log_error("broken");
	assert_string_equal(sent, "MESSAGE=broken\nPRIORITY=3\nSYSLOG_IDENTIFIER=prog\n");
}

TEST(a_very_long_line_is_sent)
{
	char big[3000];
	memset(big, '\n', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	use_stderr_as_journal();
	journald_init();
	log_info("%s", big);
	assert_int_equal(strncmp(sent, "MESSAGE=\\x0a", 12), 0);
	assert_non_null(strstr(sent, "\nPRIORITY=6\n"));
}

TEST(what_the_journal_does_not_take_goes_to_stderr)
{
	use_stderr_as_journal();
	journald_init();
	answer = -ENOBUFS;
	/* test_log.c sees that stderr has it then. */
	log_info("this line belongs to the test");
	assert_non_null(strstr(sent, "MESSAGE=this line"));
}

#else

TEST(a_build_without_libsystemd_leaves_the_lines_to_stderr)
{
	use_stderr_as_journal();
	journald_init();
	log_info("this line belongs to the test");
	assert_string_equal(sent, "");
}

#endif

#define ONE(test) cmocka_unit_test_teardown(test, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ONE(elsewhere_nothing_goes_to_the_journal),
#ifdef DAYFLY_LIBSYSTEMD
		ONE(J19_a_line_about_a_task_has_its_fields_and_stays_a_line),
		ONE(a_line_about_no_task_has_none),
		ONE(a_very_long_line_is_sent),
		ONE(what_the_journal_does_not_take_goes_to_stderr),
#else
		ONE(a_build_without_libsystemd_leaves_the_lines_to_stderr),
#endif
	};
	return RUN_TESTS(tests);
}
