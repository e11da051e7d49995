#include "harness.h"

#include "base/fd.h"
#include "client/canned.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

struct fixture {
	struct dayfly_client *c;
	int peer;
	uint64_t request;
	struct dayfly_error e;
	char heard[4096];
};

static void begin(struct fixture *f)
{
	memset(f, 0, sizeof(*f));
	f->c = canned_client(&f->peer);
}

static void end(struct fixture *f)
{
	dayfly_client_free(f->c);
	fd_close(&f->peer);
}

/* The next line that the client sent is this JSON, whatever the order of its members. */
static void expect(struct fixture *f, const char *json)
{
	canned_hear(f->peer, f->heard, sizeof(f->heard), NULL, NULL);
	json_t *want = json_loads(json, 0, NULL);
	json_t *got = json_loads(f->heard, 0, NULL);
	assert_non_null(want);
	assert_non_null(got);
	if (!json_equal(want, got))
		fail_msg("sent %s, not %s", f->heard, json);
	json_decref(want);
	json_decref(got);
}

TEST(each_request_is_one_line_with_its_own_tag)
{
	struct fixture f;
	begin(&f);
	assert_int_equal(dayfly_ping(f.c, &f.request, &f.e), 0);
	assert_int_equal(f.request, 1);
	expect(&f, "{\"op\":\"ping\",\"id\":\"1\"}");
	assert_int_equal(dayfly_info(f.c, NULL, NULL), 0);
	expect(&f, "{\"op\":\"info\",\"id\":\"2\"}");
	assert_int_equal(dayfly_list(f.c, 1, "k=v", &f.request, &f.e), 0);
	expect(&f, "{\"op\":\"list\",\"id\":\"3\",\"all\":true,\"label\":\"k=v\"}");
	assert_int_equal(f.request, 3);
	assert_int_equal(dayfly_list(f.c, 0, NULL, NULL, NULL), 0);
	expect(&f, "{\"op\":\"list\",\"id\":\"4\",\"all\":false}");
	assert_int_equal(dayfly_inspect(f.c, "x", NULL, NULL), 0);
	expect(&f, "{\"op\":\"inspect\",\"id\":\"5\",\"task\":\"x\"}");
	assert_int_equal(dayfly_cancel(f.c, "x", NULL, NULL), 0);
	expect(&f, "{\"op\":\"cancel\",\"id\":\"6\",\"task\":\"x\"}");
	assert_int_equal(dayfly_signal(f.c, "x", "INT", NULL, NULL), 0);
	expect(&f, "{\"op\":\"signal\",\"id\":\"7\",\"task\":\"x\",\"signal\":\"INT\"}");
	assert_int_equal(dayfly_resize(f.c, "x", 24, 80, NULL, NULL), 0);
	expect(&f, "{\"op\":\"resize\",\"id\":\"8\",\"task\":\"x\",\"rows\":24,\"cols\":80}");
	assert_int_equal(dayfly_wait(f.c, "x", NULL, NULL), 0);
	expect(&f, "{\"op\":\"wait\",\"id\":\"9\",\"task\":\"x\"}");
	assert_int_equal(dayfly_attach(f.c, "x", 5, NULL, NULL), 0);
	expect(&f,
		"{\"op\":\"attach\",\"id\":\"10\",\"task\":\"x\",\"after\":5,\"framing\":\"raw\"}");
	dayfly_client_set_framing(f.c, DAYFLY_FRAMING_JSON);
	assert_int_equal(dayfly_logs(f.c, "x", 0, 1, NULL, NULL), 0);
	expect(&f, "{\"op\":\"logs\",\"id\":\"11\",\"task\":\"x\",\"after\":0,\"follow\":true,"
		   "\"framing\":\"json\"}");
	assert_int_equal(
		dayfly_events(f.c, DAYFLY_EVENTS_ALL_USERS, "k=v", "x", &f.request, &f.e), 0);
	expect(&f, "{\"op\":\"events\",\"id\":\"12\",\"all\":true,\"snapshot\":false,"
		   "\"label\":\"k=v\",\"task\":\"x\"}");
	assert_int_equal(dayfly_events(f.c, DAYFLY_EVENTS_SNAPSHOT, NULL, NULL, NULL, NULL), 0);
	expect(&f, "{\"op\":\"events\",\"id\":\"13\",\"all\":false,\"snapshot\":true}");
	assert_int_equal(dayfly_unsubscribe(f.c, f.request, NULL, NULL), 0);
	expect(&f, "{\"op\":\"unsubscribe\",\"id\":\"14\",\"request\":\"12\"}");
	assert_int_equal(dayfly_list_usage(f.c, 0, "k", NULL, NULL), 0);
	expect(&f, "{\"op\":\"list\",\"id\":\"15\",\"all\":false,\"usage\":true,\"label\":\"k\"}");
	static const char *const filters[] = { "outcome=failed", "label=team=ci", "limit=5",
		"uid=1000", "all=true", "before=1.2", NULL };
	assert_int_equal(dayfly_history(f.c, filters, &f.request, &f.e), 0);
	expect(&f, "{\"op\":\"history\",\"id\":\"16\",\"outcome\":\"failed\",\"label\":\"team=ci\","
		   "\"limit\":5,\"uid\":1000,\"all\":true,\"before\":\"1.2\"}");
	assert_int_equal(dayfly_history(f.c, NULL, NULL, NULL), 0);
	expect(&f, "{\"op\":\"history\",\"id\":\"17\"}");
	assert_int_equal(dayfly_uploads(f.c, "x", 1, &f.request, &f.e), 0);
	expect(&f, "{\"op\":\"uploads\",\"id\":\"18\",\"watch\":true,\"task\":\"x\"}");
	assert_int_equal(dayfly_uploads(f.c, NULL, 0, &f.request, &f.e), 0);
	expect(&f, "{\"op\":\"uploads\",\"id\":\"19\",\"watch\":false}");
	static const char *const odd[] = { "outcome", "=x", "limit=many", "limit=-1",
		"uid=", "a_name_that_is_far_too_long_for_any_field=1" };
	for (size_t i = 0; i < ARRAY_SIZE(odd); i++) {
		const char *const one[] = { odd[i], NULL };
		assert_int_equal(dayfly_history(f.c, one, NULL, &f.e), -EINVAL);
	}
	end(&f);
}

