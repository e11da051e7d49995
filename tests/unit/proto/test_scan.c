#include "proto/request_helper.h"

#include "base/limits.h"
#include "proto/scan.h"

static int scan(const char *line, struct err *e)
{
	/* Without a NUL, in its own memory: a step beyond the end is seen. */
	size_t len = strlen(line);
	auto_free char *copy = malloc(len ? len : 1);
	memcpy(copy, line, len);
	return scan_request(copy, len, e);
}

TEST(what_looks_like_an_object_passes)
{
	static const char *const good[] = { "{}", " \t\r\n{}", "{\"a\":[1,2,{\"b\":\"c\"}]}", "{",
		"{]]]]", "{\"", "{\"\\", "{\"\\\"", "{\"[[[[[[[[[[[[[[[[[[[[[[[[\"" };
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_int_equal(scan(good[i], NULL), 0);
}

TEST(what_does_not_begin_like_one_is_refused_by_its_position)
{
	struct err e;
	assert_true(scan("", &e) < 0);
	assert_string_equal(e.msg, "an empty line is not a request");
	assert_true(scan("   ", &e) < 0);
	assert_string_equal(e.msg, "an empty line is not a request");
	assert_true(scan("  [1]", &e) < 0);
	assert_string_equal(e.msg, "a request is a JSON object: expected \"{\" at byte 2");
	assert_true(scan("\xef\xbb\xbf{}", &e) < 0);
	assert_string_equal(e.msg, "the request begins with a byte order mark");
	assert_int_equal(e.code, ERR_PROTOCOL);
}

TEST(k4_depth_is_counted_outside_strings_only)
{
	char line[2 * LIMIT_REQUEST_DEPTH + 4];
	struct err e;
	memset(line, '{', sizeof(line));
	line[LIMIT_REQUEST_DEPTH] = '\0';
	assert_int_equal(scan(line, &e), 0);
	line[LIMIT_REQUEST_DEPTH] = '[';
	line[LIMIT_REQUEST_DEPTH + 1] = '\0';
	assert_true(scan(line, &e) < 0);
	assert_string_equal(e.msg, "nested over 16 deep at byte 16");
	assert_int_equal(scan("{[][][][][][][][][][][][][][][][][][][][][][]}", &e), 0);
}

TEST(k4_words_are_short)
{
	char line[200] = "{\"a\":";
	size_t start = strlen(line);
	struct err e;
	memset(line + start, '1', SCAN_WORD_MAX);
	assert_int_equal(scan(line, &e), 0);
	line[start + SCAN_WORD_MAX] = '1';
	assert_true(scan(line, &e) < 0);
	assert_non_null(strstr(e.msg, "at byte 5"));
}

TEST(k4_values_are_counted)
{
	size_t len = 2 * (size_t)SCAN_VALUES_MAX + 64;
	auto_free char *line = malloc(len);
	assert_non_null(line);
	memset(line, ',', len);
	line[0] = '{';
	assert_int_equal(scan_request(line, SCAN_VALUES_MAX, NULL), 0);
	struct err e;
	assert_true(scan_request(line, SCAN_VALUES_MAX + 1, &e) < 0);
	assert_int_equal(e.code, ERR_TOO_LARGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_looks_like_an_object_passes),
		cmocka_unit_test(what_does_not_begin_like_one_is_refused_by_its_position),
		cmocka_unit_test(k4_depth_is_counted_outside_strings_only),
		cmocka_unit_test(k4_words_are_short),
		cmocka_unit_test(k4_values_are_counted),
	};
	return RUN_TESTS(tests);
}
