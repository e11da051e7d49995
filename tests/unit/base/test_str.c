#include "harness.h"

#include "base/limits.h"
#include "base/str.h"

#include <string.h>

TEST(distance_counts_single_edits)
{
	assert_int_equal(str_distance("", ""), 0);
	assert_int_equal(str_distance("abc", "abc"), 0);
	assert_int_equal(str_distance("", "abc"), 3);
	assert_int_equal(str_distance("memory", "memry"), 1);
	assert_int_equal(str_distance("memory", "memroy"), 1);
	assert_int_equal(str_distance("kitten", "sitting"), 3);
	assert_int_equal(str_distance("ab", "ba"), 1);
}

TEST(distance_to_a_very_long_word_is_not_computed)
{
	char big[100];
	memset(big, 'a', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	assert_true(str_distance(big, "a") == SIZE_MAX);
	assert_true(str_distance("a", big) == SIZE_MAX);
	big[64] = '\0';
	assert_int_equal(str_distance(big, "a"), 63);
	assert_int_equal(str_distance("a", big), 63);
}

TEST(the_nearest_name_is_offered_only_when_it_is_near)
{
	static const char *const names[] = { "memory", "cpus", "pids", "wall" };
	assert_string_equal(str_nearest("memroy", names, 4), "memory");
	assert_string_equal(str_nearest("pid", names, 4), "pids");
	assert_null(str_nearest("network", names, 4));
	assert_null(str_nearest("xy", names, 4));
	assert_null(str_nearest("memory", names, 0));
}

struct text {
	const char *bytes;
	size_t len, prefix;
};
#define T(s, p)                                                                                    \
	{                                                                                          \
		s, sizeof(s) - 1, p                                                                \
	}

TEST(k4_utf8_is_judged_strictly)
{
	static const struct text texts[] = {
		T("", 0),
		T("plain", 5),
		T("a\0b", 3),
		T("\xc3\xa9", 2),
		T("\xe2\x82\xac", 3),
		T("\xf0\x9f\x98\x80", 4),
		T("\xf4\x8f\xbf\xbf", 4),
		T("\xed\x9f\xbf", 3),
		T("\xee\x80\x80", 3),
		/* cut off at the end */
		T("a\xc3", 1),
		T("a\xe2\x82", 1),
		T("a\xe2", 1),
		T("\xf0\x9f\x98", 0),
		T("\xf0", 0),
		/* stray, overlong, surrogates, too high, never used */
		T("\x80", SIZE_MAX),
		T("a\xbf", SIZE_MAX),
		T("\xc0\x80", SIZE_MAX),
		T("\xc1\xbf", SIZE_MAX),
		T("\xe0\x80\x80", SIZE_MAX),
		T("\xe0\x9f\xbf", SIZE_MAX),
		T("\xf0\x80\x80\x80", SIZE_MAX),
		T("\xf0\x8f\xbf\xbf", SIZE_MAX),
		T("\xed\xa0\x80", SIZE_MAX),
		T("\xed\xbf\xbf", SIZE_MAX),
		T("\xf4\x90\x80\x80", SIZE_MAX),
		T("\xf5\x80\x80\x80", SIZE_MAX),
		T("\xff", SIZE_MAX),
		T("\xfe", SIZE_MAX),
		T("\xc3(", SIZE_MAX),
		T("\xe2\x82(", SIZE_MAX),
		T("\xe2(\xa1", SIZE_MAX),
		/* a bad second byte is bad even when the end is near */
		T("\xe0\x80", SIZE_MAX),
		T("\xed\xa0", SIZE_MAX),
		T("\xf4\x90", SIZE_MAX),
	};
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		if (str_utf8_prefix(texts[i].bytes, texts[i].len) != texts[i].prefix)
			fail_msg("text %zu", i);
		assert_int_equal(
			str_is_utf8(texts[i].bytes, texts[i].len), texts[i].prefix == texts[i].len);
	}
}