TEST(input_goes_as_raw_bytes_after_its_line)
{
	struct fixture f;
	begin(&f);
	assert_int_equal(dayfly_input(f.c, "x", "a\0\xff", 3, 0, &f.request, &f.e), 0);
	canned_hear(f.peer, f.heard, sizeof(f.heard), NULL, NULL);
	const char *newline = strchr(f.heard, '\n');
	assert_non_null(newline);
	assert_memory_equal(newline + 1, "a\0\xff", 3);
	json_t *line = json_loadb(f.heard, (size_t)(newline - f.heard), 0, NULL);
	assert_int_equal(json_integer_value(json_object_get(line, "bytes")), 3);
	assert_null(json_object_get(line, "eof"));
	json_decref(line);
	assert_int_equal(dayfly_input(f.c, "x", NULL, 0, 1, NULL, NULL), 0);
	expect(&f, "{\"op\":\"input\",\"id\":\"2\",\"task\":\"x\",\"eof\":true}");
	static char many[DAYFLY_INPUT_MAX + 1];
	assert_int_equal(dayfly_input(f.c, "x", many, sizeof(many), 0, NULL, &f.e), -E2BIG);
	end(&f);
}

TEST(bad_text_is_refused_before_anything_is_sent)
{
	struct fixture f;
	begin(&f);
	assert_int_equal(dayfly_inspect(f.c, "\xff", NULL, &f.e), -EILSEQ);
	assert_int_equal(dayfly_inspect(f.c, NULL, NULL, &f.e), -EINVAL);
	assert_int_equal(dayfly_signal(f.c, "x", "\xc0", NULL, &f.e), -EILSEQ);
	assert_int_equal(dayfly_list(f.c, 0, "\xff", NULL, NULL), -EILSEQ);
	assert_int_equal(dayfly_ping(f.c, &f.request, &f.e), 0);
	assert_int_equal(f.request, 1);
	expect(&f, "{\"op\":\"ping\",\"id\":\"1\"}");
	end(&f);
}

TEST(run_carries_the_task)
{
	static const char *const argv[] = { "echo", "h\303\244", NULL };
	struct fixture f;
	struct dayfly_task *t = dayfly_task_new();
	begin(&f);
	assert_int_equal(dayfly_task_set_argv(t, argv), 0);
	assert_int_equal(dayfly_run(f.c, t, 0, NULL, &f.e), 0);
	expect(&f, "{\"op\":\"run\",\"id\":\"1\",\"framing\":\"raw\",\"task\":{\"argv\":[\"echo\","
		   "\"h\303\244\"]}}");
	assert_int_equal(dayfly_run(f.c, t, DAYFLY_RUN_DETACH, NULL, &f.e), 0);
	expect(&f, "{\"op\":\"run\",\"id\":\"2\",\"framing\":\"raw\",\"detach\":true,\"task\":{"
		   "\"argv\":[\"echo\",\"h\303\244\"]}}");
	dayfly_task_free(t);
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_request_is_one_line_with_its_own_tag),
		cmocka_unit_test(input_goes_as_raw_bytes_after_its_line),
		cmocka_unit_test(bad_text_is_refused_before_anything_is_sent),
		cmocka_unit_test(run_carries_the_task),
	};
	return RUN_TESTS(tests);
}
