/* A task of an earlier daemon: done, without output, with the result that it had. */
#include "loop.h"

#include "base/str.h"
#include "task/restore.h"

#include <stdlib.h>
#include <string.h>

#define ID "t-0123456789abcdef0123456789abcdef"

TEST(a_restored_task_is_done_and_has_its_result)
{
	uv_loop_t loop;
	struct deadline_heap deadlines;
	uv_loop_init(&loop);
	deadline_heap_init_manual(&deadlines);
	const struct task_host host = { .loop = &loop, .deadlines = &deadlines };
	struct task_spec *spec = calloc(1, sizeof(*spec));
	struct task_result *result = result_create();
	memcpy(result->task, ID, sizeof(ID));
	result->stored = strdup("{\"outcome\":\"ok\"}");

	struct task *t = task_restore(&host, 1000, spec, result);
	assert_non_null(t);
	assert_true(task_is_done(t));
	assert_string_equal(t->id, ID);
	assert_int_equal(t->uid, 1000);
	json_t *json = result_to_json(t->result);
	assert_string_equal(json_string_value(json_object_get(json, "outcome")), "ok");
	json_decref(json);

	struct output_reader reader;
	struct output_chunk chunk;
	char data[16];
	assert_int_equal(output_reader_init(&reader, t->log, 0), 0);
	assert_int_equal(output_reader_next(&reader, data, &chunk), OUTPUT_READ_END);
	assert_int_equal(output_log_bytes(t->log), 0);
	assert_int_equal(output_log_last_seq(t->log), 0);

	/* What clients may ask for is refused, and nothing else happens. */
	struct err e;
	assert_true(task_signal(t, 15, &e) < 0);
	assert_true(task_add_input(t, "x", 1, &e) < 0);
	assert_true(task_resize(t, 1, 1, &e) < 0);
	task_handle(t, EVENT_CANCEL);
	task_pause_output(t, true);
	task_destroy(t);
	loop_assert_empty(&loop);
	deadline_heap_finish(&deadlines);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_restored_task_is_done_and_has_its_result),
	};
	return RUN_TESTS(tests);
}
