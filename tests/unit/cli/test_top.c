#include "harness.h"

#include "cli/canned_cli.h"

#include <string.h>

#define LIST                                                                                       \
	"\"event\":\"result\",\"result\":{\"tasks\":[{\"task\":\"" CANNED_TASK                     \
	"\",\"state\":\"running\",\"argv\":[\"ls\"],\"usage\":null}]}}\n"

TEST(without_a_terminal_it_prints_one_table)
{
	struct canned_cli c = { .replies = { "{\"id\":\"1\"," LIST } };
	canned_cli_run(&c, (const char *const[]){ "top", "-l", "k", "--socket", "SOCKET", NULL });
	assert_int_equal(c.status, 0);
	assert_string_equal(c.sent,
		"{\"op\":\"list\",\"all\":false,\"usage\":true,\"label\":\"k\",\"id\":\"1\"}\n");
	assert_non_null(strstr(c.out, "  1 running, 0 waiting; CPU 0.0%, memory 0 B\nTASK "));
	assert_non_null(strstr(c.out, "\nt-0123456789ab  running "));
	assert_null(strchr(c.out, '\x1b'));
}

TEST(json_has_a_line_for_each_look)
{
	struct canned_cli c = { .replies = { "{\"id\":\"1\"," LIST, "{\"id\":\"2\"," LIST } };
	canned_cli_run(&c, (const char *const[]){ "top", "--json", "-n", "2", "-d", "100ms",
				   "--socket", "SOCKET", NULL });
	assert_int_equal(c.status, 0);
	assert_memory_equal(c.out, "{\"at\":\"2", 8);
	const char *second = strchr(c.out, '\n');
	assert_non_null(second);
	assert_memory_equal(second + 1, "{\"at\":\"2", 8);
	assert_non_null(strstr(second, "\"cpu_percent\":null,\"output_rate\":null}]}\n"));
}

TEST(an_error_ends_it)
{
	struct canned_cli c = { .replies = { CANNED_ERROR(
					"\"code\":\"unknown_field\",\"message\":\"too old\"") } };
	canned_cli_run(&c, (const char *const[]){ "top", "-n", "9", "--socket", "SOCKET", NULL });
	assert_int_equal(c.status, 1);
	assert_string_equal(c.out, "");
	assert_non_null(strstr(c.err, "too old"));
}

TEST(an_interval_has_bounds)
{
	static const char *const bad[] = { "99ms", "25h", "0", "soon" };
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct canned_cli c = { .closes_after = 0 };
		canned_cli_run(&c,
			(const char *const[]){ "top", "-d", bad[i], "--socket", "SOCKET", NULL });
		assert_int_equal(c.status, 2);
	}
}

TEST(iterations_are_at_least_one)
{
	static const char *const bad[] = { "0", "-1", "many" };
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct canned_cli c = { .closes_after = 0 };
		canned_cli_run(&c,
			(const char *const[]){ "top", "-n", bad[i], "--socket", "SOCKET", NULL });
		assert_int_equal(c.status, 2);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_terminal_it_prints_one_table),
		cmocka_unit_test(json_has_a_line_for_each_look),
		cmocka_unit_test(an_error_ends_it),
		cmocka_unit_test(an_interval_has_bounds),
		cmocka_unit_test(iterations_are_at_least_one),
	};
	return RUN_TESTS(tests);
}
