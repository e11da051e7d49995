#include "harness.h"

#include "cli/canned_cli.h"

#include <string.h>

TEST(wait_exits_as_the_task_did)
{
	struct canned_cli c = { .replies = { CANNED_EXIT(9) } };
	canned_cli_run(&c, (const char *const[]){ "wait", "--socket", "SOCKET", "x", NULL });
	assert_int_equal(c.status, 9);
	assert_string_equal(c.out, "");
	assert_string_equal(c.sent, "{\"op\":\"wait\",\"task\":\"x\",\"id\":\"1\"}\n");
}

TEST(json_prints_the_record)
{
	struct canned_cli c = { .replies = { CANNED_EXIT(9) } };
	canned_cli_run(
		&c, (const char *const[]){ "wait", "--json", "--socket", "SOCKET", "x", NULL });
	assert_int_equal(c.status, 9);
	assert_string_equal(
		c.out, "{\"outcome\":\"failed\",\"cause\":\"exit\",\"exit\":{\"code\":9}}\n");
}

TEST(an_unknown_task_exits_125)
{
	struct canned_cli c = {
		.replies = { CANNED_ERROR(
			"\"code\":\"not_found\",\"message\":\"there is no task x\"") }
	};
	canned_cli_run(
		&c, (const char *const[]){ "wait", "--json", "--socket", "SOCKET", "x", NULL });
	assert_int_equal(c.status, 125);
	assert_string_equal(c.err, "dayfly: there is no task x\n");
	assert_string_equal(c.out, "");
}

TEST(an_interrupt_only_leaves)
{
	struct canned_cli c = { .signals = "INT" };
	canned_cli_run(&c, (const char *const[]){ "wait", "--socket", "SOCKET", "x", NULL });
	assert_int_equal(c.status, 130);
	assert_null(strstr(c.sent, "cancel"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wait_exits_as_the_task_did),
		cmocka_unit_test(json_prints_the_record),
		cmocka_unit_test(an_unknown_task_exits_125),
		cmocka_unit_test(an_interrupt_only_leaves),
	};
	return RUN_TESTS(tests);
}
