/* Lines with fields, as journald is sent them: a socket of the test stands for its. */
#include "harness.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "daemon/journald.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static char folder[] = "/tmp/dayfly-journald-XXXXXX", path[sizeof(folder) + 8];
static int journal = -1;

static void use_stderr_as_journal(void)
{
	struct stat st;
	char name[64];
	assert_int_equal(fstat(STDERR_FILENO, &st), 0);
	snprintf(name, sizeof(name), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	setenv("JOURNAL_STREAM", name, 1);
	log_init("prog", LOG_LEVEL_INFO);
	unsetenv("JOURNAL_STREAM");
	journald_init(path);
}

static int setup(void **state)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	memset(folder + sizeof(folder) - 7, 'X', 6);
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/journal", folder);
	memcpy(addr.sun_path, path, strlen(path));
	journal = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	return bind(journal, (struct sockaddr *)&addr, sizeof(addr));
}

static int teardown(void **state)
{
	log_set_sink(NULL);
	fd_close(&journal);
	unlink(path);
	return rmdir(folder);
}

/* The next record, or "". */
static const char *received(void)
{
	static char text[8192];
	ssize_t n = recv(journal, text, sizeof(text) - 1, 0);
	text[n > 0 ? n : 0] = '\0';
	return text;
}

TEST(elsewhere_nothing_goes_to_the_journal)
{
	log_init("prog", LOG_LEVEL_INFO);
	journald_init(path);
	log_error("this line belongs to the test");
	assert_string_equal(received(), "");
}

TEST(J19_a_line_about_a_task_has_its_fields_and_stays_a_line)
{
	const struct log_field more[] = {
		{ "MESSAGE_ID", LOG_MESSAGE_TASK_DONE },
		{ "DAYFLY_UID", "7" },
		{ "DAYFLY_OUTCOME", "killed" },
		{ "DAYFLY_CAUSE", "oom" },
	};
	use_stderr_as_journal();
	log_task_fields(LOG_LEVEL_INFO, "t-1", more, 4, "done\nPRIORITY=0\x1b[2J");
	assert_string_equal(received(), "MESSAGE=task t-1: done\\x0aPRIORITY=0\\x1b[2J\n"
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
	log_error("broken");
	assert_string_equal(received(), "MESSAGE=broken\nPRIORITY=3\nSYSLOG_IDENTIFIER=prog\n");
}

TEST(a_very_long_line_is_sent)
{
	char big[3000];
	memset(big, '\n', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	use_stderr_as_journal();
	log_info("%s", big);
	const char *text = received();
	assert_int_equal(strncmp(text, "MESSAGE=\\x0a", 12), 0);
	assert_non_null(strstr(text, "\nPRIORITY=6\n"));
}

TEST(without_a_journald_lines_go_to_stderr)
{
	use_stderr_as_journal();
	unlink(path);
	/* test_log.c sees that stderr has what the sink does not take. */
	log_info("this line belongs to the test");
	assert_string_equal(received(), "");
}

/* The kernel keeps some datagrams for whoever does not read; then a sender would wait. */
TEST(J17_a_journal_that_reads_nothing_is_not_waited_for_and_what_is_lost_is_counted)
{
	enum { N = 2000 };
	char want[96];
	size_t n_kept = 0;
	use_stderr_as_journal();
	alarm(20);
	for (int i = 0; i < N; i++)
		log_info("line %d", i);
	alarm(0);
	while (*received())
		n_kept++;
	assert_in_range(n_kept, 1, N - 1);
	log_info("after it");
	snprintf(want, sizeof(want), "MESSAGE=%zu lines are missing here", N - n_kept);
	assert_int_equal(strncmp(received(), want, strlen(want)), 0);
	assert_int_equal(strncmp(received(), "MESSAGE=after it\n", 17), 0);
	log_info("and on");
	assert_int_equal(strncmp(received(), "MESSAGE=and on\n", 15), 0);
}

#define ONE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ONE(elsewhere_nothing_goes_to_the_journal),
		ONE(J19_a_line_about_a_task_has_its_fields_and_stays_a_line),
		ONE(a_line_about_no_task_has_none),
		ONE(a_very_long_line_is_sent),
		ONE(without_a_journald_lines_go_to_stderr),
		ONE(J17_a_journal_that_reads_nothing_is_not_waited_for_and_what_is_lost_is_counted),
	};
	return RUN_TESTS(tests);
}
