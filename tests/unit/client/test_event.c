#include "harness.h"

#include "client/canned.h"

#include <errno.h>
#include <string.h>

TEST(the_exit_status_follows_the_cause)
{
	static const struct {
		const char *record;
		int status;
	} cases[] = {
		{ "{\"outcome\":\"ok\",\"cause\":\"exit\",\"exit\":{\"code\":0,\"signal\":null}}",
			0 },
		{ "{\"outcome\":\"failed\",\"cause\":\"exit\",\"exit\":{\"code\":7}}", 7 },
		/* A task that exits with 137 has exited. */
		{ "{\"outcome\":\"failed\",\"cause\":\"exit\",\"exit\":{\"code\":137}}", 137 },
		{ "{\"outcome\":\"failed\",\"cause\":\"exit\",\"exit\":{\"code\":null}}", 125 },
		{ "{\"outcome\":\"failed\",\"cause\":\"signal\",\"exit\":{\"code\":null,\"signal\":"
		  "11}}",
			139 },
		{ "{\"outcome\":\"failed\",\"cause\":\"signal\",\"exit\":{\"signal\":\"SIGTERM\"}}",
			143 },
		{ "{\"outcome\":\"killed\",\"cause\":\"oom\",\"exit\":{\"signal\":9}}", 137 },
		{ "{\"outcome\":\"killed\",\"cause\":\"seccomp\",\"exit\":{\"signal\":31}}", 159 },
		{ "{\"outcome\":\"killed\",\"cause\":\"output_limit\",\"exit\":{\"signal\":15}}",
			143 },
		{ "{\"outcome\":\"killed\",\"cause\":\"timeout_wall\",\"exit\":{\"signal\":9}}",
			124 },
		{ "{\"outcome\":\"killed\",\"cause\":\"timeout_cpu\"}", 124 },
		{ "{\"outcome\":\"failed\",\"cause\":\"disk_limit\",\"exit\":{\"code\":3}}", 3 },
		{ "{\"outcome\":\"failed\",\"cause\":\"disk_limit\",\"exit\":{\"signal\":7}}",
			135 },
		{ "{\"outcome\":\"rejected\",\"cause\":\"timeout_queue\"}", 124 },
		{ "{\"outcome\":\"cancelled\",\"cause\":\"cancel\",\"exit\":{\"signal\":15}}",
			130 },
		{ "{\"outcome\":\"failed\",\"cause\":\"exec\",\"error\":{\"errno\":2}}", 127 },
		{ "{\"outcome\":\"failed\",\"cause\":\"exec\",\"error\":{\"errno\":13}}", 126 },
		{ "{\"outcome\":\"failed\",\"cause\":\"exec\",\"error\":{\"errno\":8}}", 126 },
		{ "{\"outcome\":\"failed\",\"cause\":\"exec\",\"error\":null}", 126 },
		{ "{\"outcome\":\"error\",\"cause\":\"setup\",\"error\":{\"errno\":2}}", 125 },
		{ "{\"outcome\":\"error\",\"cause\":\"internal\"}", 125 },
		{ "{\"outcome\":\"lost\",\"cause\":\"warden_lost\",\"exit\":{\"signal\":9}}", 125 },
		{ "{\"outcome\":\"killed\",\"cause\":\"shutdown\",\"exit\":{\"signal\":15}}", 125 },
		{ "{\"outcome\":\"new\",\"cause\":\"of_tomorrow\"}", 125 },
		{ "{}", 125 },
		{ "null", 125 },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct dayfly_event *ev = canned_result(cases[i].record);
		assert_int_equal(dayfly_event_exit_status(ev), cases[i].status);
		dayfly_event_free(ev);
	}
}

