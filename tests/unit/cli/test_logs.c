#include "harness.h"

#include "cli/canned_cli.h"

#include <string.h>

#define TASK_STATE CANNED_RESULT("{\"task\":\"" CANNED_TASK "\",\"state\":\"running\"}")

TEST(logs_go_to_their_streams_and_exit_0)
{
	struct canned_cli c = { .replies = { CANNED_OUTPUT("stdout", 4, "out\n") CANNED_OUTPUT(
					"stderr", 4, "err\n") CANNED_EXIT(7) } };
	canned_cli_run(&c, (const char *const[]){ "logs", "--socket", "SOCKET", "x", NULL });
	assert_int_equal(c.status, 0);
	assert_string_equal(c.out, "out\n");
	assert_string_equal(c.err, "err\n");
	assert_non_null(strstr(c.sent, "\"after\":0,\"follow\":false"));
}

TEST(follow_and_after_are_passed_on)
{
	struct canned_cli c = { .replies = { TASK_STATE } };
	canned_cli_run(&c, (const char *const[]){ "logs", "-f", "--after", "12", "--socket",
				   "SOCKET", "x", NULL });
	assert_int_equal(c.status, 0);
	assert_non_null(strstr(c.sent, "\"after\":12,\"follow\":true"));
}

TEST(an_unknown_task_is_told)
{
	struct canned_cli c = { .replies = {
					CANNED_ERROR("\"code\":\"not_found\",\"message\":\"there "
						     "is no task x\",\"field\":\"task\"") } };
	canned_cli_run(&c, (const char *const[]){ "logs", "--socket", "SOCKET", "x", NULL });
	assert_int_equal(c.status, 1);
	assert_string_equal(c.err, "dayfly: there is no task x\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(logs_go_to_their_streams_and_exit_0),
		cmocka_unit_test(follow_and_after_are_passed_on),
		cmocka_unit_test(an_unknown_task_is_told),
	};
	return RUN_TESTS(tests);
}
