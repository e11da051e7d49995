/* How much room the files for artifacts may take. */
#include "harness.h"

#include "daemon/spool.h"

#define GIB (1ull << 30)

TEST(half_of_what_is_left_is_the_most)
{
	const uint64_t kept = SPOOL_RESERVE_BYTES;
	assert_true(spool_room(100 * GIB, 0, 4 * GIB) == 4 * GIB);
	assert_true(spool_room(4 * GIB + kept, 0, 4 * GIB) == 2 * GIB);
	assert_true(spool_room(4 * GIB + kept, 2 * GIB, 4 * GIB) == GIB);
	assert_true(spool_room(kept, 0, 1) == 0);
	assert_true(spool_room(GIB, 2 * GIB, 1) == 0);
	assert_true(spool_room(UINT64_MAX, UINT64_MAX, 1) == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(half_of_what_is_left_is_the_most),
	};
	return RUN_TESTS(tests);
}
