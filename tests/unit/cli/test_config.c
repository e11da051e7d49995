#include "harness.h"

#include "cli/canned_cli.h"

#include <string.h>

#define CONFIG                                                                                     \
	CANNED_RESULT("{\"config\":[{\"key\":\"ceilings.wall\",\"value\":\"2h\","                  \
		      "\"origin\":\"/etc/x.conf:7\",\"live\":true},"                               \
		      "{\"key\":\"access.users\",\"value\":[\"ann\",\"bob\"],"                     \
		      "\"origin\":\"default\",\"live\":true},"                                     \
		      "{\"key\":\"access.groups\",\"value\":[],\"origin\":\"default\","            \
		      "\"live\":true}]}")

TEST(each_value_has_a_line_with_its_origin)
{
	struct canned_cli c = { .replies = { CONFIG } };
	canned_cli_run(&c, (const char *const[]){ "config", "show", "--socket", "SOCKET", NULL });
	assert_int_equal(c.status, 0);
	assert_string_equal(c.out, "SETTING        VALUE  ORIGIN\n"
				   "ceilings.wall  2h     /etc/x.conf:7\n"
				   "access.users   ann    default\n"
				   "access.users   bob    default\n"
				   "access.groups  -      default\n");
}

TEST(json_is_as_the_daemon_says_it)
{
	struct canned_cli c = { .replies = { CONFIG } };
	canned_cli_run(&c,
		(const char *const[]){ "config", "show", "--json", "--socket", "SOCKET", NULL });
	assert_int_equal(c.status, 0);
	assert_non_null(strstr(c.out, "\"key\": \"ceilings.wall\""));
}

TEST(a_daemon_without_settings_and_a_wrong_word_are_told)
{
	struct canned_cli c = { .replies = { CANNED_RESULT("{\"version\":\"1\"}") } };
	canned_cli_run(&c, (const char *const[]){ "config", "show", "--socket", "SOCKET", NULL });
	assert_int_equal(c.status, 1);
	assert_non_null(strstr(c.err, "does not tell its configuration"));
	struct canned_cli d = { .replies = { NULL } };
	canned_cli_run(&d, (const char *const[]){ "config", "print", NULL });
	assert_int_equal(d.status, 2);
	assert_non_null(strstr(d.err, "dayfly config show"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_value_has_a_line_with_its_origin),
		cmocka_unit_test(json_is_as_the_daemon_says_it),
		cmocka_unit_test(a_daemon_without_settings_and_a_wrong_word_are_told),
	};
	return RUN_TESTS(tests);
}
