#include "harness.h"

#include "cli/canned_cli.h"

#include <string.h>

#define STARTED CANNED_ACCEPTED CANNED_RUNNING
#define CANCELLED                                                                                  \
	CANNED_RESULT("{\"outcome\":\"cancelled\",\"cause\":\"cancel\",\"exit\":{\"signal\":15}}")
#define ACK(tag) "{\"id\":\"" tag "\",\"event\":\"result\",\"result\":{}}\n"

static void run(struct canned_cli *c, const char *option)
{
	const char *argv[] = { "run", "--socket", "SOCKET", option ? option : "--",
		option ? "--" : "sleep", "9", NULL };
	canned_cli_run(c, argv);
}

TEST(one_interrupt_goes_to_the_task)
{
	struct canned_cli c = { .replies = { STARTED, ACK("2") CANNED_EXIT(4) }, .signals = "INT" };
	run(&c, NULL);
	assert_int_equal(c.status, 4);
	assert_non_null(strstr(c.sent, "\"signal\":\"SIGINT\""));
	assert_null(strstr(c.sent, "\"cancel\""));
	assert_string_equal(c.err, "");
}

TEST(two_interrupts_kill_the_task)
{
	struct canned_cli c = { .replies = { STARTED, ACK("2"), ACK("3"), CANCELLED },
		.signals = "INT INT" };
	run(&c, NULL);
	assert_int_equal(c.status, 130);
	const char *cancel = strstr(c.sent, "\"op\":\"cancel\""),
		   *kill = strstr(c.sent, "\"signal\":\"SIGKILL\"");
	assert_non_null(cancel);
	assert_non_null(kill);
	assert_true(cancel < kill);
	assert_non_null(strstr(c.err, "dayfly: killing the task\n"));
}

TEST(three_interrupts_leave_a_daemon_that_does_nothing)
{
	struct canned_cli c = { .replies = { STARTED }, .signals = "INT INT INT" };
	run(&c, NULL);
	assert_int_equal(c.status, 130);
}

TEST(an_interrupt_before_the_task_runs_cancels_it)
{
	struct canned_cli c = { .replies = { CANNED_ACCEPTED, CANCELLED }, .signals = "INT" };
	run(&c, NULL);
	assert_int_equal(c.status, 130);
	assert_non_null(strstr(c.sent, "\"op\":\"cancel\""));
	assert_null(strstr(c.sent, "SIGINT"));
}

TEST(an_interrupt_before_any_answer_leaves)
{
	struct canned_cli c = { .signals = "INT" };
	run(&c, NULL);
	assert_int_equal(c.status, 130);
	assert_null(strstr(c.sent, "cancel"));
}

TEST(a_terminate_signal_cancels_and_waits_for_the_end)
{
	struct canned_cli c = { .replies = { STARTED,
					ACK("2") CANNED_OUTPUT("stdout", 3, "bye") CANCELLED },
		.signals = "TERM" };
	run(&c, NULL);
	assert_int_equal(c.status, 143);
	assert_string_equal(c.out, "bye");
	assert_non_null(strstr(c.sent, "\"op\":\"cancel\""));
}

TEST(a_task_that_ended_by_itself_keeps_its_code)
{
	struct canned_cli c = { .replies = { STARTED, CANNED_EXIT(3) }, .signals = "HUP" };
	run(&c, NULL);
	assert_int_equal(c.status, 3);
}

TEST(two_terminate_signals_leave_at_once)
{
	struct canned_cli c = { .replies = { STARTED }, .signals = "TERM TERM" };
	run(&c, NULL);
	assert_int_equal(c.status, 143);
}

TEST(a_kept_task_is_left_alone)
{
	struct canned_cli c = { .replies = { STARTED }, .signals = "HUP" };
	run(&c, "--keep");
	assert_int_equal(c.status, 129);
	assert_null(strstr(c.sent, "cancel"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_interrupt_goes_to_the_task),
		cmocka_unit_test(two_interrupts_kill_the_task),
		cmocka_unit_test(three_interrupts_leave_a_daemon_that_does_nothing),
		cmocka_unit_test(an_interrupt_before_the_task_runs_cancels_it),
		cmocka_unit_test(an_interrupt_before_any_answer_leaves),
		cmocka_unit_test(a_terminate_signal_cancels_and_waits_for_the_end),
		cmocka_unit_test(a_task_that_ended_by_itself_keeps_its_code),
		cmocka_unit_test(two_terminate_signals_leave_at_once),
		cmocka_unit_test(a_kept_task_is_left_alone),
	};
	return RUN_TESTS(tests);
}
