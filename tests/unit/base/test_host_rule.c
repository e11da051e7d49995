#include "harness.h"

#include "base/host_rule.h"

#include <string.h>

TEST(a_port_may_follow)
{
	static const struct {
		const char *rule;
		size_t len;
		uint64_t port;
	} cases[] = {
		{ "a.b", 3, 0 },
		{ "a.b:22", 3, 22 },
		{ "*.b:8443", 3, 8443 },
		{ "[::1]", 5, 0 },
		{ "[::1]:443", 5, 443 },
		{ "", 0, 0 },
		{ "[::1", 0, 0 },
		{ "a:", 0, 0 },
		{ "a:0", 0, 0 },
		{ "a:65536", 0, 0 },
		{ "a:x", 0, 0 },
		{ "[::1]x", 0, 0 },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t port = 7;
		assert_int_equal(host_rule_split(cases[i].rule, &port), cases[i].len);
		if (cases[i].len)
			assert_int_equal(port, cases[i].port);
	}
}

TEST(a_rule_covers_itself_and_a_star_what_is_below)
{
	static const struct {
		const char *rule, *host;
		bool covers;
	} cases[] = {
		{ "a.b", "A.b", true },
		{ "a.b", "xa.b", false },
		{ "a.b", "a.bx", false },
		{ "*.b", "a.b", true },
		{ "*.b", "x.a.B", true },
		{ "*.b", "b", false },
		{ "*.b", ".b", false },
		{ "*.b", "ab", false },
		{ "*", "a", true },
		{ "*", "", false },
		{ "a", "", false },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(
			host_rule_covers(cases[i].rule, strlen(cases[i].rule), cases[i].host),
			cases[i].covers);
	assert_false(host_rule_covers("a", 0, "a"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_port_may_follow),
		cmocka_unit_test(a_rule_covers_itself_and_a_star_what_is_below),
	};
	return RUN_TESTS(tests);
}
