#include "harness.h"

#include "base/clock.h"
#include "cli/canned_cli.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define BIG 60000

/* A reply with more output than a pipe of one page holds. */
static const char *big_reply(void)
{
	static char reply[BIG + 1024];
	static char bytes[BIG + 1];
	memset(bytes, 'x', BIG);
	snprintf(reply, sizeof(reply),
		"%s{\"id\":\"1\",\"event\":\"output\",\"seq\":1,\"stream\":\"stdout\",\"bytes\":%d}"
		"\n%s%s",
		CANNED_ACCEPTED CANNED_RUNNING, BIG, bytes, CANNED_EXIT(0));
	return reply;
}

TEST(a_reader_that_stands_still_does_not_hide_a_signal)
{
	int ends[2];
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_true(fcntl(ends[1], F_SETPIPE_SZ, 4096) >= 4096);
	struct canned_cli c = {
		.replies = { big_reply() }, .signals = "TERM", .stdout_fd = ends[1]
	};
	canned_cli_run(&c, (const char *const[]){ "run", "--socket", "SOCKET", "yes", NULL });
	/* The task had ended by itself. */
	assert_int_equal(c.status, 0);
	close(ends[0]);
	close(ends[1]);
}

static uint64_t time_of_two_signals(void)
{
	int ends[2];
	uint64_t begin_ns = clock_mono_ns();
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_true(fcntl(ends[1], F_SETPIPE_SZ, 4096) >= 4096);
	struct canned_cli c = {
		.replies = { big_reply() }, .signals = "TERM TERM", .stdout_fd = ends[1]
	};
	canned_cli_run(&c, (const char *const[]){ "run", "--socket", "SOCKET", "yes", NULL });
	assert_int_equal(c.status, 143);
	close(ends[0]);
	close(ends[1]);
	return clock_mono_ns() - begin_ns;
}

/* With one signal it is waited for a second. */
TEST(a_second_signal_leaves_a_reader_that_stands_still_at_once)
{
	unsigned tries = 0;
	/* A busy machine may stand still itself. */
	while (time_of_two_signals() >= 900 * NS_PER_MS)
		assert_true(++tries < 10);
}

TEST(output_larger_than_a_pipe_arrives_whole)
{
	int file = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	struct canned_cli c = { .replies = { big_reply() }, .stdout_fd = file };
	assert_true(file >= 0);
	canned_cli_run(&c, (const char *const[]){ "run", "--socket", "SOCKET", "yes", NULL });
	assert_int_equal(c.status, 0);
	assert_int_equal(lseek(file, 0, SEEK_END), BIG);
	close(file);
}

TEST(events_of_other_requests_are_passed_over)
{
	struct canned_cli c = { .replies = { "{\"id\":\"77\",\"event\":\"output\",\"stream\":"
					     "\"stdout\",\"text\":\"no\"}\n"
					     "{\"id\":null,\"event\":\"omen\"}\n"
					     "{\"id\":\"1\",\"event\":\"omen\"}\n" CANNED_OUTPUT(
						     "stdout", 3, "yes") CANNED_EXIT(0) } };
	canned_cli_run(&c, (const char *const[]){ "run", "--socket", "SOCKET", "x", NULL });
	assert_int_equal(c.status, 0);
	assert_string_equal(c.out, "yes");
}

TEST(output_as_text_is_printed_too)
{
	struct canned_cli c = { .replies = { "{\"id\":\"1\",\"event\":\"output\",\"stream\":"
					     "\"stdout\",\"text\":\"a\"}\n"
					     "{\"id\":\"1\",\"event\":\"output\",\"stream\":"
					     "\"stdout\",\"base64\":\"Yg==\"}\n" CANNED_EXIT(0) } };
	canned_cli_run(&c, (const char *const[]){ "run", "--socket", "SOCKET", "x", NULL });
	assert_string_equal(c.out, "ab");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_reader_that_stands_still_does_not_hide_a_signal),
		cmocka_unit_test(a_second_signal_leaves_a_reader_that_stands_still_at_once),
		cmocka_unit_test(output_larger_than_a_pipe_arrives_whole),
		cmocka_unit_test(events_of_other_requests_are_passed_over),
		cmocka_unit_test(output_as_text_is_printed_too),
	};
	return RUN_TESTS(tests);
}
