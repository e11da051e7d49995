#include "harness.h"

#include "base/fd.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Runs one log call with stderr going to a pipe, and returns what was written. */
static char text[8192];
static const char *written;

static void capture_begin(int pipe_fds[2], int *saved)
{
	assert_int_equal(fd_pipe(pipe_fds), 0);
	*saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10);
	assert_true(*saved >= 0);
	assert_int_equal(dup2(pipe_fds[1], STDERR_FILENO), STDERR_FILENO);
}

static void capture_end(int pipe_fds[2], int *saved)
{
	dup2(*saved, STDERR_FILENO);
	fd_close(saved);
	fd_close(&pipe_fds[1]);
	ssize_t n = read(pipe_fds[0], text, sizeof(text) - 1);
	assert_true(n >= 0);
	text[n] = '\0';
	written = text;
	fd_close(&pipe_fds[0]);
}

#define CAPTURE(call)                                                                              \
	do {                                                                                       \
		int fds[2], saved;                                                                 \
		capture_begin(fds, &saved);                                                        \
		call;                                                                              \
		capture_end(fds, &saved);                                                          \
	} while (0)

/* As if the pipe of CAPTURE were what journald gave. */
static void become_journal(enum log_level level)
{
	struct stat st;
	char name[64];
	assert_int_equal(fstat(STDERR_FILENO, &st), 0);
	snprintf(name, sizeof(name), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	setenv("JOURNAL_STREAM", name, 1);
	log_init("prog", level);
	unsetenv("JOURNAL_STREAM");
}

TEST(levels_have_names)
{
	enum log_level level;
	assert_int_equal(log_level_parse("error", &level), 0);
	assert_int_equal(level, LOG_LEVEL_ERROR);
	assert_int_equal(log_level_parse("debug", &level), 0);
	assert_int_equal(level, LOG_LEVEL_DEBUG);
	assert_int_equal(log_level_parse("warn", &level), -EINVAL);
	assert_int_equal(log_level_parse("", &level), -EINVAL);
}

TEST(a_line_has_a_time_stamp_the_program_and_the_level)
{
	unsetenv("JOURNAL_STREAM");
	log_init("prog", LOG_LEVEL_INFO);
	CAPTURE(log_warning("count %d", 5));
	assert_non_null(strstr(written, "Z prog["));
	assert_non_null(strstr(written, "] warning: count 5\n"));
}

TEST(the_journal_gets_a_priority_instead)
{
	CAPTURE({
		become_journal(LOG_LEVEL_INFO);
		log_error("broken");
		log_info("fine");
	});
	assert_true(log_is_journal());
	assert_string_equal(written, "<3>broken\n<6>fine\n");
}

TEST(a_journal_that_stderr_does_not_lead_to_is_none)
{
	setenv("JOURNAL_STREAM", "8:1", 1);
	log_init("prog", LOG_LEVEL_INFO);
	unsetenv("JOURNAL_STREAM");
	assert_false(log_is_journal());
	CAPTURE(log_info("fine"));
	assert_non_null(strstr(written, "] info: fine\n"));
}

TEST(a_line_about_a_task_names_it)
{
	log_init("prog", LOG_LEVEL_INFO);
	CAPTURE(log_task(LOG_LEVEL_INFO, "t-1", "count %d", 5));
	assert_non_null(strstr(written, "] info: task t-1: count 5\n"));
	CAPTURE(log_task(LOG_LEVEL_DEBUG, "t-1", "quiet"));
	assert_string_equal(written, "");
}

/* What the sink was given last, as one text. */
static char taken[4096];
static int sink_answer;

static int take(const struct log_record *r)
{
	int n = snprintf(taken, sizeof(taken), "%s %d %s", r->program, r->priority, r->text);
	for (size_t i = 0; i < r->n_fields; i++)
		n += snprintf(taken + n, sizeof(taken) - (size_t)n, " %s=%s", r->fields[i].name,
			r->fields[i].value);
	return sink_answer;
}

TEST(a_sink_takes_lines_with_their_fields_in_place_of_stderr)
{
	const struct log_field fields[] = { { "DAYFLY_UID", "7" }, { "DAYFLY_CAUSE", "oom" } };
	log_init("prog", LOG_LEVEL_INFO);
	log_set_sink(take);
	sink_answer = 0;
	CAPTURE(log_task_fields(LOG_LEVEL_WARNING, "t-1", fields, 2, "it is\n%s", "over"));
	assert_string_equal(written, "");
	assert_string_equal(taken,
		"prog 4 task t-1: it is\\x0aover DAYFLY_TASK=t-1 DAYFLY_UID=7 DAYFLY_CAUSE=oom");
	CAPTURE(log_error("plain"));
	assert_string_equal(taken, "prog 3 plain");
	CAPTURE(log_debug("quiet"));
	assert_string_equal(taken, "prog 3 plain");
	log_set_sink(NULL);
}

TEST(a_line_that_the_sink_does_not_take_goes_to_stderr)
{
	log_init("prog", LOG_LEVEL_INFO);
	log_set_sink(take);
	sink_answer = -ENOENT;
	CAPTURE(log_task(LOG_LEVEL_INFO, "t-1", "here"));
	assert_non_null(strstr(written, "] info: task t-1: here\n"));
	log_set_sink(NULL);
}

TEST(more_fields_than_there_is_room_for_are_left_out)
{
	struct log_field many[LOG_FIELDS_MAX + 4];
	for (size_t i = 0; i < ARRAY_SIZE(many); i++)
		many[i] = (struct log_field){ "F", "v" };
	log_set_sink(take);
	sink_answer = 0;
	log_task_fields(LOG_LEVEL_INFO, "t", many, ARRAY_SIZE(many), "x");
	assert_string_equal(taken, "prog 6 task t: x DAYFLY_TASK=t F=v F=v F=v F=v F=v F=v F=v");
	log_set_sink(NULL);
}

TEST(lines_above_the_level_are_left_out)
{
	log_init("prog", LOG_LEVEL_WARNING);
	CAPTURE(log_info("quiet"));
	assert_string_equal(written, "");
	CAPTURE(log_debug("quiet"));
	assert_string_equal(written, "");
}

TEST(j19_text_from_outside_cannot_make_a_second_line_or_move_a_terminal)
{
	CAPTURE({
		become_journal(LOG_LEVEL_INFO);
		log_info("task %s", "x\n<0>forged\x1b[2J\r\x7f");
	});
	assert_string_equal(written, "<6>task x\\x0a<0>forged\\x1b[2J\\x0d\\x7f\n");
}

TEST(a_very_long_line_is_cut_and_still_ends)
{
	char big[5000];
	memset(big, '\n', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	log_init("prog", LOG_LEVEL_INFO);
	CAPTURE(log_info("%s", big));
	size_t len = strlen(written);
	assert_in_range(len, 100, 2400);
	assert_ptr_equal(strchr(written, '\n'), written + len - 1);
}

TEST(the_message_ids_that_the_documents_tell_are_the_real_ones)
{
	char *page = NULL;
	assert_true(fd_read_file(AT_FDCWD, DAYFLY_TEST_SOURCE "/docs/operations.md", 1 << 20,
			    &page) > 0);
	assert_non_null(strstr(page, LOG_MESSAGE_TASK_ACCEPTED));
	assert_non_null(strstr(page, LOG_MESSAGE_TASK_DONE));
	free(page);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(levels_have_names),
		cmocka_unit_test(a_line_has_a_time_stamp_the_program_and_the_level),
		cmocka_unit_test(the_journal_gets_a_priority_instead),
		cmocka_unit_test(a_journal_that_stderr_does_not_lead_to_is_none),
		cmocka_unit_test(a_line_about_a_task_names_it),
		cmocka_unit_test(a_sink_takes_lines_with_their_fields_in_place_of_stderr),
		cmocka_unit_test(a_line_that_the_sink_does_not_take_goes_to_stderr),
		cmocka_unit_test(more_fields_than_there_is_room_for_are_left_out),
		cmocka_unit_test(the_message_ids_that_the_documents_tell_are_the_real_ones),
		cmocka_unit_test(lines_above_the_level_are_left_out),
		cmocka_unit_test(
			j19_text_from_outside_cannot_make_a_second_line_or_move_a_terminal),
		cmocka_unit_test(a_very_long_line_is_cut_and_still_ends),
	};
	return RUN_TESTS(tests);
}
