#include "harness.h"

#include "cli/canned_cli.h"

#include <string.h>

#define TASKS                                                                                      \
	CANNED_RESULT("{\"tasks\":[{\"task\":\"" CANNED_TASK                                       \
		      "\",\"name\":\"n\",\"state\":\"running\",\"argv\":[\"sh\",\"-c\",\"x\\ny\"]" \
		      ",\"argv_is_cut\":true,"                                                     \
		      "\"created\":\"2020-01-01T00:00:00.5Z\"},"                                   \
		      "{\"task\":\"t-ffff\",\"name\":null,\"state\":\"done\",\"argv\":[\"ls\"],"   \
		      "\"created\":null,"                                                          \
		      "\"cause\":\"exit\",\"code\":3},"                                            \
		      "{\"task\":\"t-eeee\",\"state\":\"done\",\"argv\":[\"ls\"],\"cause\":"       \
		      "\"timeout_wall\",\"code\":null}]}")

TEST(the_table_has_one_line_a_task)
{
	struct canned_cli c = { .replies = { TASKS } };
	canned_cli_run(&c,
		(const char *const[]){ "ps", "-a", "--label", "k=v", "--socket", "SOCKET", NULL });
	assert_int_equal(c.status, 0);
	assert_memory_equal(c.out, "TASK            NAME  STATE         AGE", 39);
	assert_non_null(strstr(c.out, "t-0123456789ab  n     running       "));
	assert_non_null(strstr(c.out, "sh -c x\\x0ay ...\n"));
	assert_non_null(strstr(c.out, "t-ffff                exit 3"));
	assert_non_null(strstr(c.out, "timeout_wall"));
	assert_string_equal(
		c.sent, "{\"op\":\"list\",\"all\":true,\"label\":\"k=v\",\"id\":\"1\"}\n");
}

TEST(ids_can_be_had_alone)
{
	struct canned_cli c = { .replies = { TASKS } };
	canned_cli_run(&c, (const char *const[]){ "ps", "-q", "--socket", "SOCKET", NULL });
	assert_string_equal(c.out, CANNED_TASK "\nt-ffff\nt-eeee\n");
}

TEST(J19_nothing_that_a_terminal_obeys_is_printed)
{
#define ODD                                                                                        \
	CANNED_RESULT("{\"tasks\":[{\"task\":\"\\u009bt\",\"name\":\"\\u009bn\",\"state\":"        \
		      "\"\\u009bs\",\"argv\":[\"\\u009b31m\",\"\\u202e\"],\"created\":null}]}")
	static const char *const ways[] = { "-a", "-q", "--no-trunc", "--json" };
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		struct canned_cli c = { .replies = { ODD } };
		canned_cli_run(
			&c, (const char *const[]){ "ps", ways[i], "--socket", "SOCKET", NULL });
		assert_int_equal(c.status, 0);
		assert_null(strstr(c.out, "\xc2\x9b"));
		assert_null(strstr(c.out, "\xe2\x80\xae"));
		assert_non_null(strstr(c.out, strcmp(ways[i], "--json") ? "9bt" : "9Bt"));
	}
}

TEST(json_is_the_daemons_answer)
{
	struct canned_cli c = { .replies = { CANNED_RESULT("{\"tasks\":[]}") } };
	canned_cli_run(&c, (const char *const[]){ "ps", "--json", "--socket", "SOCKET", NULL });
	assert_string_equal(c.out, "{\"tasks\":[]}\n");
}

TEST(an_odd_answer_makes_an_empty_table)
{
	struct canned_cli c = { .replies = { CANNED_RESULT("{\"tasks\":5}") } };
	canned_cli_run(&c, (const char *const[]){ "ps", "--socket", "SOCKET", NULL });
	assert_int_equal(c.status, 0);
	assert_string_equal(c.out, "TASK  NAME  STATE  AGE  COMMAND\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_table_has_one_line_a_task),
		cmocka_unit_test(ids_can_be_had_alone),
		cmocka_unit_test(J19_nothing_that_a_terminal_obeys_is_printed),
		cmocka_unit_test(json_is_the_daemons_answer),
		cmocka_unit_test(an_odd_answer_makes_an_empty_table),
	};
	return RUN_TESTS(tests);
}
