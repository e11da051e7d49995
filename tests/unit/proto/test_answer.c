#include "harness.h"

#include "base/base64.h"
#include "base/str.h"
#include "proto/answer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct answer_chunk chunk = { .id = "1", .task = "t-0", .seq = 7, .stream = "stdout" };

static void cleanup_json(json_t **json)
{
	json_decref(*json);
}
#define auto_json __attribute__((cleanup(cleanup_json)))

/* The buffer as text; then it is emptied. */
static void assert_lines(struct buf *b, const char *wanted)
{
	assert_int_equal(buf_add(b, "", 1), 0);
	assert_string_equal(buf_data(b), wanted);
	buf_clear(b);
}

/* The one line in the buffer, which must be valid JSON and nothing more; then the buffer is
 * emptied. */
static json_t *take_line(struct buf *b)
{
	json_error_t why;
	assert_true(buf_len(b) > 0);
	assert_ptr_equal(memchr(buf_data(b), '\n', buf_len(b)), buf_data(b) + buf_len(b) - 1);
	json_t *json =
		json_loadb(buf_data(b), buf_len(b), JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &why);
	if (!json)
		fail_msg("%s: %.*s", why.text, (int)buf_len(b), buf_data(b));
	buf_clear(b);
	return json;
}

TEST(events_are_the_lines_of_the_protocol)
{
	struct buf b;
	buf_init(&b, 0);
	assert_int_equal(answer_accepted(&b, "1", "t-0", false), 0);
	assert_lines(&b, "{\"id\":\"1\",\"event\":\"accepted\",\"task\":\"t-0\"}\n");
	assert_int_equal(answer_state(&b, "1", "t-0", "running"), 0);
	assert_lines(
		&b, "{\"id\":\"1\",\"event\":\"state\",\"task\":\"t-0\",\"state\":\"running\"}\n");
	json_t *members = json_pack("{s:s, s:[]}", "k", "a\"b", "l"), *none = json_object();
	assert_int_equal(answer_members(&b, "1", "task", "t-0", members), 0);
	assert_lines(&b,
		"{\"id\":\"1\",\"event\":\"task\",\"task\":\"t-0\",\"k\":\"a\\\"b\",\"l\":[]}\n");
	assert_int_equal(answer_members(&b, "1", "task", NULL, none), 0);
	assert_lines(&b, "{\"id\":\"1\",\"event\":\"task\"}\n");
	json_decref(members);
	json_decref(none);
	assert_int_equal(answer_missed(&b, "1", 7), 0);
	assert_lines(&b, "{\"id\":\"1\",\"event\":\"missed\",\"missed\":7}\n");
	assert_int_equal(answer_result_text(&b, "1", NULL, "{\"x\":[]}", 8), 0);
	assert_lines(&b, "{\"id\":\"1\",\"event\":\"result\",\"result\":{\"x\":[]}}\n");
	struct err why;
	err_set(&why, ERR_OUTPUT_GONE, 0, "it is \"gone\"");
	assert_int_equal(answer_gone(&b, "1", "t-0", &why), 0);
	assert_lines(&b, "{\"id\":\"1\",\"event\":\"gone\",\"task\":\"t-0\",\"error\":{\"code\":"
			 "\"output_gone\",\"message\":\"it is \\\"gone\\\"\"}}\n");
	assert_int_equal(answer_output_header(&b, &chunk, 65536), 0);
	assert_lines(&b, "{\"id\":\"1\",\"event\":\"output\",\"task\":\"t-0\",\"seq\":7,\"stream\":"
			 "\"stdout\",\"bytes\":65536}\n");
	assert_int_equal(answer_truncated(&b, &chunk, UINT64_MAX, false), 0);
	assert_lines(&b, "{\"id\":\"1\",\"event\":\"output\",\"task\":\"t-0\",\"seq\":7,\"stream\":"
			 "\"stdout\","
			 "\"truncated\":18446744073709551615}\n");
	assert_int_equal(answer_truncated(&b, &chunk, 5, true), 0);
	assert_lines(&b, "{\"id\":\"1\",\"event\":\"output\",\"task\":\"t-0\",\"seq\":7,\"stream\":"
			 "\"stdout\",\"truncated\":5,\"at_most\":true}\n");
	buf_finish(&b);
}

