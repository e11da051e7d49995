/* M4: names of branches, tags and commits. */
#include "harness.h"

#include "git/ref.h"

#include <errno.h>
#include <string.h>

TEST(names_that_git_takes_are_taken)
{
	static const char *const good[] = { "main", "HEAD", "v1.2", "refs/pull/7/head",
		"feature/a-b_c", "a@b", "\xc3\xa4", "0123456789abcdef0123456789abcdef01234567" };
	struct err e;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		if (git_ref_check(good[i], &e) != 0)
			fail_msg("%s: %s", good[i], e.msg);
}

TEST(M4_options_refspecs_and_expressions_are_refused_with_a_fix)
{
	static const char *const bad[] = { "", "-x", "--upload-pack=x", "+main", "a:b", "^a",
		"a..b", "a~1", "a^", "main@{1}", "@", "a b", "a\tb", "a\nb", "*", "a?", "a[b",
		"a\\b", "/a", "a/", "a//b", ".a", "a/.b", "a.", "a.lock", "a.lock/b", "\x7f" };
	struct err e;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		if (git_ref_check(bad[i], &e) != -EINVAL)
			fail_msg("%s is taken", bad[i]);
		assert_true(e.msg[0] && e.hint[0]);
	}
	char longest[300];
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_int_equal(git_ref_check(longest, &e), -EINVAL);
}

TEST(a_commit_of_SHA_256_is_refused_by_name)
{
	struct err e;
	char text[65];
	memset(text, 'a', 64);
	text[64] = '\0';
	assert_int_equal(git_ref_check(text, &e), -EINVAL);
	assert_non_null(strstr(e.msg, "SHA-256"));
	text[63] = 'g';
	assert_int_equal(git_ref_check(text, &e), 0);
}

TEST(a_commit_has_all_its_digits)
{
	char out[GIT_COMMIT_SIZE];
	assert_true(git_ref_is_commit("0123456789ABCDEF0123456789abcdef01234567", out));
	assert_string_equal(out, "0123456789abcdef0123456789abcdef01234567");
	assert_false(git_ref_is_commit("0123456", out));
	assert_false(git_ref_is_commit("0123456789abcdef0123456789abcdef0123456g", out));
	assert_false(git_ref_is_commit("0123456789abcdef0123456789abcdef012345670", out));
	assert_false(git_ref_is_commit("main", out));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_that_git_takes_are_taken),
		cmocka_unit_test(M4_options_refspecs_and_expressions_are_refused_with_a_fix),
		cmocka_unit_test(a_commit_of_SHA_256_is_refused_by_name),
		cmocka_unit_test(a_commit_has_all_its_digits),
	};
	return RUN_TESTS(tests);
}
