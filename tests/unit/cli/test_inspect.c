#include "harness.h"

#include "cli/canned_cli.h"

#include <string.h>

TEST(inspect_prints_readable_json)
{
	struct canned_cli c = { .replies = { CANNED_RESULT(
					"{\"task\":\"x\",\"spec\":{\"tty\":false}}") } };
	canned_cli_run(&c, (const char *const[]){ "inspect", "--socket", "SOCKET", "x", NULL });
	assert_int_equal(c.status, 0);
	assert_string_equal(
		c.out, "{\n  \"task\": \"x\",\n  \"spec\": {\n    \"tty\": false\n  }\n}\n");
}

TEST(each_task_is_printed_or_told)
{
	struct canned_cli c = { .replies = { CANNED_ERROR("\"message\":\"there is no task a\""),
					"{\"id\":\"2\",\"event\":\"result\",\"result\":{}}\n" } };
	canned_cli_run(
		&c, (const char *const[]){ "inspect", "--socket", "SOCKET", "a", "b", NULL });
	assert_int_equal(c.status, 1);
	assert_string_equal(c.out, "{}\n");
	assert_string_equal(c.err, "dayfly: there is no task a\n");
}

TEST(J19_json_has_nothing_that_a_terminal_obeys)
{
	struct canned_cli c = {
		.replies = { CANNED_RESULT(
			"{\"argv\":\"\\u009b31m\\u007f\\u001b\\u202e\xc3\xa9\"}") }
	};
	canned_cli_run(&c, (const char *const[]){ "inspect", "--socket", "SOCKET", "x", NULL });
	assert_string_equal(
		c.out, "{\n  \"argv\": \"\\u009B31m\\u007F\\u001B\\u202E\xc3\xa9\"\n}\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(inspect_prints_readable_json),
		cmocka_unit_test(J19_json_has_nothing_that_a_terminal_obeys),
		cmocka_unit_test(each_task_is_printed_or_told),
	};
	return RUN_TESTS(tests);
}