TEST(long_text_is_judged_like_short_text)
{
	char buf[300];
	for (size_t at = 0; at < sizeof(buf) - 4; at++) {
		memset(buf, 'x', sizeof(buf));
		memcpy(buf + at, "\xf0\x9f\x98\x80", 4);
		assert_true(str_is_utf8(buf, sizeof(buf)));
		buf[at] = '\x80';
		assert_true(str_utf8_prefix(buf, sizeof(buf)) == SIZE_MAX);
		memset(buf, 'x', sizeof(buf));
		buf[at] = '\xe2';
		assert_int_equal(str_utf8_prefix(buf, at + 1), at);
	}
}

TEST(a_prefix_is_recognised)
{
	assert_true(str_starts("abc", ""));
	assert_true(str_starts("abc", "ab"));
	assert_false(str_starts("abc", "abcd"));
	assert_false(str_starts("", "a"));
}

TEST(a16_names_are_letters_digits_and_three_marks)
{
	static const char *const good[] = { "a", "A", "7", "a.b", "a-b_c.d", "0day", "build-42" };
	static const char *const bad[] = { "", ".", "..", "-rf", "_x", ".x", "a/b", "a b", "a\n",
		"x\n", "a\x7f", "\xc3\xa9", "a:b", "a*", "~", "a\\" };
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_true(str_is_name(good[i], LIMIT_NAME_BYTES));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(str_is_name(bad[i], LIMIT_NAME_BYTES));
}

TEST(a16_names_have_a_longest)
{
	char name[4098];
	memset(name, 'a', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_false(str_is_name(name, LIMIT_NAME_BYTES));
	name[LIMIT_NAME_BYTES + 1] = '\0';
	assert_false(str_is_name(name, LIMIT_NAME_BYTES));
	name[LIMIT_NAME_BYTES] = '\0';
	assert_true(str_is_name(name, LIMIT_NAME_BYTES));
}

TEST(j19_escaped_text_has_no_control_bytes)
{
	char out[64];
	str_escape("a\nb\x1b[0m\x7f\\", 9, out, sizeof(out));
	assert_string_equal(out, "a\\x0ab\\x1b[0m\\x7f\\x5c");
	str_escape("", 0, out, sizeof(out));
	assert_string_equal(out, "");
	/* CSI as one character of UTF-8; what only begins like it stays, but for half a character.
	 */
	str_escape("\xc2\x9b"
		   "2J\xc2\xa9\xc2",
		7, out, sizeof(out));
	assert_string_equal(out, "\\xc2\\x9b2J\xc2\xa9\\xc2");
	str_escape("a\0b", 3, out, sizeof(out));
	assert_string_equal(out, "a\\x00b");
}

TEST(j19_escaped_text_has_nothing_that_a_terminal_obeys)
{
	static const struct {
		const char *text, *escaped;
	} cases[] = {
		{ "a\xc2\x9b"
		  "31m",
			"a\\xc2\\x9b31m" }, /* U+009B, CSI in one character */
		{ "\xc2\xa0\xc3\xa9\xe2\x82\xac", "\xc2\xa0\xc3\xa9\xe2\x82\xac" },
		{ "\x9b"
		  "31m",
			"\\x9b31m" }, /* the same to a terminal of 8 bits */
		{ "a\xe2\x80\xae"
		  "b",
			"a\\xe2\\x80\\xaeb" }, /* written from right to left */
		{ "\xe2\x81\xa6", "\\xe2\\x81\\xa6" },
		{ "\xe2\x80\xa8", "\\xe2\\x80\\xa8" },
		{ "cut \xe2\x82", "cut \\xe2\\x82" },
	};
	char out[64];
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		str_escape(cases[i].text, strlen(cases[i].text), out, sizeof(out));
		assert_string_equal(out, cases[i].escaped);
	}
	/* Long text ends between characters. */
	str_escape("\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac", 9, out, 13);
	assert_string_equal(out, "\xe2\x82\xac\xe2\x82\xac...");
}

