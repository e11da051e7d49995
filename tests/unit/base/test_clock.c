#include "harness.h"

#include "base/clock.h"

#include <string.h>

TEST(clocks_do_not_go_back)
{
	uint64_t mono = clock_mono_ns(), boot = clock_boot_ns();
	for (int i = 0; i < 1000; i++) {
		assert_true(clock_mono_ns() >= mono);
		assert_true(clock_boot_ns() >= boot);
		mono = clock_mono_ns();
		boot = clock_boot_ns();
	}
}

TEST(the_real_clock_is_after_2024)
{
	assert_true(clock_real_ns() / NS_PER_S > 1704067200);
}

TEST(time_stamps_are_rfc_3339_in_utc)
{
	char out[CLOCK_RFC3339_SIZE];
	clock_format_rfc3339(0, out);
	assert_string_equal(out, "1970-01-01T00:00:00.000000Z");
	clock_format_rfc3339(1769850300ull * NS_PER_S + 123456789, out);
	assert_string_equal(out, "2026-01-31T09:05:00.123456Z");
	clock_format_rfc3339(UINT64_MAX, out);
	assert_true(strlen(out) < CLOCK_RFC3339_SIZE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(clocks_do_not_go_back),
		cmocka_unit_test(the_real_clock_is_after_2024),
		cmocka_unit_test(time_stamps_are_rfc_3339_in_utc),
	};
	return RUN_TESTS(tests);
}