TEST(lines_are_added_behind_one_another)
{
	struct buf b;
	buf_init(&b, 0);
	answer_accepted(&b, "1", "t-0", false);
	answer_accepted(&b, "2", "t-1", false);
	assert_lines(&b, "{\"id\":\"1\",\"event\":\"accepted\",\"task\":\"t-0\"}\n{\"id\":\"2\","
			 "\"event\":\"accepted\",\"task\":\"t-1\"}\n");
	buf_finish(&b);
}

static size_t output(struct buf *b, const char *data, size_t len, bool is_final)
{
	size_t used = SIZE_MAX;
	assert_int_equal(answer_output(b, &chunk, data, len, is_final, &used), 0);
	return used;
}

TEST(output_that_is_utf8_is_sent_as_text)
{
	struct buf b;
	buf_init(&b, 0);
	assert_int_equal(output(&b, "ok\n", 3, false), 3);
	assert_lines(&b, "{\"id\":\"1\",\"event\":\"output\",\"task\":\"t-0\",\"seq\":7,\"stream\":"
			 "\"stdout\",\"text\":\"ok\\n\"}\n");
	assert_int_equal(output(&b, "a\0b\"\\\x1f\t\r\x7f\xe2\x82\xac", 12, false), 12);
	auto_json json_t *json = take_line(&b);
	json_t *text = json_object_get(json, "text");
	assert_int_equal(json_string_length(text), 12);
	assert_memory_equal(json_string_value(text), "a\0b\"\\\x1f\t\r\x7f\xe2\x82\xac", 12);
	buf_finish(&b);
}

TEST(every_byte_value_comes_through)
{
	struct buf b;
	buf_init(&b, 0);
	for (int c = 0; c < 256; c++) {
		char byte = (char)c;
		assert_int_equal(output(&b, &byte, 1, true), 1);
		auto_json json_t *json = take_line(&b);
		json_t *text = json_object_get(json, "text"),
		       *base64 = json_object_get(json, "base64");
		char got[4] = "";
		size_t len = 0;
		if (c < 0x80) {
			assert_int_equal(json_string_length(text), 1);
			got[0] = json_string_value(text)[0];
		} else {
			assert_null(text);
			assert_int_equal(base64_decode(json_string_value(base64),
						 json_string_length(base64), got, &len),
				0);
			assert_int_equal(len, 1);
		}
		assert_int_equal((unsigned char)got[0], c);
	}
	buf_finish(&b);
}

TEST(output_that_is_not_utf8_is_sent_as_base64)
{
	struct buf b;
	buf_init(&b, 0);
	assert_int_equal(output(&b, "ab\xff", 3, false), 3);
	assert_lines(&b, "{\"id\":\"1\",\"event\":\"output\",\"task\":\"t-0\",\"seq\":7,\"stream\":"
			 "\"stdout\",\"base64\":\"YWL/\"}\n");
	buf_finish(&b);
}

TEST(a_character_is_never_cut_in_two)
{
	static const char data[] = "x\xf0\x9f\x98\x80y";
	struct buf b;
	buf_init(&b, 0);
	for (size_t cut = 2; cut < 5; cut++) {
		assert_int_equal(output(&b, data, cut, false), 1);
		auto_json json_t *json = take_line(&b);
		assert_string_equal(json_string_value(json_object_get(json, "text")), "x");
		assert_int_equal(output(&b, data + 1, cut - 1, false), 0);
		assert_int_equal(buf_len(&b), 0);
	}
	assert_int_equal(output(&b, data + 1, 5, false), 5);
	buf_finish(&b);
}

TEST(a_character_that_never_ends_is_sent_in_the_end)
{
	struct buf b;
	buf_init(&b, 0);
	assert_int_equal(output(&b, "\xf0\x9f\x98", 3, true), 3);
	auto_json json_t *json = take_line(&b);
	assert_string_equal(json_string_value(json_object_get(json, "base64")), "8J+Y");
	assert_int_equal(output(&b, "", 0, true), 0);
	assert_int_equal(buf_len(&b), 0);
	buf_finish(&b);
}

