/* M4, M7: which addresses of repositories are taken, how they are shown, and whom rules mean. */
#include "harness.h"

#include "git/url.h"

#include <errno.h>
#include <string.h>

TEST(M4_what_git_would_run_a_program_for_or_read_as_an_option_is_refused_with_a_fix)
{
	static const char *const bad[] = { "", "-", "--upload-pack=x", "-oProxyCommand=x:y",
		"ext::sh -c true", "ext://sh", "fd::17", "fd::0/x", "ftp://h.example/x",
		"persistent-https::x", "git+ssh://h.example/x", "x", "./x", "../x", "a/b:c", ":x",
		"h.example:", "h.example::x", "h.example:-x", "-h.example:x",
		"ssh://-oProxyCommand=x/y", "ssh://-u@h.example/y", "ssh://h.example",
		"ssh://h.example/", "https://h.example", "https:///x", "https://h.example:0/x",
		"https://h.example:65536/x", "https://h.example:x/x", "https://h ex/x",
		"https://h.example/a b", "https://h.example/a\nb", "https://h.ex\xc3\xa4/x",
		"https://h.example/x?token=y", "https://h.example/x#y",
		"https://user:pw@h.example/x", "ssh://user:pw@h.example/x", "https://@h.example/x",
		"https://a@b@h.example/x", "https://[::1/x", "https://[::1]x/y",
		/* git takes these for a host and a port */
		"[10.0.0.5:2222]:x", "git@[10.0.0.5:2222]:x", "ssh://[dead:22]/x", "[dead:22]:x",
		"ssh://[10.0.0.5]/x", "https://[:::1]/x", "https://[]/x", "[git@::1]:x",
		"https://[fe80::1%25eth0]/x", "https://.example/x", "https://h.example./x",
		"https://h_\\x/y", "file://x", "file://host/x", "/a\x01", "http//x",
		"https://%68/x", "u\xff@h.example:x" };
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct git_url u;
		struct err e = { 0 };
		if (git_url_parse(bad[i], &u, &e) != -EINVAL)
			fail_msg("%s is taken", bad[i]);
		assert_int_equal(e.code, ERR_BAD_VALUE);
		assert_true(e.msg[0] && e.hint[0]);
	}
	char longest[2100] = "https://h.example/";
	struct git_url u;
	struct err e;
	memset(longest + 18, 'x', sizeof(longest) - 19);
	assert_int_equal(git_url_parse(longest, &u, &e), -EINVAL);
}

static void check(const char *text, enum git_scheme scheme, const char *host, unsigned port,
	const char *path, const char *shown)
{
	struct git_url u;
	struct err e = { 0 };
	if (git_url_parse(text, &u, &e) < 0)
		fail_msg("%s: %s", text, e.msg);
	assert_int_equal(u.scheme, scheme);
	assert_int_equal(u.port, port);
	assert_string_equal(u.path, path);
	assert_string_equal(u.shown, shown);
	if (host)
		assert_string_equal(u.host, host);
	else
		assert_null(u.host);
	if (scheme == GIT_SCHEME_LOCAL)
		assert_null(u.fetch);
	else
		assert_string_equal(u.fetch, text);
	git_url_finish(&u);
}

TEST(others_come_apart)
{
	check("https://H.example/a/b.git", GIT_SCHEME_HTTPS, "h.example", 443, "/a/b.git",
		"https://h.example/a/b.git");
	check("http://127.0.0.1:8080/x", GIT_SCHEME_HTTP, "127.0.0.1", 8080, "/x",
		"http://127.0.0.1:8080/x");
	check("ssh://git@h.example:2222/~/x", GIT_SCHEME_SSH, "h.example", 2222, "/~/x",
		"ssh://git@h.example:2222/~/x");
	check("git@h.example:a/b.git", GIT_SCHEME_SSH, "h.example", 22, "a/b.git",
		"git@h.example:a/b.git");
	check("h.example:x", GIT_SCHEME_SSH, "h.example", 22, "x", "h.example:x");
	check("git://[2001:db8::1]/x", GIT_SCHEME_GIT, "[2001:db8::1]", 9418, "/x",
		"git://[2001:db8::1]/x");
	check("git@[::1]:x", GIT_SCHEME_SSH, "[::1]", 22, "x", "git@[::1]:x");
	check("file:///srv//x.git/", GIT_SCHEME_LOCAL, NULL, 0, "/srv/x.git", "file:///srv/x.git");
	check("/srv/with space", GIT_SCHEME_LOCAL, NULL, 0, "/srv/with space",
		"file:///srv/with space");
	check("/", GIT_SCHEME_LOCAL, NULL, 0, "/", "file:///");
}

