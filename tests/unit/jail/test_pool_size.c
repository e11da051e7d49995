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

TEST(what_happens_again_and_again_is_braked)
{
	struct pool_brake b = { 0 };
	uint64_t now = 77 * NS_PER_S, pause = 0, before = 0;
	assert_int_equal(pool_brake_note(&b, now), now);
	now += NS_PER_MS;
	assert_int_equal(pool_brake_note(&b, now), now + POOL_BRAKE_FIRST_NS);
	for (int i = 0; i < 50; i++) {
		before = pause;
		now += pause + NS_PER_MS;
		pause = pool_brake_note(&b, now) - now;
		assert_true(pause >= before && pause <= POOL_BRAKE_MOST_NS);
	}
	assert_int_equal(pause, POOL_BRAKE_MOST_NS);
	/* And is forgotten. */
	now += POOL_BRAKE_MEMORY_NS;
	assert_int_equal(pool_brake_note(&b, now), now);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_is_ready_for_who_comes_next),
		cmocka_unit_test(more_demand_wants_more_up_to_the_bound),
		cmocka_unit_test(a_flood_and_a_clock_that_stands_still_are_bounded),
		cmocka_unit_test(what_happens_again_and_again_is_braked),
	};
	return RUN_TESTS(tests);
}
