#include "harness.h"

#include "base/fd.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

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
	setenv("JOURNAL_STREAM", "8:1", 1);
	log_init("prog", LOG_LEVEL_INFO);
	CAPTURE(log_error("broken"));
	assert_string_equal(written, "<3>broken\n");
	CAPTURE(log_info("fine"));
	assert_string_equal(written, "<6>fine\n");
	unsetenv("JOURNAL_STREAM");
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
	setenv("JOURNAL_STREAM", "8:1", 1);
	log_init("prog", LOG_LEVEL_INFO);
	CAPTURE(log_info("task %s", "x\n<0>forged\x1b[2J\r\x7f"));
	assert_string_equal(written, "<6>task x\\x0a<0>forged\\x1b[2J\\x0d\\x7f\n");
	unsetenv("JOURNAL_STREAM");
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(levels_have_names),
		cmocka_unit_test(a_line_has_a_time_stamp_the_program_and_the_level),
		cmocka_unit_test(the_journal_gets_a_priority_instead),
		cmocka_unit_test(lines_above_the_level_are_left_out),
		cmocka_unit_test(
			j19_text_from_outside_cannot_make_a_second_line_or_move_a_terminal),
		cmocka_unit_test(a_very_long_line_is_cut_and_still_ends),
	};
	return RUN_TESTS(tests);
}