TEST(M9_what_may_be_a_token_is_not_shown)
{
	check("https://s3cr3t@h.example/x", GIT_SCHEME_HTTPS, "h.example", 443, "/x",
		"https://h.example/x");
}

static bool is_same(const char *a, const char *b)
{
	struct git_url u, v;
	struct err e;
	assert_int_equal(git_url_parse(a, &u, &e), 0);
	assert_int_equal(git_url_parse(b, &v, &e), 0);
	bool same = !strcmp(u.name, v.name);
	git_url_finish(&u);
	git_url_finish(&v);
	return same;
}

TEST(the_same_repository_has_the_same_name)
{
	assert_true(is_same("https://h.example/x", "HTTPS://H.EXAMPLE:443/x/"));
	assert_true(is_same("/srv/x", "file:///srv//x"));
	assert_false(is_same("https://h.example/x", "http://h.example/x"));
	assert_false(is_same("https://h.example/x", "https://h.example/X"));
	assert_false(is_same("https://h.example/x", "https://h.example:444/x"));
	/* What a server shows may depend on the user. */
	assert_false(is_same("ssh://a@h.example/x", "ssh://b@h.example/x"));
	/* One is below the home. */
	assert_false(is_same("h.example:x", "ssh://h.example/x"));
	assert_false(is_same("h.example:/x", "ssh://h.example/x"));
}

static bool matches(const char *url, const char *rule)
{
	struct git_url u;
	struct err e;
	assert_int_equal(git_url_parse(url, &u, &e), 0);
	assert_int_equal(git_rule_check(rule, &e), 0);
	bool found = git_url_matches(&u, rule);
	git_url_finish(&u);
	return found;
}

TEST(M7_rules_mean_whole_hosts)
{
	assert_true(matches("https://git.h.example/x", "git.H.example"));
	assert_true(matches("git@git.h.example:x", "*.h.example"));
	assert_true(matches("ssh://git.h.example:2222/x", "git.h.example:2222"));
	assert_true(matches("https://h.example/x", "*"));
	assert_true(matches("https://[::1]/x", "[::1]:443"));
	assert_false(matches("https://h.example/x", "*.h.example"));
	assert_false(matches("https://evilh.example/x", "h.example"));
	assert_false(matches("https://evilh.example/x", "*.h.example"));
	assert_false(matches("https://h.example.evil/x", "h.example"));
	assert_false(matches("https://h.example/x", "h.example:22"));
	assert_false(matches("/srv/x", "*"));
	static const char *const bad[] = { "", "*.", "**", "h:x", "h:0", "https://h", "h/x", ".h",
		"-h", "[::1", "*h" };
	struct err e;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (git_rule_check(bad[i], &e) != -EINVAL)
			fail_msg("%s is taken", bad[i]);
}

TEST(loopback_is_known_by_its_plain_names)
{
	static const struct {
		const char *url;
		bool is_loopback;
	} all[] = { { "http://localhost/x", true }, { "http://127.0.0.1:8080/x", true },
		{ "git://[::1]/x", true }, { "http://127.evil.example/x", false },
		{ "http://localhost.example/x", false }, { "/srv/x", false } };
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		struct git_url u;
		struct err e;
		assert_int_equal(git_url_parse(all[i].url, &u, &e), 0);
		assert_int_equal(git_url_is_loopback(&u), all[i].is_loopback);
		git_url_finish(&u);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			M4_what_git_would_run_a_program_for_or_read_as_an_option_is_refused_with_a_fix),
		cmocka_unit_test(others_come_apart),
		cmocka_unit_test(M9_what_may_be_a_token_is_not_shown),
		cmocka_unit_test(the_same_repository_has_the_same_name),
		cmocka_unit_test(M7_rules_mean_whole_hosts),
		cmocka_unit_test(loopback_is_known_by_its_plain_names),
	};
	return RUN_TESTS(tests);
}
