#include "harness.h"

#include "cli/task_text.h"

#include <string.h>

static json_t *task(const char *text)
{
	json_t *o = json_loads(text, 0, NULL);
	assert_non_null(o);
	return o;
}

static void check_command(const char *json, const char *wanted)
{
	char out[16];
	json_t *o = task(json);
	task_text_command(o, out, sizeof(out));
	assert_string_equal(out, wanted);
	json_decref(o);
}

TEST(a_command_is_one_line_that_ends_in_its_room)
{
	check_command("{\"argv\":[\"a\",\"b c\"]}", "a b c");
	check_command("{\"argv\":[\"a\"],\"argv_is_cut\":true}", "a ...");
	check_command("{\"argv\":[\"0123456789abcdefgh\",\"x\"]}", "0123456789abcde");
	check_command("{\"argv\":[5]}", "?");
	check_command("{\"argv\":7}", "");
}

static void check_state(const char *json, const char *wanted)
{
	char out[32];
	json_t *o = task(json);
	task_text_state(o, out, sizeof(out));
	assert_string_equal(out, wanted);
	json_decref(o);
}

TEST(a_finished_task_shows_how_it_ended)
{
	check_state("{\"state\":\"running\"}", "running");
	check_state("{\"state\":\"queued\"}", "queued");
	check_state("{\"state\":\"queued\",\"reason\":\"source\"}", "fetching");
	check_state("{\"state\":\"done\",\"cause\":\"exit\",\"code\":3}", "exit 3");
	check_state("{\"state\":\"done\",\"cause\":\"exit\",\"code\":null}", "exit");
	check_state("{\"state\":\"done\",\"cause\":\"timeout_wall\",\"code\":3}", "timeout_wall");
}

TEST(an_age_needs_a_stamp)
{
	char out[UNITS_TEXT_SIZE];
	task_text_age("2020-01-01T00:00:00Z", out);
	assert_true(strlen(out) > 0);
	task_text_age("9020-01-01T00:00:00.5Z", out);
	assert_string_equal(out, "0 s");
	task_text_age("yesterday", out);
	assert_string_equal(out, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_command_is_one_line_that_ends_in_its_room),
		cmocka_unit_test(a_finished_task_shows_how_it_ended),
		cmocka_unit_test(an_age_needs_a_stamp),
	};
	return RUN_TESTS(tests);
}
