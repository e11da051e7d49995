#include "harness.h"

#include "base/clock.h"
#include "base/str.h"
#include "cli/history_filter.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NOW (1769850300ull * NS_PER_S)

TEST(times_are_moments_days_or_how_long_ago)
{
	uint64_t ns;
	setenv("TZ", "UTC-2", 1);
	tzset();
	assert_int_equal(history_time("2026-01-31T09:05:00Z", NOW, &ns), 0);
	assert_int_equal(ns, NOW);
	assert_int_equal(history_time("90s", NOW, &ns), 0);
	assert_int_equal(ns, NOW - 90 * NS_PER_S);
	assert_int_equal(history_time("1h30m", NOW, &ns), 0);
	assert_int_equal(ns, NOW - 5400 * NS_PER_S);
	/* The midnight of this place, two hours before that of Greenwich. */
	assert_int_equal(history_time("2026-01-31", NOW, &ns), 0);
	assert_int_equal(ns, 1769817600ull * NS_PER_S - 7200 * NS_PER_S);
	static const char *const odd[] = { "", "yesterday", "2026-02-31T00:00:00Z", "2026-13-01",
		"31.1.2026", "-1h", "2026-01-31x" };
	struct err e;
	for (size_t i = 0; i < ARRAY_SIZE(odd); i++) {
		assert_int_equal(history_time(odd[i], NOW, &ns), -EINVAL);
		assert_int_equal(history_check_time(odd[i], &e), -EINVAL);
		assert_non_null(strstr(e.hint, "2h"));
	}
	assert_int_equal(history_check_time("2h", &e), 0);
}

TEST(users_are_names_or_numbers)
{
	struct err e;
	assert_int_equal(history_check_user("root", &e), 0);
	assert_int_equal(history_check_user("12345", &e), 0);
	assert_int_equal(history_check_user("no-such-user-here", &e), -EINVAL);
	assert_int_equal(history_check_user("-1", &e), -EINVAL);
	assert_int_equal(history_check_user("4294967295", &e), -EINVAL);
}

TEST(what_is_wished_becomes_filters)
{
	const struct history_wish none = { 0 }, all = { .outcome = "ok",
		.cause = "exit",
		.state = "done",
		.label = "a=b",
		.name = "n",
		.since = "2026-01-31T09:05:00Z",
		.until = "2026-01-31T10:05:00+01:00",
		.user = "root",
		.all = true };
	static const char *const wanted[] = { "limit=7", "outcome=ok", "cause=exit", "state=done",
		"label=a=b", "name=n", "since=2026-01-31T09:05:00.000000Z",
		"until=2026-01-31T09:05:00.000000Z", "uid=0", "all=true", "before=1.2",
		"task=t-0" };
	char **v = history_filters(&none, 50, NULL, NULL);
	assert_int_equal(strv_len(v), 1);
	assert_string_equal(v[0], "limit=50");
	strv_free(v);
	v = history_filters(&all, 7, "1.2", "t-0");
	assert_int_equal(strv_len(v), ARRAY_SIZE(wanted));
	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++)
		assert_string_equal(v[i], wanted[i]);
	strv_free(v);
}

TEST(a_row_tells_who_and_how_long)
{
	char text[256], took[UNITS_TEXT_SIZE];
	json_t *task = json_pack("{s:i, s:s, s:s}", "uid", 0, "started", "2026-01-31T09:05:00Z",
		"finished", "2026-01-31T09:05:02.5Z");
	history_user_name(task, text, sizeof(text));
	assert_string_equal(text, "root");
	history_took(task, took);
	assert_string_equal(took, "2.5 s");
	json_object_set_new(task, "uid", json_integer(4123456789));
	json_object_set_new(task, "started", json_null());
	history_user_name(task, text, sizeof(text));
	assert_string_equal(text, "4123456789");
	history_took(task, took);
	assert_string_equal(took, "");
	json_decref(task);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(times_are_moments_days_or_how_long_ago),
		cmocka_unit_test(users_are_names_or_numbers),
		cmocka_unit_test(what_is_wished_becomes_filters),
		cmocka_unit_test(a_row_tells_who_and_how_long),
	};
	return RUN_TESTS(tests);
}
