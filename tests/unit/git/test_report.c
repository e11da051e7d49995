/* What the scripts of git's jails say, and what becomes of git's own words. */
#include "harness.h"

#include "git/report.h"
#include "git/script.h"

#include <errno.h>
#include <string.h>

#define ID "0123456789abcdef0123456789abcdef01234567"

TEST(a_fetch_tells_its_commit_and_whether_it_was_there)
{
	struct git_fetched got;
	assert_int_equal(git_report_fetched("had 0\ncommit " ID "\n", &got), 0);
	assert_string_equal(got.commit, ID);
	assert_false(got.had);
	assert_int_equal(git_report_fetched("commit " ID "\nhad 1", &got), 0);
	assert_true(got.had);
	static const char *const bad[] = { "", "had 0\n", "commit " ID "\n", "had 0\ncommit x\n",
		"had 0\ncommit " ID "0\n", "had\ncommit " ID "\n", "xhad 0\ncommit " ID "\n" };
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(git_report_fetched(bad[i], &got), -EPROTO);
}

TEST(a_checkout_tells_what_it_takes)
{
	uint64_t bytes, submodules;
	assert_int_equal(git_report_checked_out("kib 12\nsubmodules 3\n", &bytes, &submodules), 0);
	assert_int_equal(submodules, 3);
	assert_int_equal(bytes, 12288);
	static const char *const bad[] = { "", "kib", "kib \n", "kib -1\n", "kib 1x\n",
		"kib 99999999999999999999\n", "kib 18446744073709551615\n", "kib 12\n",
		"kib 12\nsubmodules -1\n" };
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(git_report_checked_out(bad[i], &bytes, &submodules), -EPROTO);
}

static void fail_with(const char *url, int status, const char *errors, struct err *e)
{
	struct git_url u;
	assert_int_equal(git_url_parse(url, &u, e), 0);
	assert_int_equal(git_report_failure(&u, "main", status, errors, e), -EIO);
	assert_int_equal(e->code, ERR_SOURCE_FAILED);
	assert_string_equal(e->field, "task.source.git");
	assert_true(e->hint[0]);
	git_url_finish(&u);
}

TEST(a_failure_has_gits_last_words_and_what_helps)
{
	struct err e;
	fail_with("https://h.example/x", 128, "fatal: couldn't find remote ref main\n", &e);
	assert_string_equal(e.msg,
		"main of https://h.example/x cannot be had: fatal: couldn't find remote ref main");
	assert_non_null(strstr(e.hint, "ls-remote"));
	fail_with("git@h.example:x", 128,
		"Host key verification failed.\nfatal: Could not read from remote repository.\n",
		&e);
	assert_non_null(strstr(e.hint, "known_hosts"));
	/* By the kernel, for the cgroup's bound: git itself, or a part of it. */
	fail_with("/x", 137, "Killed\n", &e);
	assert_non_null(strstr(e.hint, "memory in [git]"));
	fail_with("/x", 128, "error: index-pack died of signal 9\nfatal: index-pack failed\n", &e);
	assert_non_null(strstr(e.hint, "memory in [git]"));
	fail_with("/x", 127, "sh: 4: git: not found\n", &e);
	assert_non_null(strstr(e.hint, "install git"));
	fail_with("/x", GIT_SCRIPT_TOO_LARGE, "", &e);
	assert_non_null(strstr(e.hint, "cache_per_user"));
	fail_with("/x", GIT_SCRIPT_NO_COMMIT, "", &e);
	assert_string_equal(e.msg, "main is no commit");
	fail_with("/x", -1, "", &e);
}

TEST(M9_no_user_and_no_control_character_is_told_on)
{
	struct err e;
	fail_with("https://t0ken@h.example/x", 128,
		"fatal: unable to access 'https://t0ken:pw@h.example/x/': \x1b[31mno\r\n", &e);
	assert_null(strstr(e.msg, "t0ken"));
	assert_null(strstr(e.msg, "pw"));
	assert_null(strchr(e.msg, '\x1b'));
	assert_non_null(strstr(e.msg, "'https://h.example/x/'"));
}

TEST(only_the_end_of_much_is_told)
{
	char errors[3000];
	struct err e;
	memset(errors, 'x', sizeof(errors));
	for (size_t i = 99; i < sizeof(errors); i += 100)
		errors[i] = '\n';
	memcpy(errors + sizeof(errors) - 15, "fatal: the end", 15);
	fail_with("/x", 128, errors, &e);
	assert_non_null(strstr(e.msg, "fatal: the end"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_fetch_tells_its_commit_and_whether_it_was_there),
		cmocka_unit_test(a_checkout_tells_what_it_takes),
		cmocka_unit_test(a_failure_has_gits_last_words_and_what_helps),
		cmocka_unit_test(M9_no_user_and_no_control_character_is_told_on),
		cmocka_unit_test(only_the_end_of_much_is_told),
	};
	return RUN_TESTS(tests);
}
