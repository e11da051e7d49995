/* Submodules: which addresses and paths are taken, and what is refused by name. */
#include "harness.h"

#include "git/modules.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ID "0123456789abcdef0123456789abcdef01234567"

static struct git_url parse(const char *text)
{
	struct git_url u;
	struct err e;
	assert_int_equal(git_url_parse(text, &u, &e), 0);
	return u;
}

static void assert_url(const char *from, const char *text, const char *shown)
{
	struct git_url base = parse(from), u;
	struct err e;
	int r = git_module_url(&base, text, &u, &e);
	if (!shown) {
		assert_true(r < 0);
		assert_true(e.msg[0] && e.hint[0]);
	} else {
		assert_int_equal(r, 0);
		assert_string_equal(u.shown, shown);
		git_url_finish(&u);
	}
	git_url_finish(&base);
}

TEST(relative_addresses_are_beside_their_repository)
{
	assert_url("https://h/a/b.git", "../c.git", "https://h/a/c.git");
	assert_url("https://h/a/b.git/", "../c.git", "https://h/a/c.git");
	assert_url("https://h/a/b.git", "./c.git", "https://h/a/b.git/c.git");
	assert_url("https://h/a/b.git", "../../x/c.git", "https://h/x/c.git");
	assert_url("https://joe@h:1/a/b", ".././../c", "https://h:1/c");
	assert_url("ssh://git@h:22/a/b", "../c", "ssh://git@h/a/c");
	assert_url("git@h:a/b", "../c", "git@h:a/c");
	assert_url("git@h:b", "../c", "git@h:c");
	assert_url("git@h:/b", "../c", "git@h:/c");
	assert_url("/srv/a", "../b", "file:///srv/b");
	assert_url("/a", "../b", "file:///b");
}

TEST(whole_addresses_are_taken_as_any)
{
	assert_url("https://h/a", "ssh://git@g/x", "ssh://git@g/x");
	assert_url("/srv/a", "https://h/b", "https://h/b");
}

TEST(none_leads_elsewhere)
{
	/* git itself would make another host of these. */
	assert_url("https://h/a", "../../evil/x", NULL);
	assert_url("git@h:b", "../../evil:x", NULL);
	assert_url("https://h/a", "/etc", NULL);
	assert_url("https://h/a", "file:///etc", NULL);
	assert_url("ssh://h/a", "../../../etc", NULL);
	assert_url("https://h/a", "ext::sh -c id", NULL);
	assert_url("https://h/a", "-u./x", NULL);
	assert_url("https://h/a", "ssh://-oProxyCommand=x/y", NULL);
	assert_url("https://h/a", "https://u:pw@h/x", NULL);
	assert_url("https://h/a", "x", NULL);
}

TEST(a_local_one_has_only_what_is_near_it)
{
	static const char *const far[] = { "/srv/b", "file:///srv/b", "/srv/a/b", "../../b",
		"../b/c", "../b/../../c", "./../b", "./../../b", "./b/../../c", "./b/..", "../..",
		"..", "../", "./", ".", "../.", ".//b", "..//b", "../../home/joe/private" };
	for (size_t i = 0; i < sizeof(far) / sizeof(far[0]); i++)
		assert_url("/srv/a", far[i], NULL);
	assert_url("/srv/a", "../b", "file:///srv/b");
	assert_url("/srv/a", "../b/", "file:///srv/b");
	assert_url("/srv/a", "./b/c.git", "file:///srv/a/b/c.git");
	struct git_url base = parse("/srv/a"), u;
	struct err e;
	assert_true(git_module_url(&base, "/srv/b", &u, &e) < 0);
	assert_non_null(strstr(e.msg, "neither in its repository nor beside it"));
	git_url_finish(&base);
}

static int add(
	struct git_modules *ms, const struct git_module *parent, const char *out, struct err *e)
{
	struct git_url base = parse("https://h/a/top");
	int r = git_modules_add(ms, parent ? &parent->url : &base, parent, out, e);
	git_url_finish(&base);
	return r;
}

TEST(a_list_is_read)
{
	struct git_modules ms = { 0 };
	struct err e;
	assert_int_equal(add(&ms, NULL,
				 "had 1\ncommit " ID "\n"
				 "link " ID " lib/x y\nlink " ID " z\n"
				 "module submodule.z.url ../of-z\nmodule submodule.z.path z\n"
				 "module submodule.my lib.path lib/x y\n"
				 "module submodule.my lib.url https://g/lib\n"
				 "module submodule.gone.path gone\nend\n",
				 &e),
		0);
	assert_int_equal(ms.n, 2);
	assert_string_equal(ms.list[0].path, "lib/x y");
	assert_string_equal(ms.list[0].url.shown, "https://g/lib");
	assert_string_equal(ms.list[1].url.shown, "https://h/a/of-z");
	assert_string_equal(ms.list[1].commit, ID);
	/* One in another. */
	assert_int_equal(add(&ms, &ms.list[1],
				 "link " ID " in\nmodule submodule.a.path in\n"
				 "module submodule.a.url ./in\nend\n",
				 &e),
		0);
	assert_string_equal(ms.list[2].path, "z/in");
	assert_string_equal(ms.list[2].url.shown, "https://h/a/of-z/in");
	assert_int_equal(ms.list[2].depth, 2);
	char *text = git_modules_text(&ms);
	assert_non_null(strstr(text, "\t" ID "\thttps://h/a/of-z/in\tz/in\n"));
	free(text);
	git_modules_finish(&ms);
}

