#include "harness.h"

#include "base/str.h"
#include "cli/git_arg.h"
#include "client/client_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void same(const char *got, const char *want)
{
	if (!want)
		assert_null(got);
	else
		assert_string_equal(got, want);
}

TEST(an_address_may_end_with_a_ref)
{
	static const struct {
		const char *text, *url, *ref, *credentials;
	} cases[] = {
		{ "https://h/x.git", "https://h/x.git", NULL, NULL },
		{ "https://h/x.git@main", "https://h/x.git", "main", NULL },
		{ "https://h/x.git@feature/a-b", "https://h/x.git", "feature/a-b", NULL },
		{ "https://h/@scope/x@v1", "https://h/@scope/x", "v1", NULL },
		{ "https://joe@h:8443/x", "https://joe@h:8443/x", NULL, NULL },
		{ "https://joe:s3cr3t@h/x@v1", "https://joe@h/x", "v1", "https://joe:s3cr3t@h\n" },
		{ "http://joe:p@ss@h/x", "http://joe@h/x", NULL, "http://joe:p@ss@h\n" },
		{ "ssh://git@h:22/x@v1", "ssh://git@h:22/x", "v1", NULL },
		{ "git@h:a/b.git", "git@h:a/b.git", NULL, NULL },
		{ "git@h:a/b.git@main", "git@h:a/b.git", "main", NULL },
		{ "h:x", "h:x", NULL, NULL },
		{ "/no/such/place@main", "/no/such/place", "main", NULL },
		{ "file:///srv/x.git@0123", "file:///srv/x.git", "0123", NULL },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct git_arg a;
		struct err e = { 0 };
		assert_int_equal(git_arg_parse(cases[i].text, &a, &e), 0);
		same(a.url, cases[i].url);
		same(a.ref, cases[i].ref);
		same(a.credentials, cases[i].credentials);
		git_arg_finish(&a);
		assert_int_equal(git_arg_check(cases[i].text, &e), 0);
	}
}

TEST(a_path_that_is_there_is_all_path_and_made_absolute)
{
	struct git_arg a;
	struct err e = { 0 };
	char dir[] = "/tmp/dayfly-git@XXXXXX", here[4096];
	assert_non_null(mkdtemp(dir));
	assert_int_equal(git_arg_parse(dir, &a, &e), 0);
	same(a.url, dir);
	same(a.ref, NULL);
	git_arg_finish(&a);
	rmdir(dir);
	assert_non_null(getcwd(here, sizeof(here)));
	assert_int_equal(git_arg_parse(".@v1", &a, &e), 0);
	same(a.url, here);
	same(a.ref, "v1");
	git_arg_finish(&a);
}

TEST(mistakes_are_told_without_the_password)
{
	static const char *const bad[] = { "", "@main", "https://joe:s3cr3t@h/x@", "./no-such@v1" };
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct git_arg a;
		struct err e = { 0 };
		assert_true(git_arg_parse(bad[i], &a, &e) < 0);
		assert_null(a.url);
		assert_null(strstr(e.msg, "s3cr3t"));
		assert_true(e.msg[0] && e.hint[0]);
	}
}

TEST(the_task_gets_it_and_the_commit_comes_before_the_ref)
{
	static int fds[LIMIT_REQUEST_FDS];
	size_t n_fds = 0;
	struct dayfly_error de;
	struct err e = { 0 };
	struct git_options o = { .where = "https://joe:s3@h/x@main", .full_history = true };
	for (int turn = 0; turn < 2; turn++) {
		json_t *got = NULL;
		struct dayfly_task *t = dayfly_task_new();
		assert_int_equal(git_arg_add(t, &o, turn ? "0123abcd" : NULL, &e), 0);
		assert_int_equal(task_to_json(t, &got, fds, &n_fds, &de), 0);
		const json_t *git = json_object_get(json_object_get(got, "source"), "git");
		same(json_string_value(json_object_get(git, "url")), "https://joe@h/x");
		same(json_string_value(json_object_get(git, "ref")), turn ? "0123abcd" : "main");
		same(json_string_value(json_object_get(git, "history")), "full");
		same(json_string_value(json_object_get(git, "credentials")), "https://joe:s3@h\n");
		json_decref(got);
		dayfly_task_free(t);
	}
	struct dayfly_task *t = dayfly_task_new();
	o.ref = "v1";
	assert_int_equal(git_arg_add(t, &o, NULL, &e), -EINVAL);
	o.ref = NULL;
	o.credentials = "/dev/null";
	assert_int_equal(git_arg_add(t, &o, NULL, &e), -EINVAL);
	assert_true(str_starts(e.msg, "--git: a password"));
	static const struct {
		struct git_options options;
		const char *says;
	} cases[] = {
		{ { .credentials = "/no/such" }, "--git-credentials: open /no/such: " },
		{ { .key = "/no/such" }, "--git-key: open /no/such: " },
		{ { .known_hosts = "/no/such" }, "--git-known-hosts: open /no/such: " },
		{ { .ca = "/no/such" }, "--git-ca: open /no/such: " },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		o = cases[i].options;
		o.where = "h:x";
		assert_true(git_arg_add(t, &o, NULL, &e) < 0);
		assert_true(str_starts(e.msg, cases[i].says));
	}
	dayfly_task_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_address_may_end_with_a_ref),
		cmocka_unit_test(a_path_that_is_there_is_all_path_and_made_absolute),
		cmocka_unit_test(mistakes_are_told_without_the_password),
		cmocka_unit_test(the_task_gets_it_and_the_commit_comes_before_the_ref),
	};
	return RUN_TESTS(tests);
}
