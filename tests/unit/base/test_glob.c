/* Patterns for paths. */
#include "harness.h"

#include "base/glob.h"

#include <stdlib.h>
#include <string.h>

TEST(patterns_match_what_they_say)
{
	static const struct {
		const char *pattern, *path;
		bool matches;
	} rows[] = {
		{ "a", "a", true },
		{ "a", "b", false },
		{ "a", "a/b", false },
		{ "dist/*.whl", "dist/x-1.0.whl", true },
		{ "dist/*.whl", "dist/.whl", false },
		{ "dist/*.whl", "dist/sub/x.whl", false },
		{ "dist/*.whl", "dist/x.whl.bak", false },
		{ "*", "anything\nwith a newline", true },
		{ "*", ".hidden", false },
		{ ".*", ".hidden", true },
		{ "\\.h*", ".hidden", true },
		{ "?at", "cat", true },
		{ "?at",
			"\xc3\xa4"
			"at",
			true },
		{ "?at",
			"\xff"
			"at",
			true },
		{ "??at",
			"\xc3\xa4"
			"at",
			false },
		{ "?at", "at", false },
		{ "?hidden", ".hidden", false },
		{ "[a-c]x", "bx", true },
		{ "[a-c]x", "dx", false },
		{ "[!a-c]x", "dx", true },
		{ "[!a-c]x", "ax", false },
		{ "[]x]", "]", true },
		{ "[a-]", "-", true },
		{ "[\xc3\xa0-\xc3\xaf]", "\xc3\xa4", true },
		{ "[\xc3\xa0-\xc3\xaf]", "\xc3\xb0", false },
		{ "[.]x", ".x", false },
		{ "[\\]]", "]", true },
		{ "\\*", "*", true },
		{ "\\*", "x", false },
		{ "a*b*c", "axxbyyc", true },
		{ "a*b*c", "axxbyy", false },
		{ "a**b", "axb", true },
		{ "a**b", "ax/xb", false },
		{ "**", "a/b/c", true },
		{ "**", "a/.b/c", false },
		{ "**/x", "x", true },
		{ "**/x", "a/b/x", true },
		{ "**/x", "a/b/xy", false },
		{ "a/**/x", "a/x", true },
		{ "a/**/x", "a/b/c/x", true },
		{ "a/**/x", "b/x", false },
		{ "a/**/b/**/c", "a/1/b/2/b/3/c", true },
		{ "a/**/b/**/c", "a/1/2/3/c", false },
		{ "a/**", "a", true },
		{ "**/.x", "a/.x", true },
		{ "**/.x/y", "a/.x/y", true },
	};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_true(glob_is_valid(rows[i].pattern));
		if (glob_matches(rows[i].pattern, rows[i].path) != rows[i].matches)
			fail_msg("%s and %s", rows[i].pattern, rows[i].path);
	}
}

TEST(only_what_can_match_leads_on)
{
	static const struct {
		const char *pattern, *path;
		bool leads;
	} rows[] = {
		{ "dist/*.whl", "dist", true },
		{ "dist/*.whl", "dis", false },
		{ "dist/*.whl", "dist/x", false },
		{ "dist", "dist", false },
		{ "*/x", "a", true },
		{ "*/x", ".a", false },
		{ "**/x", "a/b/c", true },
		{ "**/x", "a/.git/c", false },
		{ "**/.git/x", "a/.git", true },
		{ "a/**/x", "b", false },
	};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (glob_may_lead(rows[i].pattern, rows[i].path) != rows[i].leads)
			fail_msg("%s and %s", rows[i].pattern, rows[i].path);
}

TEST(what_is_no_pattern_is_refused)
{
	static const char *const bad[] = { "", "/", "/a", "a/", "a//b", ".", "..", "a/../b",
		"a/./b", "[", "[a", "[]", "[!", "[!]", "a[b/c]", "a\\", "a\\/b", "[a\\]" };
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (glob_is_valid(bad[i]))
			fail_msg("%s", bad[i]);
}

/* With exponential time this would not end. */
TEST(many_stars_cost_little)
{
	char pattern[401], path[256];
	for (size_t i = 0; i < 400; i += 2)
		memcpy(pattern + i, "*a", 2);
	pattern[400] = '\0';
	memset(path, 'a', 254);
	memcpy(path + 254, "b", 2);
	assert_true(glob_is_valid(pattern));
	assert_false(glob_matches(pattern, path));
	for (size_t i = 0; i + 6 <= 400; i += 6)
		memcpy(pattern + i, "**/*a/", 6);
	memcpy(pattern + 396, "b", 2);
	for (size_t i = 0; i < 254; i += 2)
		memcpy(path + i, "a/", 2);
	assert_true(glob_is_valid(pattern));
	assert_false(glob_matches(
		pattern, "a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(patterns_match_what_they_say),
		cmocka_unit_test(only_what_can_match_leads_on),
		cmocka_unit_test(what_is_no_pattern_is_refused),
		cmocka_unit_test(many_stars_cost_little),
	};
	return RUN_TESTS(tests);
}
