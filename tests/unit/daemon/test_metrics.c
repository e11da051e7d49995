/* What is counted. */
#include "harness.h"

#include "daemon/metrics.h"

#include <string.h>

static json_t *find(json_t *list, const char *name, const char *value)
{
	size_t i;
	json_t *m, *label;
	json_array_foreach (list, i, m) {
		const char *key;
		if (strcmp(json_string_value(json_object_get(m, "name")), name) != 0)
			continue;
		if (!value)
			return m;
		json_object_foreach (json_object_get(m, "labels"), key, label)
			if (!strcmp(json_string_value(label), value))
				return m;
	}
	fail_msg("there is no %s %s", name, value ? value : "");
	return NULL;
}

static json_int_t value_of(json_t *list, const char *name, const char *value)
{
	return json_integer_value(json_object_get(find(list, name, value), "value"));
}

TEST(a_finished_task_is_counted_by_its_outcome_and_its_phases)
{
	struct metrics m = { 0 };
	struct task_result r = { .verdict.outcome = OUTCOME_KILLED, .pool = POOL_HIT };
	r.setup_us = known(900);
	r.run_us = known(2000000);
	r.cpu_user_us = known(1500000);
	r.output[OUTPUT_STDOUT].bytes = known(10);
	r.output[OUTPUT_STDERR].bytes = known(5);
	r.output[OUTPUT_STDERR].dropped = known(2);
	metrics_note_result(&m, &r);
	const struct task_result miss = { .verdict.outcome = OUTCOME_LOST,
		.pool = POOL_MISS,
		.pool_why = WIRE_POOL_WHY_CHANGED };
	metrics_note_result(&m, &miss);
	metrics_add(&m, METRIC_ACCEPTED, 3);
	json_t *list = metrics_to_json(&m);
	assert_int_equal(value_of(list, "tasks_accepted", NULL), 3);
	assert_int_equal(value_of(list, "tasks_finished", "killed"), 1);
	assert_int_equal(value_of(list, "tasks_finished", "ok"), 0);
	assert_int_equal(value_of(list, "pool_jails", "hit"), 1);
	assert_int_equal(value_of(list, "pool_misses", "changed"), 1);
	assert_int_equal(value_of(list, "output_bytes", NULL), 15);
	assert_int_equal(value_of(list, "output_dropped_bytes", NULL), 2);
	json_t *cpu = json_object_get(find(list, "task_cpu_seconds", NULL), "value");
	assert_string_equal(json_string_value(cpu), "1.500000");
	json_t *queued = find(list, "task_queued_seconds", NULL);
	assert_int_equal(json_integer_value(json_object_get(queued, "count")), 0);
	json_t *run = find(list, "task_run_seconds", NULL);
	assert_string_equal(json_string_value(json_object_get(run, "sum")), "2.000000");
	json_decref(list);
}

TEST(times_fall_into_cumulative_buckets)
{
	struct metrics m = { 0 };
	metrics_time(&m, METRIC_TIME_RUN, 0);
	metrics_time(&m, METRIC_TIME_RUN, 250);
	metrics_time(&m, METRIC_TIME_RUN, 250 + 1);
	metrics_time(&m, METRIC_TIME_RUN, UINT64_MAX / 2);
	json_t *list = metrics_to_json(&m);
	json_t *buckets = json_object_get(find(list, "task_run_seconds", NULL), "buckets");
	assert_int_equal(json_array_size(buckets), METRIC_BUCKETS);
	static const char *const bounds[] = { "0.000250", "0.001000", "0.004000" };
	static const json_int_t counts[] = { 2, 3, 3 };
	for (size_t i = 0; i < ARRAY_SIZE(bounds); i++) {
		json_t *b = json_array_get(buckets, i);
		assert_string_equal(json_string_value(json_object_get(b, "le")), bounds[i]);
		assert_int_equal(json_integer_value(json_object_get(b, "count")), counts[i]);
	}
	json_t *last = json_array_get(buckets, METRIC_BUCKETS - 1);
	assert_string_equal(json_string_value(json_object_get(last, "le")), "+Inf");
	assert_int_equal(json_integer_value(json_object_get(last, "count")), 4);
	json_decref(list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_finished_task_is_counted_by_its_outcome_and_its_phases),
		cmocka_unit_test(times_fall_into_cumulative_buckets),
	};
	return RUN_TESTS(tests);
}
