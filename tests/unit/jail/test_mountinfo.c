/* Lines of mountinfo, also such as no kernel writes. */
#include "harness.h"

#include "jail/mountinfo.h"

#include <string.h>

#define V2 "30 22 0:26 /a /sys/fs/cgroup rw,nosuid shared:9 master:3 - cgroup2 none rw,nsdelegate\n"

static void assert_field(struct mount_field f, const char *text)
{
	assert_int_equal(f.len, strlen(text));
	assert_memory_equal(f.p, text, f.len);
}

TEST(a_line_is_split_into_its_fields)
{
	struct mount_line m;
	assert_true(mountinfo_split(V2 V2, &m));
	assert_field(m.root, "/a");
	assert_field(m.point, "/sys/fs/cgroup");
	assert_field(m.options, "rw,nosuid");
	assert_field(m.type, "cgroup2");
	assert_field(m.super, "rw,nsdelegate");
	assert_true(mountinfo_split("1 2 0:1 / - rw - - - -", &m));
	assert_field(m.point, "-");
	assert_field(m.type, "-");
}

TEST(a_line_without_a_type_is_none)
{
	static const char *const bad[] = { "", "\n", "1", "1 2 0:1 / / rw\n", "1 2 0:1 / / rw -\n",
		"1 2 0:1 / / rw - \n", "1 2 0:1 / / rw shared:1 ext4 x rw\n", "- - - - - - -\n",
		"\n" V2 };
	struct mount_line m;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(mountinfo_split(bad[i], &m));
}

TEST(escapes_are_undone)
{
	static const struct {
		const char *from, *to;
	} cases[] = { { "/a\\040b\\011\\012\\134", "/a b\t\n\\" }, { "/a\\04", "/a\\04" },
		{ "/a\\999", "/a\\999" }, { "/a\\", "/a\\" }, { "\\0400", " 0" }, { "", "" } };
	char got[16];
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct mount_field f = { cases[i].from, strlen(cases[i].from) };
		assert_true(mountinfo_unescape(f, got, sizeof(got)));
		assert_string_equal(got, cases[i].to);
	}
	/* An escape does not take from what follows the field. */
	assert_true(mountinfo_unescape((struct mount_field){ "/a\\040", 4 }, got, sizeof(got)));
	assert_string_equal(got, "/a\\0");
	assert_false(mountinfo_unescape((struct mount_field){ "1234", 4 }, got, 4));
	assert_string_equal(got, "123");
	assert_true(mountinfo_unescape((struct mount_field){ "1234", 4 }, got, 5));
}

TEST(options_are_whole_words)
{
	struct mount_field f = { "rw,nosuid,x=1", 13 };
	assert_true(mount_field_has(f, "rw"));
	assert_true(mount_field_has(f, "x=1"));
	assert_false(mount_field_has(f, "ro"));
	assert_false(mount_field_has(f, "suid"));
	assert_false(mount_field_has(f, "nosuid,x=1"));
	assert_false(mount_field_has((struct mount_field){ "", 0 }, ""));
}

TEST(lines_follow_each_other)
{
	const char *text = "a\n\nb";
	const char *p = mountinfo_next(text);
	assert_string_equal(p, "\nb");
	p = mountinfo_next(p);
	assert_string_equal(p, "b");
	p = mountinfo_next(p);
	assert_string_equal(p, "");
	assert_string_equal(mountinfo_next(p), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_is_split_into_its_fields),
		cmocka_unit_test(a_line_without_a_type_is_none),
		cmocka_unit_test(escapes_are_undone),
		cmocka_unit_test(options_are_whole_words),
		cmocka_unit_test(lines_follow_each_other),
	};
	return RUN_TESTS(tests);
}
