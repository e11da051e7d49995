/* M4, M7: which addresses of the web are taken at all, and whom the rules let be reached. */
#include "harness.h"

#include "http/url.h"

#include <errno.h>
#include <string.h>

TEST(M4_what_is_no_plain_address_of_the_web_is_refused_with_a_fix)
{
	static const char *const bad[] = { "", "hooks", "/x", "file:///etc/passwd",
		"gopher://h.example/x", "ftp://h.example/x", "dict://h.example:11211/",
		"ldap://h.example/", "javascript:x", "https://user@h.example/",
		"https://user:pw@h.example/", "https://:pw@h.example/", "https://h.example/#x",
		"https://h.example:0/", "https://h.example:65536/", "https://h.example:x/",
		"https://", "https://h example/", "https://h.example/\n",
		"https://h.example\\@evil.example/", "https://h.example/\x01",
		"https://h.ex\xc3\xa4/", "https://h.example./", "https://[fe80::1%25eth0]/",
		"https://[::1/", "https://h.example/\x7f" };
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct url u;
		struct err e = { 0 };
		if (url_parse(bad[i], &u, &e) != -EINVAL)
			fail_msg("%s is taken", bad[i]);
		assert_int_equal(e.code, ERR_BAD_VALUE);
		/* A sentence about the address, not a word of libcurl's. */
		assert_memory_equal(e.msg, "it", 2);
		assert_true(e.hint[0]);
	}
	char longest[2100] = "https://h.example/";
	memset(longest + 18, 'x', sizeof(longest) - 19);
	struct url u;
	struct err e;
	assert_int_equal(url_parse(longest, &u, &e), -EINVAL);
}

static void check(const char *text, const char *host, unsigned port, const char *origin)
{
	struct url u;
	struct err e;
	assert_int_equal(url_parse(text, &u, &e), 0);
	assert_string_equal(u.host, host);
	assert_int_equal(u.port, port);
	assert_string_equal(u.origin, origin);
	url_finish(&u);
}

TEST(others_come_apart_as_the_connection_will_see_them)
{
	check("https://h.example/a?b=c", "h.example", 443, "https://h.example:443");
	check("HTTPS://H.Example:8443", "h.example", 8443, "https://h.example:8443");
	check("http://h.example", "h.example", 80, "http://h.example:80");
	check("https://[2001:DB8::1]:99/", "[2001:db8::1]", 99, "https://[2001:db8::1]:99");
	/* Other ways to write a number. */
	check("http://2130706433/", "127.0.0.1", 80, "http://127.0.0.1:80");
	check("http://0x7f.1/", "127.0.0.1", 80, "http://127.0.0.1:80");
	check("http://0177.0.0.1:81/", "127.0.0.1", 81, "http://127.0.0.1:81");
}

TEST(a_rule_is_checked_when_it_is_read)
{
	static const char *const good[] = { "h.example", "H.example:8443", "*.example.com",
		"*.example.com:1", "localhost", "127.0.0.1:8080", "[::1]", "[::1]:80" };
	static const char *const bad[] = { "", "*", "*.", "*.com", "*:80", "h.*.com", "a*.com",
		"h.example:", "h.example:0", "h.example:65536", "h.example:x", "h.example:80:80",
		"https://h.example", "h.example/x", "h.example.", ".example", "::1", "[::1",
		"[::1]80", "h example" };
	struct err e;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		if (url_rule_check(good[i], &e) != 0)
			fail_msg("%s: %s", good[i], e.msg);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		if (url_rule_check(bad[i], &e) == 0)
			fail_msg("%s is taken", bad[i]);
		assert_true(e.hint[0]);
	}
}

static bool matches(const char *rule, const char *text)
{
	struct url u;
	struct err e;
	assert_int_equal(url_parse(text, &u, &e), 0);
	bool is = url_rule_matches(rule, &u);
	url_finish(&u);
	return is;
}

TEST(M7_a_rule_is_for_one_host_and_one_port)
{
	assert_true(matches("h.example", "https://h.example/x"));
	assert_true(matches("H.EXAMPLE", "https://h.example:443/x"));
	assert_true(matches("h.example", "http://h.example/x"));
	assert_true(matches("h.example:8443", "https://h.example:8443/"));
	assert_true(matches("[::1]:80", "http://[::1]/"));
	assert_false(matches("h.example", "https://h.example:8443/"));
	assert_false(matches("h.example:8443", "https://h.example/"));
	assert_false(matches("h.example", "https://xh.example/"));
	assert_false(matches("h.example", "https://h.example.evil.example/"));
	assert_false(matches("h.example", "https://x.h.example/"));
	assert_false(matches("h.example", "https://evil.example/h.example"));
	assert_false(matches("h.example", "https://evil.example/?@h.example"));
	assert_true(matches("*.example.com", "https://a.example.com/"));
	assert_true(matches("*.example.com", "https://a.b.example.com/"));
	assert_false(matches("*.example.com", "https://example.com/"));
	assert_false(matches("*.example.com", "https://.example.com/"));
	assert_false(matches("*.example.com", "https://aexample.com/"));
	assert_true(matches("127.0.0.1:81", "http://0x7f.1:81/"));
}

static enum url_verdict judge(const char *text)
{
	char *hosts[] = { "h.example", "*.pub.example:8443", NULL };
	char *private[] = { "intern.example", "127.0.0.1:81", NULL };
	struct url u;
	struct err e;
	assert_int_equal(url_parse(text, &u, &e), 0);
	enum url_verdict v = url_judge(&u, hosts, private);
	url_finish(&u);
	return v;
}

TEST(M7_without_a_rule_nobody_is_reached)
{
	struct url u;
	struct err e;
	assert_int_equal(url_parse("https://h.example/", &u, &e), 0);
	assert_int_equal(url_judge(&u, NULL, NULL), URL_REFUSED);
	url_finish(&u);
	assert_int_equal(judge("https://h.example/"), URL_PUBLIC);
	assert_int_equal(judge("https://a.pub.example:8443/"), URL_PUBLIC);
	assert_int_equal(judge("https://evil.example/"), URL_REFUSED);
	assert_int_equal(judge("https://127.0.0.1/"), URL_REFUSED);
}

TEST(in_the_clear_only_those_of_ones_own_network_are_reached)
{
	assert_int_equal(judge("http://h.example/"), URL_NEEDS_TLS);
	assert_int_equal(judge("http://a.pub.example:8443/"), URL_NEEDS_TLS);
	assert_int_equal(judge("http://evil.example/"), URL_REFUSED);
	assert_int_equal(judge("http://intern.example/"), URL_ANYWHERE);
	assert_int_equal(judge("https://intern.example/"), URL_ANYWHERE);
	assert_int_equal(judge("http://127.0.0.1:81/"), URL_ANYWHERE);
	assert_int_equal(judge("http://127.0.0.1/"), URL_REFUSED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(M4_what_is_no_plain_address_of_the_web_is_refused_with_a_fix),
		cmocka_unit_test(others_come_apart_as_the_connection_will_see_them),
		cmocka_unit_test(a_rule_is_checked_when_it_is_read),
		cmocka_unit_test(M7_a_rule_is_for_one_host_and_one_port),
		cmocka_unit_test(M7_without_a_rule_nobody_is_reached),
		cmocka_unit_test(in_the_clear_only_those_of_ones_own_network_are_reached),
	};
	return RUN_TESTS(tests);
}