/* Adds one to a local repository, or to a submodule of it; how much of its path is to be opened. */
static void assert_root(struct git_modules *ms, size_t parent, const char *url, const char *root)
{
	struct git_url base = parse("/srv/a");
	struct git_module *of = parent ? &ms->list[parent - 1] : NULL;
	char out[300];
	struct err e;
	snprintf(out, sizeof(out),
		"link " ID " x\nmodule submodule.a.path x\nmodule submodule.a.url %s\nend\n", url);
	assert_int_equal(git_modules_add(ms, of ? &of->url : &base, of, out, &e), 0);
	const struct git_module *m = &ms->list[ms->n - 1];
	assert_int_equal(m->root_len, strlen(root));
	assert_int_equal(strncmp(m->url.path, root, strlen(root)), 0);
	git_url_finish(&base);
}

TEST(what_a_commit_has_written_is_no_way_to_a_local_one)
{
	struct git_modules ms = { 0 };
	assert_root(&ms, 0, "../b", "/srv/b");
	assert_root(&ms, 0, "./in/x", "/srv/a");
	assert_root(&ms, 1, "../c", "/srv/c");
	assert_root(&ms, 1, "./in", "/srv/b");
	assert_root(&ms, 2, "../y", "/srv/a");
	assert_root(&ms, 2, "./z", "/srv/a");
	assert_root(&ms, 4, "../beside", "/srv/b");
	git_modules_finish(&ms);
}

static void assert_refused(const char *out, const char *word)
{
	struct git_modules ms = { 0 };
	struct err e;
	assert_true(add(&ms, NULL, out, &e) < 0);
	assert_string_equal(e.field, "task.source.git.submodules");
	if (!strstr(e.msg, word))
		fail_msg("%s: not in \"%s\"", word, e.msg);
	git_modules_finish(&ms);
}

TEST(what_is_wrong_is_named)
{
	static const char *const paths[] = { "../x", "a/../b", ".git/x", "a/.GIT", "/x", "a//b",
		"-x", "\"a\\nb\"", "a\\b", "x/", "." };
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		char out[300];
		snprintf(out, sizeof(out),
			"link " ID " %s\nmodule submodule.a.path %s\n"
			"module submodule.a.url ./in\nend\n",
			paths[i], paths[i]);
		assert_refused(out, "a path that is not taken");
	}
	assert_refused("link " ID " x\nend\n", "the submodule x has no address");
	assert_refused("link " ID " x\nmodule submodule.a.path x\nend\n", "has no address");
	assert_refused("link " ID " x\nmodule submodule.a.path x\nmodule submodule.a.url "
		       "ext::id\nend\n",
		"x has an address that is no address");
	assert_refused("link 01234 x\nend\n", "cannot be read");
	assert_refused("had 1\n", "cut off");
}

TEST(there_are_not_too_many)
{
	struct git_modules ms = { 0 };
	struct err e;
	static const char one[] = "link " ID " x\nmodule submodule.a.path x\n"
				  "module submodule.a.url ./in\nend\n";
	assert_int_equal(add(&ms, NULL, one, &e), 0);
	for (unsigned i = 1; i < GIT_MODULES_DEPTH; i++)
		assert_int_equal(add(&ms, &ms.list[i - 1], one, &e), 0);
	assert_true(add(&ms, &ms.list[ms.n - 1], one, &e) < 0);
	assert_non_null(strstr(e.msg, "lies in too many others"));
	while (ms.n < GIT_MODULES_MAX)
		assert_int_equal(add(&ms, NULL, one, &e), 0);
	assert_true(add(&ms, NULL, one, &e) < 0);
	assert_non_null(strstr(e.msg, "one too many"));
	git_modules_finish(&ms);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(relative_addresses_are_beside_their_repository),
		cmocka_unit_test(whole_addresses_are_taken_as_any),
		cmocka_unit_test(none_leads_elsewhere),
		cmocka_unit_test(a_local_one_has_only_what_is_near_it),
		cmocka_unit_test(a_list_is_read),
		cmocka_unit_test(what_a_commit_has_written_is_no_way_to_a_local_one),
		cmocka_unit_test(what_is_wrong_is_named),
		cmocka_unit_test(there_are_not_too_many),
	};
	return RUN_TESTS(tests);
}
