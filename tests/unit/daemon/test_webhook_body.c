/* M9, M12: what is told of a task, and what is not. */
#include "harness.h"

#include "daemon/webhook_body.h"

#include <stdlib.h>
#include <string.h>

#define TASK "t-0123456789abcdef0123456789abcdef"

static json_t *body_of(const struct webhook_facts *f, char **ret_text)
{
	char id[OUTBOX_ID_SIZE];
	webhook_id(f->task, f->event, 3, id);
	char *text = webhook_body(f, id, "dayfly://host");
	assert_non_null(text);
	json_t *o = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(o);
	*ret_text = text;
	return o;
}

static void check(const json_t *o, const char *key, const char *wanted)
{
	const char *text = json_string_value(json_object_get(o, key));
	if (!text || strcmp(text, wanted) != 0)
		fail_msg("%s: %s", key, text ? text : "(none)");
}

TEST(M12_an_event_has_one_id_without_a_dot)
{
	char id[OUTBOX_ID_SIZE];
	webhook_id(TASK, WEBHOOK_FINISHED, 0, id);
	assert_string_equal(id, "evt_0123456789abcdef0123456789abcdef_finished_0");
	webhook_id(TASK, WEBHOOK_ACCEPTED, 11, id);
	assert_string_equal(id, "evt_0123456789abcdef0123456789abcdef_accepted_11");
}

TEST(a_body_is_a_CloudEvent)
{
	char *labels[] = { "job=ci", "empty=", NULL };
	const struct webhook_facts f = { .event = WEBHOOK_STARTED,
		.task = TASK,
		.name = "nap",
		.labels = labels,
		.uid = 1000,
		.at_ns = 1000000000,
		.created_ns = 500000000,
		.started_ns = 1000000000 };
	char *text;
	json_t *o = body_of(&f, &text);
	check(o, "specversion", "1.0");
	check(o, "id", "evt_0123456789abcdef0123456789abcdef_started_3");
	check(o, "source", "dayfly://host");
	check(o, "type", "dayfly.task.started");
	check(o, "subject", TASK);
	check(o, "time", "1970-01-01T00:00:01.000000Z");
	check(o, "datacontenttype", "application/json");
	const json_t *data = json_object_get(o, "data");
	check(data, "event", "started");
	check(data, "task", TASK);
	check(data, "name", "nap");
	check(data, "created", "1970-01-01T00:00:00.500000Z");
	check(json_object_get(data, "labels"), "job", "ci");
	check(json_object_get(data, "labels"), "empty", "");
	assert_null(json_object_get(data, "result"));
	json_decref(o);
	free(text);
}

static json_t *result_of(size_t error_len)
{
	char *long_text = malloc(error_len + 1);
	memset(long_text, 'x', error_len);
	long_text[error_len] = '\0';
	json_t *o = json_pack("{s:s, s:{s:s}, s:{s:i, s:[{s:s}], s:b}, s:[], s:{}}", "outcome",
		"failed", "error", "message", long_text, "changes", "added", 1, "list", "path",
		"hush-hush", "truncated", 0, "degraded", "enforced");
	free(long_text);
	return o;
}

TEST(M9_names_of_changed_files_are_not_told)
{
	json_t *result = result_of(10);
	const struct webhook_facts f = {
		.event = WEBHOOK_FINISHED, .task = TASK, .result = result
	};
	char *text;
	json_t *o = body_of(&f, &text);
	const json_t *told = json_object_get(json_object_get(o, "data"), "result");
	assert_null(strstr(text, "hush-hush"));
	assert_int_equal(
		json_integer_value(json_object_get(json_object_get(told, "changes"), "added")), 1);
	check(json_object_get(told, "error"), "message", "xxxxxxxxxx");
	/* Others' result is as it was. */
	assert_non_null(json_object_get(json_object_get(result, "changes"), "list"));
	json_decref(o);
	json_decref(result);
	free(text);
}

TEST(a_body_is_never_long)
{
	json_t *result = result_of(WEBHOOK_BODY_MAX);
	const struct webhook_facts f = {
		.event = WEBHOOK_FINISHED, .task = TASK, .result = result
	};
	char *text;
	json_t *o = body_of(&f, &text);
	const json_t *told = json_object_get(json_object_get(o, "data"), "result");
	assert_true(strlen(text) < 1024);
	assert_true(json_is_null(json_object_get(told, "error")));
	check(told, "outcome", "failed");
	json_decref(o);
	json_decref(result);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(M12_an_event_has_one_id_without_a_dot),
		cmocka_unit_test(a_body_is_a_CloudEvent),
		cmocka_unit_test(M9_names_of_changed_files_are_not_told),
		cmocka_unit_test(a_body_is_never_long),
	};
	return RUN_TESTS(tests);
}
