#include "harness.h"

#include "base/clock.h"

#include <errno.h>
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

TEST(moments_are_read)
{
	static const struct {
		const char *text;
		uint64_t ns;
	} good[] = {
		{ "1970-01-01T00:00:00Z", 0 },
		{ "2026-01-31T09:05:00Z", 1769850300ull * NS_PER_S },
		{ "2026-01-31 09:05:00z", 1769850300ull * NS_PER_S },
		{ "2026-01-31T09:05:00.123456Z", 1769850300ull * NS_PER_S + 123456000 },
		{ "2026-01-31T09:05:00.1234567891234Z", 1769850300ull * NS_PER_S + 123456789 },
		{ "2026-01-31T10:35:00+01:30", 1769850300ull * NS_PER_S },
		{ "2026-01-31T04:05:00-05:00", 1769850300ull * NS_PER_S },
		{ "2024-02-29T00:00:00Z", 1709164800ull * NS_PER_S },
	};
	static const char *const bad[] = { "", "now", "2026", "2026-01-31", "2026-01-31T09:05Z",
		"2026-01-31T09:05:00", "2026-01-31T09:05:00ZZ", "2026-02-30T00:00:00Z",
		"2026-13-01T00:00:00Z", "2026-01-31T24:01:00Z", "2026-01-31T09:60:00Z",
		"2026-01-31T09:05:00+1:00", "2026-01-31T09:05:00+01", "2026-01-31T09:05:00+99:00",
		"1969-12-31T23:59:59Z", "1970-01-01T00:00:00+01:00", "9999-12-31T00:00:00Z",
		"2026-1-31T09:05:00Z", "-026-01-31T09:05:00Z", " 2026-01-31T09:05:00Z" };
	uint64_t ns;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		assert_int_equal(clock_parse_rfc3339(good[i].text, &ns), 0);
		assert_int_equal(ns, good[i].ns);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (clock_parse_rfc3339(bad[i], &ns) != -EINVAL)
			fail_msg("%s is taken", bad[i]);
}

TEST(what_was_written_is_read)
{
	char text[CLOCK_RFC3339_SIZE];
	uint64_t now = clock_real_ns() / NS_PER_US * NS_PER_US, got;
	clock_format_rfc3339(now, text);
	assert_int_equal(clock_parse_rfc3339(text, &got), 0);
	assert_int_equal(got, now);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(clocks_do_not_go_back),
		cmocka_unit_test(the_real_clock_is_after_2024),
		cmocka_unit_test(time_stamps_are_rfc_3339_in_utc),
		cmocka_unit_test(moments_are_read),
		cmocka_unit_test(what_was_written_is_read),
	};
	return RUN_TESTS(tests);
}
