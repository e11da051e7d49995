/* M1: bounded and spread. */
#include "harness.h"

#include "http/retry.h"

TEST(M1_the_wait_doubles_up_to_its_bound_and_is_spread)
{
	assert_int_equal(retry_delay_ms(1, 0, 0), 500);
	assert_int_equal(retry_delay_ms(1, 500, 0), 1000);
	assert_int_equal(retry_delay_ms(2, 0, 0), 1000);
	assert_int_equal(retry_delay_ms(5, 0, 0), 8000);
	for (unsigned n = 1; n < 100; n++)
		for (uint64_t random = 0; random < 2000000; random += 99991) {
			uint64_t ms = retry_delay_ms(n, random, 0);
			assert_in_range(ms, 500, RETRY_LONGEST_MS);
		}
	assert_int_equal(retry_delay_ms(99, 0, 0), RETRY_LONGEST_MS / 2);
	assert_int_equal(retry_delay_ms(~0u, RETRY_LONGEST_MS / 2, 0), RETRY_LONGEST_MS);
}

TEST(M1_what_the_answer_asks_for_is_the_least_up_to_a_bound)
{
	assert_int_equal(retry_delay_ms(1, 0, 7000), 7000);
	assert_int_equal(retry_delay_ms(5, 0, 7000), 8000);
	assert_int_equal(retry_delay_ms(1, 0, UINT64_MAX), RETRY_AFTER_MAX_MS);
}

TEST(M1_Retry_After_is_seconds_or_a_date)
{
	assert_int_equal(retry_after_ms("120", 0), 120000);
	assert_int_equal(retry_after_ms("0", 0), 0);
	assert_int_equal(retry_after_ms("Sun, 06 Nov 1994 08:49:37 GMT", 784111777 - 60), 60000);
	assert_int_equal(retry_after_ms("Sun, 06 Nov 1994 08:49:37 GMT", 784111777 + 60), 0);
	assert_int_equal(retry_after_ms("", 0), 0);
	assert_int_equal(retry_after_ms("-1", 0), 0);
	assert_int_equal(retry_after_ms("soon", 0), 0);
	assert_int_equal(retry_after_ms("99999999999999999999999", 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(M1_the_wait_doubles_up_to_its_bound_and_is_spread),
		cmocka_unit_test(M1_what_the_answer_asks_for_is_the_least_up_to_a_bound),
		cmocka_unit_test(M1_Retry_After_is_seconds_or_a_date),
	};
	return RUN_TESTS(tests);
}
