#include "harness.h"

#include "cli/canned_cli.h"

#include <string.h>

#define OK(tag) "{\"id\":\"" tag "\",\"event\":\"result\",\"result\":{}}\n"

TEST(kill_cancels_each_task)
{
	struct canned_cli c = { .replies = { OK("1"), OK("2") } };
	canned_cli_run(&c, (const char *const[]){ "kill", "a", "--socket", "SOCKET", "b", NULL });
	assert_int_equal(c.status, 0);
	assert_string_equal(c.out, "");
	assert_string_equal(c.sent, "{\"op\":\"cancel\",\"task\":\"a\",\"id\":\"1\"}\n{\"op\":"
				    "\"cancel\",\"task\":\"b\",\"id\":\"2\"}\n");
}

TEST(a_signal_is_sent_as_it_was_named)
{
	struct canned_cli c = { .replies = { OK("1") } };
	canned_cli_run(
		&c, (const char *const[]){ "kill", "-s", "USR1", "--socket", "SOCKET", "a", NULL });
	assert_int_equal(c.status, 0);
	assert_string_equal(
		c.sent, "{\"op\":\"signal\",\"signal\":\"USR1\",\"task\":\"a\",\"id\":\"1\"}\n");
}

TEST(one_failure_does_not_stop_the_others)
{
	struct canned_cli c = { .replies = {
					CANNED_ERROR("\"code\":\"not_found\",\"message\":\"there "
						     "is no task a\",\"field\":\"task\""),
					OK("2") } };
	canned_cli_run(&c, (const char *const[]){ "kill", "--socket", "SOCKET", "a", "b", NULL });
	assert_int_equal(c.status, 1);
	assert_string_equal(c.err, "dayfly: there is no task a\n");
	assert_non_null(strstr(c.sent, "\"task\":\"b\""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kill_cancels_each_task),
		cmocka_unit_test(a_signal_is_sent_as_it_was_named),
		cmocka_unit_test(one_failure_does_not_stop_the_others),
	};
	return RUN_TESTS(tests);
}