TEST(output_comes_as_text_base64_or_a_gap)
{
	size_t len;
	struct dayfly_event *ev =
		canned_event("{\"id\":\"3\",\"event\":\"output\",\"task\":\"t\",\"seq\":4,"
			     "\"stream\":\"stderr\",\"text\":\"h\\u0000\303\244\"}");
	assert_int_equal(dayfly_event_stream(ev), DAYFLY_STREAM_STDERR);
	assert_int_equal(dayfly_event_seq(ev), 4);
	assert_int_equal(dayfly_event_request(ev), 3);
	assert_memory_equal(dayfly_event_data(ev, &len), "h\0\303\244", 4);
	assert_int_equal(len, 4);
	dayfly_event_free(ev);

	ev = canned_event("{\"id\":\"3\",\"event\":\"output\",\"seq\":5,\"stream\":\"stdout\","
			  "\"base64\":\"/wD+\"}");
	assert_memory_equal(dayfly_event_data(ev, &len), "\xff\0\xfe", 3);
	assert_int_equal(len, 3);
	dayfly_event_free(ev);

	ev = canned_event(
		"{\"event\":\"output\",\"seq\":6,\"stream\":\"stdout\",\"truncated\":123}");
	assert_int_equal(dayfly_event_truncated(ev), 123);
	assert_non_null(dayfly_event_data(ev, &len));
	assert_int_equal(len, 0);
	assert_int_equal(dayfly_event_request(ev), 0);
	dayfly_event_free(ev);
}

TEST(members_of_the_result_are_found_by_their_path)
{
	int64_t n = -1;
	struct dayfly_event *ev =
		canned_result("{\"cause\":\"exit\",\"outcome\":\"ok\",\"a\":{\"b\":{\"c\":5,\"t\":"
			      "true,\"s\":\"x\"}},\"z\":null}");
	assert_string_equal(dayfly_event_cause(ev), "exit");
	assert_string_equal(dayfly_event_outcome(ev), "ok");
	assert_int_equal(dayfly_event_result_number(ev, "a.b.c", &n), 0);
	assert_int_equal(n, 5);
	assert_int_equal(dayfly_event_result_number(ev, "a.b.t", &n), 0);
	assert_int_equal(n, 1);
	assert_string_equal(dayfly_event_result_text(ev, "a.b.s"), "x");
	static const char *const absent[] = { "z", "a", "a.x", "a.b.c.d", "a.b.s", "..",
		"a.nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn" };
	for (size_t i = 0; i < ARRAY_SIZE(absent); i++)
		assert_int_equal(dayfly_event_result_number(ev, absent[i], &n), -ENOENT);
	assert_null(dayfly_event_result_text(ev, "a.b.c"));
	const char *json = dayfly_event_result_json(ev);
	assert_non_null(strstr(json, "\"outcome\":\"ok\""));
	assert_ptr_equal(dayfly_event_result_json(ev), json);
	dayfly_event_free(ev);
}

TEST(errors_come_from_error_events_and_from_results)
{
	struct dayfly_error e;
	struct dayfly_event *ev =
		canned_event("{\"id\":\"1\",\"event\":\"error\",\"error\":{\"code\":\"bad_value\","
			     "\"message\":\"no\",\"field\":\"task.user\","
			     "\"errno\":22,\"step\":\"s\",\"hint\":\"h\"}}");
	assert_int_equal(dayfly_event_type(ev), DAYFLY_EVENT_ERROR);
	assert_int_equal(dayfly_event_error(ev, &e), 1);
	assert_string_equal(e.code, "bad_value");
	assert_string_equal(e.message, "no");
	assert_string_equal(e.field, "task.user");
	assert_string_equal(e.step, "s");
	assert_string_equal(e.hint, "h");
	assert_int_equal(e.errnum, 22);
	assert_null(dayfly_event_result_json(ev));
	dayfly_event_free(ev);

	ev = canned_result("{\"error\":{\"code\":\"setup_failed\",\"errno\":-4}}");
	assert_int_equal(dayfly_event_error(ev, &e), 1);
	assert_string_equal(e.code, "setup_failed");
	assert_int_equal(e.errnum, 0);
	dayfly_event_free(ev);

	ev = canned_result("{\"error\":null}");
	assert_int_equal(dayfly_event_error(ev, &e), 0);
	dayfly_event_free(ev);

	ev = canned_event("{\"event\":\"error\"}");
	assert_int_equal(dayfly_event_error(ev, &e), 1);
	dayfly_event_free(ev);
}

