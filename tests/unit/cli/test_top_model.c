#include "harness.h"

#include "cli/top_model.h"

#include <string.h>

#define TASK(id, state, usage)                                                                     \
	"{\"task\":\"" id "\",\"state\":\"" state "\",\"created\":\"2026-11-29T20:00:00Z\","       \
	"\"usage\":" usage "}"
#define USAGE(cpu, boot, run, memory, out)                                                         \
	"{\"cpu\":" #cpu ",\"memory\":" #memory                                                    \
	",\"pids\":2,\"source\":\"cgroup\",\"boot_us\":" #boot ",\"run\":" #run                    \
	",\"output\":{\"stdout\":" #out ",\"stderr\":1}}"

static struct top_model m;

static void begin(enum top_sort sort)
{
	top_model_init(&m, sort);
}

static void see(const char *tasks)
{
	json_error_t why;
	json_t *answer =
		json_pack_ex(&why, 0, "{s:o}", "tasks", json_loads(tasks, JSON_DECODE_ANY, &why));
	if (!answer)
		fail_msg("%s", why.text);
	assert_int_equal(top_model_update(&m, answer), 0);
}

static void is_about(double v, double wanted)
{
	assert_true(v > wanted - 0.01 && v < wanted + 0.01);
}

TEST(the_first_look_shows_averages_and_the_next_what_has_been_since)
{
	begin(TOP_SORT_CPU);
	see("[" TASK("t-1", "running", USAGE(500000, 1000000, 2000000, 4096, 999)) "]");
	assert_int_equal(m.n_rows, 1);
	is_about(m.rows[0].cpu_percent, 25);
	is_about(m.rows[0].output_rate, 500);
	assert_int_equal(m.rows[0].memory_bytes, 4096);
	assert_int_equal(m.rows[0].pids, 2);
	see("[" TASK("t-1", "running", USAGE(2000000, 2000000, 3000000, 8192, 2999)) "]");
	is_about(m.rows[0].cpu_percent, 150);
	is_about(m.rows[0].output_rate, 2000);
	is_about(m.cpu_percent, 150);
	assert_int_equal(m.memory_bytes, 8192);
	/* The daemon had nothing newer: the last that is known. */
	see("[" TASK("t-1", "running", USAGE(2000000, 2000000, 3000000, 8192, 2999)) "]");
	is_about(m.rows[0].cpu_percent, 150);
	is_about(m.rows[0].output_rate, 2000);
	/* A counter that went back. */
	see("[" TASK("t-1", "running", USAGE(1000000, 4000000, 5000000, 8192, 10)) "]");
	is_about(m.rows[0].cpu_percent, 0);
	is_about(m.rows[0].output_rate, 0);
	top_model_finish(&m);
}

TEST(what_is_not_known_is_not_0)
{
	static const char *const unknown[] = { "null", "{}", "5",
		"{\"cpu\":null,\"memory\":null,\"pids\":null,\"boot_us\":null,\"run\":0}",
		"{\"cpu\":-1,\"memory\":\"x\",\"pids\":1.5,\"run\":-7,\"output\":{\"stdout\":"
		"9223372036854775807,\"stderr\":1}}" };
	begin(TOP_SORT_CPU);
	for (size_t i = 0; i < ARRAY_SIZE(unknown); i++) {
		char text[512];
		snprintf(text, sizeof(text),
			"[{\"task\":\"t-1\",\"state\":\"running\",\"usage\":%s}]", unknown[i]);
		see(text);
		assert_true(m.rows[0].cpu_percent < 0);
		assert_true(m.rows[0].output_rate < 0);
		assert_true(m.rows[0].memory_bytes < 0);
		assert_true(m.rows[0].pids < 0);
		assert_true(m.rows[0].position < 0);
	}
	is_about(m.cpu_percent, 0);
	/* One look without is no obstacle to the next. */
	see("[" TASK("t-1", "running", USAGE(500000, 1000000, 2000000, 1, 1)) "]");
	is_about(m.rows[0].cpu_percent, 25);
	top_model_finish(&m);
}

static void expect_order(const char *wanted)
{
	char got[64] = "";
	for (size_t i = 0; i < m.n_rows; i++)
		strncat(got, m.rows[i].id, sizeof(got) - strlen(got) - 1);
	assert_string_equal(got, wanted);
}

#define FOUR                                                                                       \
	"[" TASK("d", "done",                                                                      \
		"null") ",{\"task\":\"w\",\"state\":\"queued\",\"position\":1},"                   \
			"{\"task\":\"v\",\"state\":\"queued\",\"position\":0}," TASK(              \
				"a", "running", USAGE(1, 9, 1000000, 30, 1)) "," TASK("b",         \
				"stopping", USAGE(5000, 9, 1000000, 10, 9)) "," TASK("c",          \
				"running", USAGE(70, 9, 1000000, 20, 5)) "]"

TEST(those_that_run_come_first_then_those_that_wait_then_the_rest)
{
	static const struct {
		const char *name, *order;
	} cases[] = { { "cpu", "bcavwd" }, { "memory", "acbvwd" }, { "output", "bcavwd" },
		{ "age", "abcvwd" } };
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		begin(top_sort_from_name(cases[i].name));
		see(FOUR);
		expect_order(cases[i].order);
		see(FOUR);
		expect_order(cases[i].order);
		assert_int_equal(m.n_running, 3);
		assert_int_equal(m.n_waiting, 2);
		see("[]");
		assert_int_equal(m.n_rows + m.n_running + m.n_waiting, 0);
		top_model_finish(&m);
	}
	assert_int_equal(top_sort_from_name("luck"), TOP_SORT_COUNT);
}

TEST(json_has_the_rates_beside_what_came)
{
	begin(TOP_SORT_CPU);
	see("[" TASK("t-1", "running", USAGE(333333, 1000000, 1000000, 4096, 999)) "," TASK(
		"t-2", "queued", "null") "]");
	json_t *all = top_model_to_json(&m, "now");
	json_t *tasks = json_object_get(all, "tasks");
	assert_string_equal(json_string_value(json_object_get(all, "at")), "now");
	assert_int_equal(json_array_size(tasks), 2);
	is_about(json_real_value(json_object_get(json_array_get(tasks, 0), "cpu_percent")), 33.3);
	is_about(json_real_value(json_object_get(json_array_get(tasks, 0), "output_rate")), 1000);
	assert_true(json_is_null(json_object_get(json_array_get(tasks, 1), "cpu_percent")));
	assert_true(json_is_object(json_object_get(json_array_get(tasks, 0), "usage")));
	/* The answer itself is as it was. */
	assert_null(json_object_get(m.rows[0].task, "cpu_percent"));
	json_decref(all);
	top_model_finish(&m);
}

TEST(an_odd_answer_is_an_empty_list)
{
	begin(TOP_SORT_CPU);
	see("5");
	assert_int_equal(m.n_rows, 0);
	see("[5,{},{\"task\":7}]");
	assert_int_equal(m.n_rows, 3);
	top_model_finish(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_look_shows_averages_and_the_next_what_has_been_since),
		cmocka_unit_test(what_is_not_known_is_not_0),
		cmocka_unit_test(those_that_run_come_first_then_those_that_wait_then_the_rest),
		cmocka_unit_test(json_has_the_rates_beside_what_came),
		cmocka_unit_test(an_odd_answer_is_an_empty_list),
	};
	return RUN_TESTS(tests);
}