TEST(streams_cut_anywhere_come_back_whole)
{
	static const char data[] =
		"na\xc3\xafve \xe2\x82\xac\xe2\x82\xac \xf0\x9f\x98\x80\xf0\x9f\x98\x80 end";
	size_t len = sizeof(data) - 1;
	struct buf b;
	buf_init(&b, 0);
	for (size_t step = 1; step <= len; step++) {
		char got[64] = "", held[64];
		size_t n_got = 0, n_held = 0;
		for (size_t at = 0; at < len; at += step) {
			size_t n = len - at < step ? len - at : step;
			memcpy(held + n_held, data + at, n);
			n_held += n;
			size_t used = output(&b, held, n_held, false);
			if (used) {
				auto_json json_t *json = take_line(&b);
				json_t *text = json_object_get(json, "text");
				assert_int_equal(json_string_length(text), used);
				memcpy(got + n_got, json_string_value(text), used);
				n_got += used;
			}
			memmove(held, held + used, n_held - used);
			n_held -= used;
		}
		assert_int_equal(n_held, 0);
		assert_int_equal(n_got, len);
		assert_memory_equal(got, data, len);
	}
	buf_finish(&b);
}

TEST(the_end_of_a_chunk_is_found_without_reading_it_all)
{
	static const struct {
		const char *data;
		size_t len, whole;
	} samples[] = {
		{ "", 0, 0 },
		{ "abc", 3, 3 },
		{ "ab\xc3", 3, 2 },
		{ "ab\xc3\xa9", 4, 4 },
		{ "\xe2\x82", 2, 0 },
		{ "a\xe2\x82\xac", 4, 4 },
		{ "a\xf0\x9f\x98", 4, 1 },
		{ "a\xf0\x9f", 3, 1 },
		{ "a\xf0", 2, 1 },
		{ "\xf0\x9f\x98\x80", 4, 4 },
		/* no character at all: nothing is gained by waiting */
		{ "a\xff", 2, 2 },
		{ "a\x80", 2, 2 },
		{ "a\x80\x80\x80\x80", 5, 5 },
		{ "\xc0", 1, 1 },
		{ "\xed\xa0", 2, 2 },
	};
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++)
		assert_int_equal(
			answer_whole_chars(samples[i].data, samples[i].len), samples[i].whole);
}

TEST(tags_and_names_are_escaped)
{
	struct buf b;
	buf_init(&b, 0);
	assert_int_equal(answer_state(&b, "a\"\\\n\x01\xc3\xa9", "t\"", "x\ty"), 0);
	auto_json json_t *json = take_line(&b);
	assert_string_equal(json_string_value(json_object_get(json, "id")), "a\"\\\n\x01\xc3\xa9");
	assert_string_equal(json_string_value(json_object_get(json, "task")), "t\"");
	assert_string_equal(json_string_value(json_object_get(json, "state")), "x\ty");
	buf_finish(&b);
}

TEST(text_that_is_not_utf8_is_repaired)
{
	static const struct {
		const char *in, *out;
	} samples[] = {
		{ "a\xff"
		  "b",
			"a\xef\xbf\xbd"
			"b" },
		{ "\xc3", "\xef\xbf\xbd" },
		{ "\xe2\x82", "\xef\xbf\xbd\xef\xbf\xbd" },
		{ "\xc3\xa9\x80", "\xc3\xa9\xef\xbf\xbd" },
		{ "\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
	};
	struct buf b;
	buf_init(&b, 0);
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		assert_int_equal(answer_accepted(&b, samples[i].in, "t-0", false), 0);
		auto_json json_t *json = take_line(&b);
		assert_string_equal(json_string_value(json_object_get(json, "id")), samples[i].out);
	}
	buf_finish(&b);
}

TEST(a_result_is_sent_with_or_without_a_task)
{
	struct buf b;
	buf_init(&b, 0);
	auto_json json_t *result =
		json_pack("{s:s,s:n,s:[i]}", "state", "done", "result", "list", 1);
	assert_int_equal(answer_result(&b, "1", "t-0", result), 0);
	assert_lines(&b, "{\"id\":\"1\",\"event\":\"result\",\"task\":\"t-0\",\"result\":{"
			 "\"state\":\"done\",\"result\":null,\"list\":[1]}}\n");
	assert_int_equal(answer_result(&b, "1", NULL, result), 0);
	assert_lines(&b, "{\"id\":\"1\",\"event\":\"result\",\"result\":{\"state\":\"done\","
			 "\"result\":null,\"list\":[1]}}\n");
	buf_finish(&b);
}

