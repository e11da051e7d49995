#include "harness.h"

#include "cli/canned_cli.h"

#include <string.h>

#define EVENT(members) "{\"id\":\"1\",\"event\":" members "}\n"
#define BEGUN	       EVENT("\"subscribed\",\"tasks\":0")
#define QUEUED                                                                                     \
	EVENT("\"task\",\"task\":\"" CANNED_TASK "\",\"state\":\"queued\",\"name\":\"n\","         \
	      "\"labels\":{\"k\":\"a\\nb\"},\"at\":\"2026-11-29T20:00:00.000001Z\",\"boot_us\":5")
#define DONE                                                                                       \
	EVENT("\"task\",\"task\":\"" CANNED_TASK "\",\"state\":\"done\",\"name\":null,"            \
	      "\"labels\":{},\"at\":\"2026-11-29T20:00:01Z\",\"outcome\":\"killed\","              \
	      "\"cause\":\"timeout_wall\",\"code\":null")
#define END EVENT("\"result\",\"result\":{\"missed\":2}")

TEST(there_is_a_line_for_each_event)
{
	struct canned_cli c = { .replies = {
					BEGUN QUEUED EVENT("\"missed\",\"missed\":2") DONE END } };
	canned_cli_run(&c, (const char *const[]){
				   "events", "-a", "-s", "-l", "k", "--socket", "SOCKET", NULL });
	assert_int_equal(c.status, 0);
	assert_string_equal(c.sent, "{\"op\":\"events\",\"all\":true,\"snapshot\":true,\"label\":"
				    "\"k\",\"id\":\"1\"}\n");
	assert_string_equal(c.out,
		"2026-11-29T20:00:00.000001Z  t-0123456789ab  queued      n  k=a\\x0ab\n"
		"2026-11-29T20:00:01Z  t-0123456789ab  done  killed, timeout_wall\n");
	assert_string_equal(c.err, "dayfly: 2 events are missing here\n");
}

TEST(json_has_all_of_them)
{
	struct canned_cli c = { .replies = { BEGUN QUEUED END } };
	canned_cli_run(
		&c, (const char *const[]){ "events", "--json", "--socket", "SOCKET", "x", NULL });
	assert_int_equal(c.status, 0);
	assert_string_equal(c.sent, "{\"op\":\"events\",\"all\":false,\"snapshot\":false,\"task\":"
				    "\"x\",\"id\":\"1\"}\n");
	assert_string_equal(c.out, BEGUN QUEUED END);
}

TEST(an_error_is_told)
{
	struct canned_cli c = { .replies = { CANNED_ERROR(
					"\"code\":\"not_allowed\",\"message\":\"not you\"") } };
	canned_cli_run(&c, (const char *const[]){ "events", "--all", "--socket", "SOCKET", NULL });
	assert_int_equal(c.status, 1);
	assert_non_null(strstr(c.err, "not you"));
}

TEST(a_daemon_that_goes_is_told)
{
	struct canned_cli c = { .replies = { BEGUN }, .closes_after = 1 };
	canned_cli_run(&c, (const char *const[]){ "events", "--socket", "SOCKET", NULL });
	assert_int_equal(c.status, 1);
	assert_non_null(strstr(c.err, "closed the connection"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(there_is_a_line_for_each_event),
		cmocka_unit_test(json_has_all_of_them),
		cmocka_unit_test(an_error_is_told),
		cmocka_unit_test(a_daemon_that_goes_is_told),
	};
	return RUN_TESTS(tests);
}
