/* What the doctor says about AppArmor, as far as that needs none. */
#include "harness.h"

#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "jail/doctor_priv.h"

#include <fcntl.h>

TEST(a_plain_path_needs_no_quotes_anywhere)
{
	static const char *const others[] = { "", "relative", "/a b", "/a'b", "/a\"b", "/a*",
		"/a[b]", "/a{b}", "/a?", "/a%s", "/a\\b", "/a$b", "/a\nb", "/a@{b}", "/a\xc3\xa9",
		"/a;b", "/a (deleted)" };
	assert_true(doctor_is_plain_path("/usr/local/libexec/dayfly/dayfly-warden"));
	assert_true(doctor_is_plain_path("/home/me/.local/lib+x/a_b-c.d"));
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		assert_false(doctor_is_plain_path(others[i]));
}

TEST(a_program_elsewhere_gets_a_profile_for_its_path)
{
	struct doctor d = { .self = "/home/me/bin/dayfly-warden" };
	struct doctor_finding f = { 0 };
	doctor_hint_apparmor(&d, &f);
	assert_non_null(strstr(f.why, "apparmor_restrict_unprivileged_userns=1"));
	assert_non_null(strstr(f.why, d.self));
	assert_non_null(strstr(
		f.fix, "profile dayfly-here /home/me/bin/dayfly-warden flags=(unconfined) {"));
	assert_non_null(
		strstr(f.fix, "| sudo tee /etc/apparmor.d/dayfly-here && sudo apparmor_parser -r"));
	/* A path that a shell or AppArmor would read otherwise never gets into a command. */
	snprintf(d.self, sizeof(d.self), "/home/m'e/dayfly-warden");
	doctor_hint_apparmor(&d, &f);
	assert_null(strstr(f.fix, "m'e"));
	assert_non_null(strstr(f.fix, "make install"));
}

TEST(the_profile_that_is_printed_is_the_one_that_is_shipped)
{
	auto_free char *shipped = NULL;
	assert_true(fd_read_file(AT_FDCWD, DAYFLY_TEST_SOURCE "/contrib/apparmor/dayfly.in", 65536,
			    &shipped) > 0);
	static const char *const parts[] = { "abi <abi/4.0>,", "include <tunables/global>",
		"flags=(unconfined) {", "  userns," };
	struct doctor d = { .self = "/x/dayfly-warden" };
	struct doctor_finding f = { 0 };
	doctor_hint_apparmor(&d, &f);
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		assert_non_null(strstr(shipped, parts[i]));
		assert_non_null(strstr(f.fix, parts[i]));
	}
	assert_non_null(strstr(shipped, "@LIBEXECDIR@/dayfly-warden"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_plain_path_needs_no_quotes_anywhere),
		cmocka_unit_test(a_program_elsewhere_gets_a_profile_for_its_path),
		cmocka_unit_test(the_profile_that_is_printed_is_the_one_that_is_shipped),
	};
	return RUN_TESTS(tests);
}
