/* /etc/subuid: a user is named by the whole first field; a range must be whole and fit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "jail/subid.h"

static void expect(const char *text, const char *name, uid_t uid, uint32_t first, uint32_t count)
{
	struct subid_range r = { 0 };
	assert_int_equal(subid_parse(text, name, uid, &r), 0);
	assert_int_equal(r.first, first);
	assert_int_equal(r.count, count);
}

static void expect_none(const char *text, const char *name, uid_t uid)
{
	struct subid_range r = { 5, 5 };
	assert_int_equal(subid_parse(text, name, uid, &r), -ENOENT);
	assert_int_equal(r.first, 5);
}

static void test_by_name_or_number(void **state)
{
	expect("alice:100000:65536\n", "alice", 1000, 100000, 65536);
	expect("1000:100000:65536\n", "alice", 1000, 100000, 65536);
	expect("1000:100000:65536", NULL, 1000, 100000, 65536);
	expect("bob:1:2\n\n# note\nalice:100000:65536\n", "alice", 1000, 100000, 65536);
}

static void test_prefixes_are_other_users(void **state)
{
	expect_none("alice2:100000:65536\n", "alice", 1000);
	expect_none("ali:100000:65536\n", "alice", 1000);
	expect_none("10001:100000:65536\n", "alice", 1000);
	expect_none("100:100000:65536\n", "alice", 1000);
	expect_none(" alice:100000:65536\n", "alice", 1000);
	expect_none("alice :100000:65536\n", "alice", 1000);
	expect_none(":100000:65536\n", "", 1000);
	expect("alice2:1:65536\nalice:200000:65536\n", "alice", 1000, 200000, 65536);
}

static void test_longest_range_wins(void **state)
{
	expect("alice:100000:1000\nalice:300000:65536\n1000:500000:10\n", "alice", 1000, 300000,
		65536);
}

static void test_broken_lines_are_passed_over(void **state)
{
	static const char *const broken[] = {
		"alice",
		"alice:",
		"alice:1",
		"alice:1:",
		"alice::5",
		"alice:-1:5",
		"alice:1:-5",
		"alice: 1:5",
		"alice:0x10:5",
		"alice:1:5:",
		"alice:1:5x",
		"alice:0:65536",
		"alice:1:0",
		"alice:4294967295:1",
		"alice:4294967290:10",
		"alice:99999999999:1",
		"alice:1:99999999999",
		"alice:18446744073709551617:1",
	};
	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++)
		expect_none(broken[i], "alice", 1000);
	expect("alice:\nalice:100000:65536\n", "alice", 1000, 100000, 65536);
	expect("alice:4294967290:5\n", "alice", 1000, 4294967290u, 5);
}

static void test_empty_name_never_matches(void **state)
{
	struct subid_range r;
	/* A passwd entry without a name is no entry. */
	assert_int_equal(subid_parse(":5:5\n", NULL, 0, &r), -ENOENT);
}

static void test_long_lines(void **state)
{
	char text[1024];
	memset(text, 'a', 600);
	snprintf(text + 600, sizeof(text) - 600, ":1:5\nalice:100000:65536\n");
	expect(text, "alice", 1000, 100000, 65536);
}

static void test_next_free(void **state)
{
	assert_int_equal(subid_next_free(""), 100000);
	assert_int_equal(subid_next_free("alice:100000:65536\n"), 165536);
	assert_int_equal(
		subid_next_free("b:165536:65536\nalice:100000:65536\nbroken:9999999:\n"), 231072);
}

static void test_read_says_what_is_missing(void **state)
{
	struct subid_range r;
	struct err e = { 0 };
	assert_int_equal(subid_read("/nonexistent/subuid", getuid(), &r, &e), -ENOENT);
	assert_non_null(strstr(e.msg, "/nonexistent/subuid"));

	/* Nobody has this uid. */
	assert_true(subid_read("/dev/null", 3999999999u, &r, &e) < 0);
	assert_non_null(strstr(e.msg, "login name"));
}

static void test_helper_must_be_there(void **state)
{
	char path[128] = "untouched";
	struct err e = { 0 };
	assert_int_equal(
		subid_find_helper("dayfly-no-such-helper", path, sizeof(path), &e), -ENOENT);
	assert_string_equal(path, "untouched");
	assert_non_null(strstr(e.msg, "not installed"));
	/* A program without more rights is not one. */
	assert_true(subid_find_helper("true", path, sizeof(path), &e) < 0);
	assert_string_equal(path, "untouched");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_by_name_or_number),
		cmocka_unit_test(test_prefixes_are_other_users),
		cmocka_unit_test(test_longest_range_wins),
		cmocka_unit_test(test_broken_lines_are_passed_over),
		cmocka_unit_test(test_empty_name_never_matches),
		cmocka_unit_test(test_long_lines),
		cmocka_unit_test(test_next_free),
		cmocka_unit_test(test_read_says_what_is_missing),
		cmocka_unit_test(test_helper_must_be_there),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
