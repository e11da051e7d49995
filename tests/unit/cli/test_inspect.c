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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(inspect_prints_readable_json),
		cmocka_unit_test(each_task_is_printed_or_told),
	};
	return RUN_TESTS(tests);
}