TEST(an_error_has_only_the_members_that_are_set)
{
	struct buf b;
	struct err e;
	buf_init(&b, 0);
	err_set(&e, ERR_BUSY, 0, "full");
	assert_int_equal(answer_error(&b, NULL, &e), 0);
	assert_lines(&b, "{\"id\":null,\"event\":\"error\",\"error\":{\"code\":\"busy\","
			 "\"message\":\"full\"}}\n");
	err_set(&e, ERR_SETUP, EPERM, "mount");
	strncpy(e.step, "overlay-root", sizeof(e.step) - 1);
	strncpy(e.field, "task.image", sizeof(e.field) - 1);
	err_hint(&e, "look \"here\"");
	assert_int_equal(answer_error(&b, "1", &e), 0);
	assert_lines(&b, "{\"id\":\"1\",\"event\":\"error\",\"error\":{\"code\":\"setup_failed\","
			 "\"message\":\"mount: Operation not permitted\","
			 "\"field\":\"task.image\",\"errno\":1,\"step\":\"overlay-root\",\"hint\":"
			 "\"look \\\"here\\\"\"}}\n");
	buf_finish(&b);
}

TEST(an_error_as_a_value_is_the_same_as_in_a_line)
{
	struct buf b;
	struct err e;
	buf_init(&b, 0);
	err_set(&e, ERR_SETUP, EPERM, "mount \xff");
	strncpy(e.step, "overlay-root", sizeof(e.step) - 1);
	err_hint(&e, "h");
	assert_int_equal(answer_error(&b, "1", &e), 0);
	auto_json json_t *line = take_line(&b);
	auto_json json_t *value = answer_error_json(&e);
	assert_true(json_equal(value, json_object_get(line, "error")));
	buf_finish(&b);
}

typedef int (*answer_fn)(struct buf *b);

static int make_accepted(struct buf *b)
{
	return answer_accepted(b, "1", "t-0", false);
}

static int make_text(struct buf *b)
{
	size_t used;
	return answer_output(b, &chunk, "text\n\"", 6, true, &used);
}

static int make_base64(struct buf *b)
{
	size_t used;
	return answer_output(b, &chunk, "\xff\xfe\xfd", 3, true, &used);
}

static int make_result(struct buf *b)
{
	auto_json json_t *result = json_pack("{s:s}", "state", "done");
	return answer_result(b, "\xff", NULL, result);
}

static int make_error(struct buf *b)
{
	struct err e;
	err_set(&e, ERR_SETUP, EPERM, "\xff");
	return answer_error(b, "1", &e);
}

TEST(a_line_for_which_there_is_no_room_is_not_begun)
{
	static const answer_fn makers[] = { make_accepted, make_text, make_base64, make_result,
		make_error };
	for (size_t i = 0; i < ARRAY_SIZE(makers); i++) {
		struct buf all;
		buf_init(&all, 0);
		assert_int_equal(makers[i](&all), 0);
		for (size_t max = 4; max < buf_len(&all) + 4; max++) {
			struct buf b;
			buf_init(&b, max);
			buf_add(&b, "keep", 4);
			buf_consume(&b, 2);
			int r = makers[i](&b);
			if (max - 2 < buf_len(&all)) {
				assert_int_equal(r, -ENOBUFS);
				assert_int_equal(buf_len(&b), 2);
			}
			assert_memory_equal(buf_data(&b), "ep", 2);
			buf_finish(&b);
		}
		buf_finish(&all);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(events_are_the_lines_of_the_protocol),
		cmocka_unit_test(lines_are_added_behind_one_another),
		cmocka_unit_test(output_that_is_utf8_is_sent_as_text),
		cmocka_unit_test(every_byte_value_comes_through),
		cmocka_unit_test(output_that_is_not_utf8_is_sent_as_base64),
		cmocka_unit_test(a_character_is_never_cut_in_two),
		cmocka_unit_test(a_character_that_never_ends_is_sent_in_the_end),
		cmocka_unit_test(streams_cut_anywhere_come_back_whole),
		cmocka_unit_test(the_end_of_a_chunk_is_found_without_reading_it_all),
		cmocka_unit_test(tags_and_names_are_escaped),
		cmocka_unit_test(text_that_is_not_utf8_is_repaired),
		cmocka_unit_test(a_result_is_sent_with_or_without_a_task),
		cmocka_unit_test(an_error_has_only_the_members_that_are_set),
		cmocka_unit_test(an_error_as_a_value_is_the_same_as_in_a_line),
		cmocka_unit_test(a_line_for_which_there_is_no_room_is_not_begun),
	};
	return RUN_TESTS(tests);
}
