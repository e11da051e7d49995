/* What a task changed, as JSON. */
#include "harness.h"

#include "plan/change_list.h"
#include "task/result.h"

#include "base/limits.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* As the pieces come from the warden. */
static void add(struct task_result *r, const void *data, size_t len)
{
	struct wire_event ev;
	for (size_t at = 0; at < len;) {
		size_t n = len - at < 10 ? len - at : 10;
		wire_event_init(&ev, WIRE_CHANGES, 1);
		ev.changes.len = (uint32_t)n;
		memcpy(ev.changes.data, (const char *)data + at, n);
		result_add_changes(r, &ev);
		at += n;
	}
}

static void put(struct task_result *r, enum change_kind kind, const char *path)
{
	const struct change_entry c = { kind, CHANGE_FILE, 0640, 5, path };
	struct buf b;
	buf_init(&b, LIMIT_CHANGES_LIST_BYTES);
	assert_int_equal(change_list_put(&b, &c), 0);
	add(r, buf_data(&b), buf_len(&b));
	buf_finish(&b);
}

static void end(struct task_result *r, bool is_known)
{
	struct wire_event ev;
	wire_event_init(&ev, WIRE_GONE, 1);
	ev.gone.has_changes = is_known;
	ev.gone.changes_bytes = is_known ? 10 : 0;
	ev.gone.changes_errnum = is_known ? 0 : ETIME;
	result_set_gone(r, &ev);
}

static char *text_of(const struct task_result *r, const char *key)
{
	json_t *j = result_changes_to_json(r);
	assert_non_null(j);
	char *text = json_dumps(json_object_get(j, key), JSON_COMPACT | JSON_ENCODE_ANY);
	assert_non_null(text);
	json_decref(j);
	return text;
}

static void expect(const struct task_result *r, const char *key, const char *wanted)
{
	char *text = text_of(r, key);
	assert_string_equal(text, wanted);
	free(text);
}

TEST(the_list_is_in_the_order_of_the_names)
{
	struct task_result *r = result_create();
	put(r, CHANGE_MODIFIED, "b");
	put(r, CHANGE_ADDED, "a");
	put(r, CHANGE_DELETED, "a");
	end(r, true);
	expect(r, "list",
		"[{\"change\":\"deleted\",\"type\":\"file\",\"mode\":\"0640\",\"bytes\":5,\"path\":"
		"\"a\"},"
		"{\"change\":\"added\",\"type\":\"file\",\"mode\":\"0640\",\"bytes\":5,\"path\":"
		"\"a\"},"
		"{\"change\":\"modified\",\"type\":\"file\",\"mode\":\"0640\",\"bytes\":5,"
		"\"path\":\"b\"}]");
	expect(r, "bytes", "10");
	expect(r, "truncated", "false");
	expect(r, "error", "null");
	result_destroy(r);
}

TEST(a_name_that_is_no_text_is_told_as_base64)
{
	struct task_result *r = result_create();
	put(r, CHANGE_ADDED, "x\xff\n");
	put(r, CHANGE_ADDED, "line\nfeed");
	end(r, true);
	char *text = text_of(r, "list");
	assert_non_null(strstr(text, "\"path\":\"line\\nfeed\""));
	assert_non_null(strstr(text, "\"path_base64\":\"eP8K\""));
	free(text);
	result_destroy(r);
}

TEST(what_is_not_known_is_null_and_says_why)
{
	struct task_result *r = result_create();
	put(r, CHANGE_ADDED, "a");
	end(r, false);
	expect(r, "list", "null");
	expect(r, "bytes", "null");
	expect(r, "truncated", "null");
	expect(r, "error", "\"looking at them took too long\"");
	result_destroy(r);
}

TEST(a_list_of_nonsense_or_of_any_length_is_cut)
{
	struct task_result *r = result_create();
	char nonsense[64];
	memset(nonsense, 0xee, sizeof(nonsense));
	put(r, CHANGE_ADDED, "a");
	add(r, nonsense, sizeof(nonsense));
	end(r, true);
	char *text = text_of(r, "list");
	assert_non_null(strstr(text, "\"path\":\"a\"}]"));
	free(text);
	for (size_t i = 0; i < LIMIT_CHANGES_LIST_BYTES; i++)
		add(r, nonsense, sizeof(nonsense));
	assert_true(buf_len(&r->changes_list) <= LIMIT_CHANGES_LIST_BYTES);
	expect(r, "truncated", "true");
	result_destroy(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_list_is_in_the_order_of_the_names),
		cmocka_unit_test(a_name_that_is_no_text_is_told_as_base64),
		cmocka_unit_test(what_is_not_known_is_null_and_says_why),
		cmocka_unit_test(a_list_of_nonsense_or_of_any_length_is_cut),
	};
	return RUN_TESTS(tests);
}
