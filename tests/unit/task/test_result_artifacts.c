/* What was kept of a task's files, as JSON. */
#include "harness.h"

#include "plan/artifact_list.h"
#include "task/result.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct task_result *asked_for(void)
{
	struct plan_artifact files[] = { { .glob = (char *)"a*", .is_required = true },
		{ .glob = (char *)"b" } };
	const struct plan p = { .artifacts = files, .n_artifacts = 2 };
	struct task_result *r = result_create();
	assert_non_null(r);
	assert_int_equal(result_want_artifacts(r, &p), 0);
	return r;
}

static void add(struct task_result *r, const struct artifact_item *item)
{
	struct wire_event ev;
	struct buf b;
	buf_init(&b, 1000);
	assert_int_equal(artifact_list_put(&b, item), 0);
	wire_event_init(&ev, WIRE_ARTIFACTS, 1);
	ev.changes.len = (uint32_t)buf_len(&b);
	memcpy(ev.changes.data, buf_data(&b), buf_len(&b));
	result_add_artifacts(r, &ev);
	buf_finish(&b);
}

static void end(struct task_result *r, uint32_t unmet, int errnum)
{
	struct wire_event ev;
	wire_event_init(&ev, WIRE_GONE, 1);
	ev.gone.has_artifacts = 1;
	ev.gone.artifacts_count = 1;
	ev.gone.artifacts_bytes = 3;
	ev.gone.artifacts_archive_bytes = 2048;
	ev.gone.artifacts_unmet = unmet;
	ev.gone.artifacts_errnum = errnum;
	result_set_gone(r, &ev);
}

static void expect(const struct task_result *r, const char *key, const char *wanted)
{
	json_t *j = result_artifacts_to_json(r);
	assert_non_null(j);
	char *text = json_dumps(
		json_object_get(j, key), JSON_COMPACT | JSON_ENCODE_ANY | JSON_SORT_KEYS);
	assert_non_null(text);
	assert_string_equal(text, wanted);
	free(text);
	json_decref(j);
}

TEST(nothing_asked_for_is_null)
{
	struct task_result *r = result_create();
	json_t *j = result_artifacts_to_json(r);
	assert_true(json_is_null(j));
	assert_false(result_lacks_artifacts(r));
	json_decref(j);
	result_destroy(r);
}

TEST(files_stand_in_the_order_of_their_names)
{
	struct task_result *r = asked_for();
	add(r, &(struct artifact_item){ .error = ARTIFACT_NOT_REGULAR, .path = (char *)"a\xff" });
	add(r, &(struct artifact_item){ .mode = 0640, .bytes = 3, .path = (char *)"a" });
	end(r, 2, 0);
	expect(r, "list",
		"[{\"bytes\":3,\"error\":null,\"mode\":\"0640\",\"path\":\"a\",\"sha256\":"
		"\"0000000000000000000000000000000000000000000000000000000000000000\"},"
		"{\"bytes\":null,\"error\":\"not a regular file\",\"mode\":null,\"path_base64\":"
		"\"Yf8=\",\"sha256\":null}]");
	expect(r, "missing", "[]");
	expect(r, "count", "1");
	expect(r, "archive_bytes", "2048");
	expect(r, "error", "null");
	assert_false(result_lacks_artifacts(r));
	result_destroy(r);
}

TEST(what_is_required_and_not_there_is_missing)
{
	struct task_result *r = asked_for();
	assert_true(result_lacks_artifacts(r));
	expect(r, "count", "null");
	expect(r, "missing", "[\"a*\"]");
	end(r, 3, ETIME);
	assert_true(result_lacks_artifacts(r));
	expect(r, "missing", "[\"a*\"]");
	expect(r, "error", "\"it took too long\"");
	result_destroy(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_asked_for_is_null),
		cmocka_unit_test(files_stand_in_the_order_of_their_names),
		cmocka_unit_test(what_is_required_and_not_there_is_missing),
	};
	return RUN_TESTS(tests);
}