TEST(j19_escaped_json_says_the_same)
{
	static const char in[] =
		"{\"a\": \"\\u001b \x7f \xc2\x9b \xe2\x80\xae \xe2\x82\xac \xc3\xa9\"}\n";
	char *out = str_escape_json(in);
	assert_string_equal(
		out, "{\"a\": \"\\u001b \\u007F \\u009B \\u202E \xe2\x82\xac \xc3\xa9\"}\n");
	free(out);
	out = str_escape_json("\x7f\x7f\x7f");
	assert_string_equal(out, "\\u007F\\u007F\\u007F");
	free(out);
}

TEST(escaped_text_never_leaves_its_room)
{
	char big[200];
	memset(big, '\n', sizeof(big));
	for (size_t size = 1; size < 100; size++) {
		char out[101];
		memset(out, '#', sizeof(out));
		str_escape(big, sizeof(big), out, size);
		assert_int_equal(out[size], '#');
		assert_true(memchr(out, '\0', size) != NULL);
	}
	char same[101];
	str_escape("abc", 3, same, 16);
	assert_string_equal(same, "abc");
}

TEST(string_arrays_grow_and_are_copied_deep)
{
	char **v = NULL;
	assert_int_equal(strv_len(v), 0);
	assert_int_equal(strv_add(&v, "one"), 0);
	assert_int_equal(strv_add(&v, "two"), 0);
	assert_int_equal(strv_len(v), 2);
	char **copy = strv_copy(v);
	assert_int_equal(strv_len(copy), 2);
	assert_string_equal(copy[1], "two");
	assert_ptr_not_equal(copy[1], v[1]);
	assert_null(copy[2]);
	strv_free(v);
	strv_free(copy);
	char **none = strv_copy(NULL);
	assert_non_null(none);
	assert_null(none[0]);
	strv_free(none);
	strv_free(NULL);
}

static void expect_lines(const char *text, size_t len, const char *const *wanted)
{
	const char *line;
	size_t n;
	while ((line = str_next_line(&text, &len, &n))) {
		assert_non_null(*wanted);
		assert_int_equal(n, strlen(*wanted));
		assert_memory_equal(line, *wanted, n);
		wanted++;
	}
	assert_null(*wanted);
	assert_int_equal(len, 0);
}

TEST(lines_come_without_what_is_blank_at_their_ends)
{
	static const char text[] = " a b\t\r\n\n \t\r\nc\r\nd";
	expect_lines(text, strlen(text), (const char *const[]){ "a b", "", "", "c", "d", NULL });
	expect_lines(text, 5, (const char *const[]){ "a b", NULL });
	expect_lines("x\n", 2, (const char *const[]){ "x", NULL });
	expect_lines("", 0, (const char *const[]){ NULL });
}

TEST(a_zero_byte_is_no_blank)
{
	const char *text = "a\0";
	size_t len = 2, n;
	assert_non_null(str_next_line(&text, &len, &n));
	assert_int_equal(n, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(distance_counts_single_edits),
		cmocka_unit_test(distance_to_a_very_long_word_is_not_computed),
		cmocka_unit_test(the_nearest_name_is_offered_only_when_it_is_near),
		cmocka_unit_test(k4_utf8_is_judged_strictly),
		cmocka_unit_test(long_text_is_judged_like_short_text),
		cmocka_unit_test(a_prefix_is_recognised),
		cmocka_unit_test(a16_names_are_letters_digits_and_three_marks),
		cmocka_unit_test(a16_names_have_a_longest),
		cmocka_unit_test(j19_escaped_text_has_no_control_bytes),
		cmocka_unit_test(j19_escaped_text_has_nothing_that_a_terminal_obeys),
		cmocka_unit_test(j19_escaped_json_says_the_same),
		cmocka_unit_test(escaped_text_never_leaves_its_room),
		cmocka_unit_test(lines_come_without_what_is_blank_at_their_ends),
		cmocka_unit_test(a_zero_byte_is_no_blank),
		cmocka_unit_test(string_arrays_grow_and_are_copied_deep),
	};
	return RUN_TESTS(tests);
}
