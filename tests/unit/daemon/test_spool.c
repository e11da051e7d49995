/* How much room the files for artifacts may take. */
#include "harness.h"

#include "daemon/spool.h"

#define GIB (1ull << 30)

TEST(half_of_what_is_left_is_the_most)
{
	const uint64_t kept = SPOOL_RESERVE_BYTES, none = UINT64_MAX;
	assert_true(spool_room(spool_left(100 * GIB, 0), none, 0, 4 * GIB) == 4 * GIB);
	assert_true(spool_room(spool_left(4 * GIB + kept, 0), none, 0, 4 * GIB) == 2 * GIB);
	assert_true(spool_room(spool_left(4 * GIB + kept, 2 * GIB), none, 0, 4 * GIB) == GIB);
	assert_true(spool_left(kept, 0) == 0);
	assert_true(spool_left(GIB, 2 * GIB) == 0);
	assert_true(spool_left(UINT64_MAX, UINT64_MAX) == 0);
}

TEST(G6_and_half_of_what_is_left_of_ones_own)
{
	assert_true(spool_room(100 * GIB, 8 * GIB, 0, 1 * GIB) == GIB);
	assert_true(spool_room(100 * GIB, 8 * GIB, 0, 9 * GIB) == 4 * GIB);
	assert_true(spool_room(100 * GIB, 8 * GIB, 6 * GIB, 9 * GIB) == GIB);
	assert_true(spool_room(100 * GIB, 8 * GIB, 8 * GIB, 1) == 0);
	assert_true(spool_room(100 * GIB, 8 * GIB, 9 * GIB, 1) == 0);
	assert_true(spool_room(GIB, 8 * GIB, 6 * GIB, 9 * GIB) == GIB / 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(half_of_what_is_left_is_the_most),
		cmocka_unit_test(G6_and_half_of_what_is_left_of_ones_own),
	};
	return RUN_TESTS(tests);
}
