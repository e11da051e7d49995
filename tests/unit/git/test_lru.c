/* What goes first when the cache is too large. */
#include "harness.h"

#include "git/lru.h"

static const struct git_lru_item items[] = {
	{ .uid = 1, .bytes = 10, .used_ns = 5 },
	{ .uid = 2, .bytes = 50, .used_ns = 3 },
	{ .uid = 2, .bytes = 30, .used_ns = 4 },
	{ .uid = 1, .bytes = 20, .used_ns = 1, .is_in_use = true },
};
#define N ARRAY_SIZE(items)

TEST(within_the_bounds_nothing_goes)
{
	assert_int_equal(git_lru_choose(items, N, 110, 80), N);
	assert_int_equal(git_lru_choose(items, N, 0, 0), N);
	assert_int_equal(git_lru_choose(items, 0, 1, 1), 0);
}

TEST(of_the_user_who_has_most_the_oldest_goes)
{
	assert_int_equal(git_lru_choose(items, N, 109, 0), 1);
	assert_int_equal(git_lru_choose(items, N, 0, 79), 1);
	/* The other one is over his own bound, too. */
	assert_int_equal(git_lru_choose(items, N, 0, 29), 1);
}

TEST(who_is_within_his_bound_loses_nothing_to_anothers)
{
	assert_int_equal(git_lru_choose(items + 3, 1, 0, 30), 1);
	const struct git_lru_item two[] = { { 1, 10, 1, false }, { 2, 90, 2, true },
		{ 2, 1, 3, false } };
	assert_int_equal(git_lru_choose(two, 3, 0, 50), 2);
}

TEST(what_is_in_use_stays)
{
	assert_int_equal(git_lru_choose(items + 3, 1, 1, 1), 1);
	const struct git_lru_item two[] = { { 1, 10, 1, true }, { 1, 10, 2, false } };
	assert_int_equal(git_lru_choose(two, 2, 1, 1), 1);
	/* Then the next user's. */
	const struct git_lru_item users[] = { { 1, 90, 1, true }, { 2, 10, 2, false } };
	assert_int_equal(git_lru_choose(users, 2, 50, 0), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(within_the_bounds_nothing_goes),
		cmocka_unit_test(of_the_user_who_has_most_the_oldest_goes),
		cmocka_unit_test(who_is_within_his_bound_loses_nothing_to_anothers),
		cmocka_unit_test(what_is_in_use_stays),
	};
	return RUN_TESTS(tests);
}
