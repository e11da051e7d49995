#include "harness.h"

#include "cli/canned_cli.h"

#include <string.h>

TEST(attach_replays_and_exits_as_the_task_did)
{
	struct canned_cli c = { .replies = { CANNED_RUNNING CANNED_OUTPUT("stdout", 4, "out\n")
						CANNED_EXIT(7) } };
	canned_cli_run(&c,
		(const char *const[]){ "attach", "--after", "3", "--socket", "SOCKET", "x", NULL });
	assert_int_equal(c.status, 7);
	assert_string_equal(c.out, "out\n");
	assert_string_equal(c.sent, "{\"op\":\"attach\",\"framing\":\"raw\",\"after\":3,\"task\":"
				    "\"x\",\"id\":\"1\"}\n");
}

TEST(input_is_sent_to_a_task_without_a_terminal)
{
	struct canned_cli c = {
		.replies = { "{\"id\":\"1\",\"event\":\"result\",\"result\":{\"spec\":{\"tty\":"
			     "false}}}\n",
			"{\"id\":\"2\",\"event\":\"state\",\"task\":\"" CANNED_TASK
			"\",\"state\":\"running\"}\n",
			NULL, "{\"id\":\"3\",\"event\":\"result\",\"result\":{}}\n",
			"{\"id\":\"4\",\"event\":\"result\",\"result\":{}}\n"
			"{\"id\":\"2\",\"event\":\"result\",\"result\":{\"cause\":\"exit\","
			"\"exit\":{\"code\":0}}}\n" },
		.input = "hello\n",
	};
	canned_cli_run(
		&c, (const char *const[]){ "attach", "-i", "--socket", "SOCKET", "x", NULL });
	assert_int_equal(c.status, 0);
	assert_non_null(strstr(c.sent, "\"op\":\"inspect\""));
	assert_non_null(strstr(c.sent, "\"bytes\":6,\"id\":\"3\"}\nhello\n"));
	assert_non_null(strstr(c.sent, "\"eof\":true"));
}

TEST(an_interrupt_goes_to_the_task_and_a_hangup_leaves_it)
{
	struct canned_cli c = { .replies = { CANNED_RUNNING, CANNED_EXIT(1) }, .signals = "INT" };
	canned_cli_run(&c, (const char *const[]){ "attach", "--socket", "SOCKET", "x", NULL });
	assert_int_equal(c.status, 1);
	assert_non_null(strstr(c.sent, "SIGINT"));
	struct canned_cli left = { .replies = { CANNED_RUNNING }, .signals = "HUP" };
	canned_cli_run(&left, (const char *const[]){ "attach", "--socket", "SOCKET", "x", NULL });
	assert_int_equal(left.status, 129);
	assert_null(strstr(left.sent, "cancel"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(attach_replays_and_exits_as_the_task_did),
		cmocka_unit_test(input_is_sent_to_a_task_without_a_terminal),
		cmocka_unit_test(an_interrupt_goes_to_the_task_and_a_hangup_leaves_it),
	};
	return RUN_TESTS(tests);
}
