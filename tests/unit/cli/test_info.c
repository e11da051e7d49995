#include "harness.h"

#include "cli/canned_cli.h"

#include <string.h>

#define INFO                                                                                       \
	CANNED_RESULT("{\"version\":\"1\",\"pid\":5,\"none\":null,\"warden\":{\"is_up\":true,"     \
		      "\"deep\":{\"a\":[1,2]}},\"empty\":{}}")

TEST(info_prints_one_fact_a_line)
{
	struct canned_cli c = { .replies = { INFO } };
	canned_cli_run(&c, (const char *const[]){ "info", "--socket", "SOCKET", NULL });
	assert_int_equal(c.status, 0);
	assert_string_equal(
		c.out, "version: 1\npid: 5\nwarden:\n  is_up: true\n  deep:\n    a: [1,2]\n");
}

#define PROBE(name, status) "{\"check\":\"" name "\",\"status\":\"" status "\"}"

TEST(info_names_what_is_not_well)
{
	struct canned_cli c = {
		.replies = { CANNED_RESULT("{\"probes\":[" PROBE("a", "ok") "," PROBE(
			"b\\u001b", "degraded") "," PROBE("c", "degraded") "," PROBE("d",
			"ok") "," PROBE("e", "missing") "],"
							"\"probes_made\":\"now\"}") }
	};
	canned_cli_run(&c, (const char *const[]){ "info", "--socket", "SOCKET", NULL });
	assert_string_equal(c.out, "probes_made: now\nprobes:\n  ok: 2\n  degraded: 2: b\\x1b, "
				   "c\n  missing: 1: e\n");
}

TEST(info_says_when_there_are_no_probes_yet)
{
	struct canned_cli c = { .replies = {
					CANNED_RESULT("{\"probes\":[],\"probes_made\":null}") } };
	canned_cli_run(&c, (const char *const[]){ "info", "--socket", "SOCKET", NULL });
	assert_string_equal(c.out, "probes: not made yet\n");
}

TEST(info_prints_amounts_for_people)
{
	struct canned_cli c = {
		.replies = { CANNED_RESULT(
			"{\"ceilings\":{\"wall\":\"90000ms\",\"disk\":1572864,\"artifacts\":2048,"
			"\"pids\":1024,\"name\":\"5msec\"},\"probes\":[]}") }
	};
	canned_cli_run(&c, (const char *const[]){ "info", "--socket", "SOCKET", NULL });
	assert_string_equal(c.out, "ceilings:\n  wall: 1 min 30 s\n  disk: 1.5 MiB\n  artifacts: "
				   "2.0 KiB\n  pids: 1024\n  "
				   "name: 5msec\nprobes: not made yet\n");
}

TEST(J19_info_prints_nothing_that_a_terminal_obeys)
{
	struct canned_cli c = { .replies = { CANNED_RESULT(
					"{\"a\\u001b[2J\":\"x\\u001b]0;t\\u0007\","
					"\"b\\u009b\":{\"c\":[\"\\u009b31m\"]},\"probes\":[]}") } };
	canned_cli_run(&c, (const char *const[]){ "info", "--socket", "SOCKET", NULL });
	assert_string_equal(c.out, "a\\x1b[2J: x\\x1b]0;t\\x07\nb\\xc2\\x9b:\n  c: "
				   "[\"\\xc2\\x9b31m\"]\nprobes: not made yet\n");
}

TEST(info_prints_json)
{
	struct canned_cli c = { .replies = { CANNED_RESULT("{\"version\":\"1\"}") } };
	canned_cli_run(&c, (const char *const[]){ "info", "--json", "--socket", "SOCKET", NULL });
	assert_string_equal(c.out, "{\n  \"version\": \"1\"\n}\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(info_prints_one_fact_a_line),
		cmocka_unit_test(info_names_what_is_not_well),
		cmocka_unit_test(info_says_when_there_are_no_probes_yet),
		cmocka_unit_test(info_prints_amounts_for_people),
		cmocka_unit_test(J19_info_prints_nothing_that_a_terminal_obeys),
		cmocka_unit_test(info_prints_json),
	};
	return RUN_TESTS(tests);
}
