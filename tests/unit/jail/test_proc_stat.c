#include "harness.h"

#include "jail/proc_stat.h"

#include <errno.h>
#include <string.h>

#define REST                                                                                       \
	"S 1 2 3 4 5 6 7 8 9 10 100 20 3000 400 20 0 7 0 12345 99999999 250 18446744073709551615 " \
	"1\n"

TEST(cpu_time_threads_and_memory_are_found)
{
	struct proc_stat s;
	assert_int_equal(proc_stat_parse("42 (sh) " REST, &s), 0);
	assert_int_equal(s.cpu_ticks, 3520);
	assert_int_equal(s.threads, 7);
	assert_int_equal(s.rss_pages, 250);
}

TEST(a_name_may_look_like_anything)
{
	struct proc_stat s;
	assert_int_equal(proc_stat_parse("42 (a) R 9 9 (b) " REST, &s), 0);
	assert_int_equal(s.threads, 7);
	assert_int_equal(proc_stat_parse("42 (\n) ) " REST, &s), 0);
	assert_int_equal(s.cpu_ticks, 3520);
}

TEST(what_is_no_stat_is_refused)
{
	static const char *const bad[] = { "", "42", "42 (sh)", "42 (sh) ", "42 (sh) S",
		"42 (sh) S 1 2 3", "42 (sh) S 1 2 3 4 x 6 7 8 9 10 100 20 3000 400 20 0 7 0 1 2 3 ",
		"42 (sh) Sx1 2 3 4 5 6 7 8 9 10 100 20 3000 400 20 0 7 0 12345 99999999 250 1",
		"no brackets S 1 2 3" };
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct proc_stat s;
		assert_int_equal(proc_stat_parse(bad[i], &s), -EINVAL);
	}
}

TEST(what_cannot_be_is_nothing)
{
	struct proc_stat s;
	assert_int_equal(
		proc_stat_parse("1 (x) S 1 2 3 4 5 6 7 8 9 10 -5 1 0 0 20 0 1 0 1 2 -9 1", &s), 0);
	assert_int_equal(s.cpu_ticks, 1);
	assert_int_equal(s.rss_pages, 0);
}

TEST(children_are_read_one_by_one)
{
	const char *text = "12 345 6 ";
	pid_t pid;
	assert_true(proc_children_next(&text, &pid));
	assert_int_equal(pid, 12);
	assert_true(proc_children_next(&text, &pid));
	assert_true(proc_children_next(&text, &pid));
	assert_int_equal(pid, 6);
	assert_false(proc_children_next(&text, &pid));
	static const char *const bad[] = { "", "x", "-4", "0", "99999999999" };
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		text = bad[i];
		assert_false(proc_children_next(&text, &pid));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cpu_time_threads_and_memory_are_found),
		cmocka_unit_test(a_name_may_look_like_anything),
		cmocka_unit_test(what_is_no_stat_is_refused),
		cmocka_unit_test(what_cannot_be_is_nothing),
		cmocka_unit_test(children_are_read_one_by_one),
	};
	return RUN_TESTS(tests);
}
