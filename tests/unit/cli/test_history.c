#include "harness.h"

#include "cli/canned_cli.h"

#include <string.h>

#define TASK(id, rest)                                                                             \
	"{\"task\":\"" id "\",\"name\":null,\"uid\":0,\"state\":\"done\",\"argv\":[\"ls\"]," rest  \
	"\"created\":\"2020-01-01T00:00:00.5Z\",\"started\":\"2020-01-01T00:00:01Z\","             \
	"\"finished\":\"2020-01-01T00:00:03Z\"}"
#define ONE                                                                                        \
	CANNED_RESULT("{\"tasks\":[" TASK(                                                         \
		"t-0123456789abcdef", "\"cause\":\"oom\",") "],\"next\":null}")

TEST(the_table_has_one_line_a_task)
{
	struct canned_cli c = { .replies = { ONE } };
	canned_cli_run(&c, (const char *const[]){ "history", "--outcome", "killed", "-l", "k=v",
				   "--socket", "SOCKET", NULL });
	assert_int_equal(c.status, 0);
	assert_memory_equal(c.out, "TASK            NAME  STATE  AGE", 32);
	assert_non_null(strstr(c.out, "t-0123456789ab        oom "));
	assert_non_null(strstr(c.out, " 2.0 s  ls\n"));
	assert_string_equal(c.sent, "{\"op\":\"history\",\"limit\":50,\"outcome\":\"killed\","
				    "\"label\":\"k=v\",\"id\":\"1\"}\n");
}

TEST(the_user_is_shown_where_there_are_several)
{
	struct canned_cli c = { .replies = { ONE } };
	canned_cli_run(&c,
		(const char *const[]){ "history", "-a", "--no-trunc", "--socket", "SOCKET", NULL });
	assert_non_null(strstr(c.out, "TASK                USER  NAME"));
	assert_non_null(strstr(c.out, "t-0123456789abcdef  root "));
	assert_non_null(strstr(c.sent, "\"all\":true"));
}

TEST(pages_are_put_together)
{
	struct canned_cli c = {
		.replies = { CANNED_RESULT("{\"tasks\":[" TASK("t-1", "") "],"
									  "\"next\":\"5.6\"}"),
			"{\"id\":\"2\",\"event\":\"result\",\"result\":{\"tasks\":[" TASK(
				"t-2", "") "],\"next\":\"3.4\"}}\n" }
	};
	canned_cli_run(&c,
		(const char *const[]){ "history", "-q", "-n", "2", "--socket", "SOCKET", NULL });
	assert_string_equal(c.out, "t-1\nt-2\n");
	assert_non_null(strstr(c.sent, "\"limit\":1,\"before\":\"5.6\""));
}

TEST(json_is_the_daemons_answer)
{
	struct canned_cli c = { .replies = { CANNED_RESULT("{\"tasks\":[],\"next\":null}") } };
	canned_cli_run(
		&c, (const char *const[]){ "history", "--json", "--socket", "SOCKET", NULL });
	assert_string_equal(c.out, "{\"tasks\":[],\"next\":null}\n");
}

TEST(an_odd_answer_ends)
{
	static const char *const odd[] = { CANNED_RESULT("{\"tasks\":5}"),
		CANNED_RESULT("{\"tasks\":[],\"next\":\"x\"}"), CANNED_RESULT("7") };
	for (size_t i = 0; i < ARRAY_SIZE(odd); i++) {
		struct canned_cli c = { .replies = { odd[i], odd[i] } };
		canned_cli_run(&c, (const char *const[]){ "history", "--socket", "SOCKET", NULL });
		assert_true(c.status == 0 || c.status == 1);
	}
}

TEST(J19_nothing_that_a_terminal_obeys_is_printed)
{
#define ODD                                                                                        \
	CANNED_RESULT("{\"tasks\":[{\"task\":\"\\u009bt\",\"name\":\"\\u009bn\",\"state\":"        \
		      "\"\\u009bs\",\"argv\":[\"\\u009b31m\",\"\\u202e\"],\"created\":null}],"     \
		      "\"next\":null}")
	static const char *const ways[] = { "-a", "-q", "--no-trunc", "--json" };
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		struct canned_cli c = { .replies = { ODD } };
		canned_cli_run(&c,
			(const char *const[]){ "history", ways[i], "--socket", "SOCKET", NULL });
		assert_int_equal(c.status, 0);
		assert_null(strstr(c.out, "\xc2\x9b"));
		assert_null(strstr(c.out, "\xe2\x80\xae"));
	}
}

TEST(a_wrong_time_is_told_by_its_option)
{
	struct canned_cli c = { .replies = { ONE } };
	canned_cli_run(&c,
		(const char *const[]){ "history", "--since", "soon", "--socket", "SOCKET", NULL });
	assert_int_equal(c.status, 2);
	assert_non_null(strstr(c.err, "--since"));
}

TEST(one_task_is_printed_with_all_about_it)
{
	struct canned_cli c = { .replies = { CANNED_RESULT("{\"task\":\"t-1\"}") } };
	canned_cli_run(
		&c, (const char *const[]){ "history", "-a", "t-1", "--socket", "SOCKET", NULL });
	assert_string_equal(c.out, "{\n  \"task\": \"t-1\"\n}\n");
	assert_non_null(strstr(c.sent, "\"all\":true,\"task\":\"t-1\""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_table_has_one_line_a_task),
		cmocka_unit_test(the_user_is_shown_where_there_are_several),
		cmocka_unit_test(pages_are_put_together),
		cmocka_unit_test(json_is_the_daemons_answer),
		cmocka_unit_test(an_odd_answer_ends),
		cmocka_unit_test(J19_nothing_that_a_terminal_obeys_is_printed),
		cmocka_unit_test(one_task_is_printed_with_all_about_it),
		cmocka_unit_test(a_wrong_time_is_told_by_its_option),
	};
	return RUN_TESTS(tests);
}
