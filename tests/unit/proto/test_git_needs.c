#include "harness.h"

#include "proto/git_needs.h"

#include <stdio.h>
#include <string.h>

/* The names of all that means nothing there. */
static const char *useless(const char *url, bool has_submodules)
{
	static char names[128];
	size_t len = 0;
	names[0] = '\0';
	for (unsigned bit = GIT_GIVEN_CREDENTIALS; bit <= GIT_GIVEN_CA; bit <<= 1) {
		const struct git_needs *n = git_needs_find(url, has_submodules, bit);
		if (n)
			len += (size_t)snprintf(
				names + len, sizeof(names) - len, "%s%s", len ? " " : "", n->name);
	}
	return names;
}

TEST(what_means_nothing_depends_on_the_kind_of_the_address)
{
	static const struct {
		const char *url, *alone, *with_submodules;
	} cases[] = {
		{ "https://h/x", "ssh_key agent known_hosts", "ssh_key agent" },
		{ "HTTPS://h/x", "ssh_key agent known_hosts", "ssh_key agent" },
		{ "https://git@h:8443/a:b", "ssh_key agent known_hosts", "ssh_key agent" },
		{ "http://h/x", "ssh_key agent known_hosts ca", "ssh_key agent" },
		{ "ssh://git@h/x", "credentials ca", "credentials" },
		{ "git@h:x", "credentials ca", "credentials" },
		{ "h:x/y@z", "credentials ca", "credentials" },
		{ "git@[::1]:x", "credentials ca", "credentials" },
		{ "git://h/x", "credentials ssh_key agent known_hosts ca",
			"credentials ssh_key agent" },
		{ "file:///srv/x", "credentials ssh_key agent known_hosts ca",
			"credentials ssh_key agent" },
		{ "/srv/a:b", "credentials ssh_key agent known_hosts ca",
			"credentials ssh_key agent" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_string_equal(useless(cases[i].url, false), cases[i].alone);
		assert_string_equal(useless(cases[i].url, true), cases[i].with_submodules);
	}
}

TEST(the_first_is_told_with_an_address_that_it_is_for)
{
	const struct git_needs *n = git_needs_find(
		"https://h/x", false, GIT_GIVEN_CREDENTIALS | GIT_GIVEN_SSH_KEY | GIT_GIVEN_AGENT);
	assert_string_equal(n->name, "ssh_key");
	assert_string_equal(n->where, "is not of ssh");
	assert_non_null(strstr(n->form, "ssh://"));
	assert_null(git_needs_find("https://h/x", false, 0));
	/* No address is refused elsewhere. */
	assert_non_null(git_needs_find("", false, GIT_GIVEN_CA));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_means_nothing_depends_on_the_kind_of_the_address),
		cmocka_unit_test(the_first_is_told_with_an_address_that_it_is_for),
	};
	return RUN_TESTS(tests);
}
