/* How many jails are kept ready. */
#include "harness.h"

#include "base/clock.h"
#include "jail/pool_size.h"

TEST(one_is_ready_for_who_comes_next)
{
	struct pool_demand d = { 0 };
	assert_int_equal(pool_size_wanted(&d, NS_PER_S, 8), 1);
	assert_int_equal(pool_size_wanted(&d, NS_PER_S, 1), 1);
	assert_int_equal(pool_size_wanted(&d, NS_PER_S, 0), 0);
}

TEST(more_demand_wants_more_up_to_the_bound)
{
	struct pool_demand d = { 0 };
	uint64_t now = NS_PER_S;
	/* 200 a second: ten in 50 ms. */
	for (int i = 0; i < 200; i++)
		pool_demand_note(&d, now += 5 * NS_PER_MS);
	unsigned n = pool_size_wanted(&d, now, 100);
	assert_in_range(n, 8, 13);
	assert_int_equal(pool_size_wanted(&d, now, 4), 4);
	/* And goes as the demand goes. */
	assert_true(pool_size_wanted(&d, now + 3 * NS_PER_S, 100) < n);
	assert_int_equal(pool_size_wanted(&d, now + 100 * NS_PER_S, 100), 1);
}

TEST(a_flood_and_a_clock_that_stands_still_are_bounded)
{
	struct pool_demand d = { 0 };
	for (int i = 0; i < 100000; i++)
		pool_demand_note(&d, NS_PER_S);
	assert_int_equal(pool_size_wanted(&d, NS_PER_S, 256), 256);
	pool_demand_note(&d, 1); /* earlier than before */
	assert_true(pool_size_wanted(&d, 1, 256) <= 256);
}

TEST(the_kind_follows_what_is_asked_for_most)
{
	struct pool_kind k = { 0 };
	assert_true(pool_kind_note(&k, 5));
	for (int i = 0; i < 10; i++)
		assert_false(pool_kind_note(&k, 5));
	for (int i = 1; i < POOL_KIND_CHANGE; i++)
		assert_false(pool_kind_note(&k, 6));
	assert_true(pool_kind_note(&k, 6));
	assert_int_equal(k.value, 6);
	assert_false(pool_kind_note(&k, 6));
}

TEST(the_kind_does_not_change_for_who_asks_for_another_each_time)
{
	struct pool_kind k = { 0 };
	pool_kind_note(&k, 5);
	for (uint64_t i = 0; i < 1000; i++)
		assert_false(pool_kind_note(&k, 100 + i));
	for (uint64_t i = 0; i < 1000; i++) {
		assert_false(pool_kind_note(&k, 6 + i % 2));
		assert_false(pool_kind_note(&k, 5));
	}
	assert_int_equal(k.value, 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_is_ready_for_who_comes_next),
		cmocka_unit_test(more_demand_wants_more_up_to_the_bound),
		cmocka_unit_test(the_kind_follows_what_is_asked_for_most),
		cmocka_unit_test(the_kind_does_not_change_for_who_asks_for_another_each_time),
		cmocka_unit_test(a_flood_and_a_clock_that_stands_still_are_bounded),
	};
	return RUN_TESTS(tests);
}
