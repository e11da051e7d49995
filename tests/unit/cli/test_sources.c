#include "harness.h"

#include "cli/sources.h"

#include <errno.h>
#include <string.h>

static void expect(
	const struct source_arg *s, const char *path, const char *target, enum dayfly_mode mode)
{
	assert_string_equal(s->path, path);
	if (target)
		assert_string_equal(s->target, target);
	else
		assert_null(s->target);
	assert_int_equal(s->mode, mode);
}

TEST(a_workspace_is_a_directory_and_a_mode)
{
	static const struct {
		const char *text, *path;
		enum dayfly_mode mode;
	} cases[] = {
		{ ".", ".", DAYFLY_MODE_COW },
		{ ".:cow", ".", DAYFLY_MODE_COW },
		{ "/a/b:ro", "/a/b", DAYFLY_MODE_RO },
		{ "dir:rw", "dir", DAYFLY_MODE_RW },
		{ "a:b:ro", "a:b", DAYFLY_MODE_RO },
		{ "/x:y/z", "/x:y/z", DAYFLY_MODE_COW },
		{ "a b", "a b", DAYFLY_MODE_COW },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct source_arg s;
		struct err e;
		assert_int_equal(source_parse_workspace(cases[i].text, &s, &e), 0);
		expect(&s, cases[i].path, NULL, cases[i].mode);
		source_arg_finish(&s);
		assert_int_equal(source_check_workspace(cases[i].text, &e), 0);
	}
}

TEST(a_mount_has_a_place_inside)
{
	static const struct {
		const char *text, *path, *target;
		enum dayfly_mode mode;
	} cases[] = {
		{ "/a", "/a", NULL, DAYFLY_MODE_RO },
		{ "/a:rw", "/a", NULL, DAYFLY_MODE_RW },
		{ "/a:/b", "/a", "/b", DAYFLY_MODE_RO },
		{ "a:/b:rw", "a", "/b", DAYFLY_MODE_RW },
		{ "/a:/b:/c:ro", "/a:/b", "/c", DAYFLY_MODE_RO },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct source_arg s;
		struct err e;
		assert_int_equal(source_parse_mount(cases[i].text, &s, &e), 0);
		expect(&s, cases[i].path, cases[i].target, cases[i].mode);
		source_arg_finish(&s);
		assert_int_equal(source_check_mount(cases[i].text, &e), 0);
	}
}

TEST(mistakes_are_told)
{
	struct err e;
	assert_int_equal(source_check_workspace(".:cwo", &e), -EINVAL);
	assert_string_equal(e.msg, "\"cwo\" is not a mode: cow, ro or rw");
	assert_string_equal(e.hint, "did you mean cow?");
	assert_int_equal(source_check_workspace("a:longname", &e), -EINVAL);
	assert_string_equal(
		e.hint, "for a name with a colon in it, write the mode behind it: a:longname:ro");
	assert_int_equal(source_check_workspace("", &e), -EINVAL);
	assert_int_equal(source_check_workspace(":ro", &e), -EINVAL);
	assert_int_equal(source_check_workspace("a:", &e), -EINVAL);
	assert_int_equal(source_check_mount("/a:cow", &e), 0);
	assert_int_equal(source_check_mount("/a:cwo", &e), -EINVAL);
	assert_string_equal(e.msg, "\"cwo\" is not a mode: cow, ro or rw");
	assert_int_equal(source_check_mount(":/b", &e), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_workspace_is_a_directory_and_a_mode),
		cmocka_unit_test(a_mount_has_a_place_inside),
		cmocka_unit_test(mistakes_are_told),
	};
	return RUN_TESTS(tests);
}
