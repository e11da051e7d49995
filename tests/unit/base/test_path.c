/* The parts of paths. */
#include "harness.h"

#include "base/path.h"

#include <stdio.h>
#include <string.h>

static char seen[64];

static bool note(const char *part, size_t len)
{
	size_t n = strlen(seen);
	snprintf(seen + n, sizeof(seen) - n, "(%.*s)", (int)len, part);
	return len != 2 || memcmp(part, "no", 2) != 0;
}

static const char *parts_of(const char *path, size_t len)
{
	seen[0] = '\0';
	assert_true(path_parts_are(path, len, note));
	return seen;
}

TEST(every_part_is_asked_of_also_the_empty_ones)
{
	assert_string_equal(parts_of("", 0), "()");
	assert_string_equal(parts_of("a", 1), "(a)");
	assert_string_equal(parts_of("a/bc/d", 6), "(a)(bc)(d)");
	assert_string_equal(parts_of("/a/", 3), "()(a)()");
	assert_string_equal(parts_of("a//b", 4), "(a)()(b)");
	assert_string_equal(parts_of("/", 1), "()()");
}

TEST(what_lies_behind_the_length_is_not_looked_at)
{
	assert_string_equal(parts_of("a/b/no", 3), "(a)(b)");
	assert_string_equal(parts_of("ab/no", 1), "(a)");
	assert_string_equal(parts_of("no", 0), "()");
}

TEST(the_first_bad_part_ends_it)
{
	static const char path[] = "a/no/b";
	seen[0] = '\0';
	assert_false(path_parts_are(path, strlen(path), note));
	assert_string_equal(seen, "(a)(no)");
}

TEST(a_name_is_not_empty_and_not_dots)
{
	static const char *const good[] = { "a", "...", "..a", ".a", "a.", "\n", " " };
	static const char *const bad[] = { "", ".", ".." };
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_true(path_part_is_name(good[i], strlen(good[i])));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(path_part_is_name(bad[i], strlen(bad[i])));
	assert_false(path_part_is_name("..a", 2));
	assert_false(path_part_is_name("a", 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_part_is_asked_of_also_the_empty_ones),
		cmocka_unit_test(what_lies_behind_the_length_is_not_looked_at),
		cmocka_unit_test(the_first_bad_part_ends_it),
		cmocka_unit_test(a_name_is_not_empty_and_not_dots),
	};
	return RUN_TESTS(tests);
}