TEST(a_task_that_waits_is_told_where_it_is)
{
	uint64_t position = 9, wait_ms = 9;
	struct dayfly_event *ev = canned_event("{\"id\":\"1\",\"event\":\"state\",\"state\":"
					       "\"queued\",\"position\":3,\"wait_ms\":1500}");
	assert_int_equal(dayfly_event_waiting(ev, &position, &wait_ms), 0);
	assert_true(position == 3 && wait_ms == 1500);
	dayfly_event_free(ev);
	ev = canned_event("{\"id\":\"1\",\"event\":\"state\",\"state\":\"queued\",\"position\":0}");
	assert_int_equal(dayfly_event_waiting(ev, &position, &wait_ms), 0);
	assert_true(position == 0 && wait_ms == 0);
	dayfly_event_free(ev);
	ev = canned_event(
		"{\"id\":\"1\",\"event\":\"state\",\"state\":\"queued\",\"position\":-1}");
	assert_int_equal(dayfly_event_waiting(ev, &position, &wait_ms), -ENOENT);
	assert_string_equal(dayfly_event_fetching(ev), "");
	dayfly_event_free(ev);
	ev = canned_event("{\"id\":\"1\",\"event\":\"state\",\"state\":\"queued\",\"position\":0,"
			  "\"reason\":\"source\",\"source\":\"https://h/x\"}");
	assert_string_equal(dayfly_event_fetching(ev), "https://h/x");
	dayfly_event_free(ev);
}

TEST(an_event_of_a_newer_daemon_is_told_as_other)
{
	struct dayfly_event *ev =
		canned_event("{\"id\":\"12x\",\"event\":\"omen\",\"state\":\"x\"}");
	assert_int_equal(dayfly_event_type(ev), DAYFLY_EVENT_OTHER);
	assert_int_equal(dayfly_event_request(ev), 0);
	assert_string_equal(dayfly_event_state(ev), "");
	assert_string_equal(dayfly_event_task(ev), "");
	assert_string_equal(
		dayfly_event_json(ev), "{\"id\":\"12x\",\"event\":\"omen\",\"state\":\"x\"}");
	dayfly_event_free(ev);
	dayfly_event_free(NULL);
}

TEST(events_of_a_subscription_have_their_own_types)
{
	struct dayfly_event *ev = canned_event("{\"id\":\"3\",\"event\":\"task\",\"task\":\"t\","
					       "\"state\":\"running\",\"missed\":2}");
	assert_int_equal(dayfly_event_type(ev), DAYFLY_EVENT_TASK);
	assert_string_equal(dayfly_event_state(ev), "running");
	assert_int_equal(dayfly_event_missed(ev), 0);
	dayfly_event_free(ev);
	ev = canned_event("{\"id\":\"3\",\"event\":\"missed\",\"missed\":7}");
	assert_int_equal(dayfly_event_type(ev), DAYFLY_EVENT_MISSED);
	assert_int_equal(dayfly_event_missed(ev), 7);
	assert_string_equal(dayfly_event_state(ev), "");
	dayfly_event_free(ev);
	ev = canned_event("{\"id\":\"3\",\"event\":\"subscribed\",\"tasks\":0}");
	assert_int_equal(dayfly_event_type(ev), DAYFLY_EVENT_SUBSCRIBED);
	dayfly_event_free(ev);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_exit_status_follows_the_cause),
		cmocka_unit_test(output_comes_as_text_base64_or_a_gap),
		cmocka_unit_test(members_of_the_result_are_found_by_their_path),
		cmocka_unit_test(errors_come_from_error_events_and_from_results),
		cmocka_unit_test(a_task_that_waits_is_told_where_it_is),
		cmocka_unit_test(an_event_of_a_newer_daemon_is_told_as_other),
		cmocka_unit_test(events_of_a_subscription_have_their_own_types),
	};
	return RUN_TESTS(tests);
}
