#include "harness.h"

#include "base/clock.h"
#include "base/units.h"

#include <errno.h>

typedef int (*parse_fn)(const char *text, uint64_t *ret);

struct sample {
	const char *text;
	uint64_t value;
};

static void check_good(parse_fn parse, const struct sample *samples, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t value = 0;
		if (parse(samples[i].text, &value) != 0 || value != samples[i].value)
			fail_msg("\"%s\" gives %llu", samples[i].text, (unsigned long long)value);
	}
}

static void check_bad(parse_fn parse, int error, const char *const *texts, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t value = 99;
		int r = parse(texts[i], &value);
		if (r != error || value != 99)
			fail_msg("\"%s\" returns %d, not %d", texts[i], r, error);
	}
}

TEST(sizes_are_read_with_their_units)
{
	static const struct sample good[] = { { "0", 0 }, { "512", 512 }, { "1b", 1 },
		{ "64k", 65536 }, { "64KiB", 65536 }, { "64kb", 64000 }, { "2GiB", 2147483648 },
		{ "1.5g", 1610612736 }, { "1.001kB", 1001 }, { "3TB", 3000000000000 },
		{ "1tib", 1099511627776 }, { "9223372036854775", 9223372036854775 }, { "0.5", 0 } };
	check_good(units_parse_size, good, ARRAY_SIZE(good));
}

TEST(i5_nonsense_sizes_are_refused)
{
	static const char *const bad[] = { "", " ", "-1", "+1", " 1", "1 ", "1 k", "k", ".5", "1.",
		"1.k", "0x10", "1e3", "1e308", "NaN", "inf", "1kk", "1kibb", "1p", "1,5",
		"\xd9\xa1", "1\n", "--1", "1-" };
	check_bad(units_parse_size, -EINVAL, bad, ARRAY_SIZE(bad));
}

TEST(i5_sizes_never_wrap_around)
{
	static const char *const bad[] = { "18446744073709551616", "99999999999999999999999",
		"16777216T", "18446744073709551615t", "9999999999999g" };
	check_bad(units_parse_size, -ERANGE, bad, ARRAY_SIZE(bad));
}

TEST(durations_are_read_with_their_units)
{
	static const struct sample good[] = { { "0", 0 }, { "90", 90000 }, { "1.5", 1500 },
		{ "10s", 10000 }, { "500ms", 500 }, { "1h30m", 5400000 }, { "1d", 86400000 },
		{ "1d2h3m4s5ms", 93784005 }, { "2.5h", 9000000 }, { "0.001s", 1 } };
	check_good(units_parse_duration, good, ARRAY_SIZE(good));
}

TEST(i5_nonsense_durations_are_refused)
{
	static const char *const bad[] = { "", "s", "-1s", "+1s", "1 s", "1h30", "30m1h", "1s1s",
		"1m1m", "1S", "1sec", "1y", "1w", "1.s", "ms", "1e3s", "inf", "1h ", "1ms1s" };
	check_bad(units_parse_duration, -EINVAL, bad, ARRAY_SIZE(bad));
}

TEST(i5_durations_never_wrap_around)
{
	static const char *const bad[] = { "18446744073709551616s", "9223372036854775807d",
		"106751991168d" };
	check_bad(units_parse_duration, -ERANGE, bad, ARRAY_SIZE(bad));
}

TEST(cpus_are_thousandths)
{
	static const struct sample good[] = { { "0.5", 500 }, { "2", 2000 }, { "1.25", 1250 },
		{ "0.0019", 1 }, { "0", 0 } };
	static const char *const bad[] = { "", "-1", "1.", "1cpu", "1e1", ".5", "1%", "nan" };
	static const char *const big[] = { "99999999999999999999", "18446744073709551" };
	check_good(units_parse_cpus, good, ARRAY_SIZE(good));
	check_bad(units_parse_cpus, -EINVAL, bad, ARRAY_SIZE(bad));
	check_bad(units_parse_cpus, -ERANGE, big, 1);
}

TEST(whole_numbers_have_a_maximum)
{
	uint64_t value = 0;
	assert_int_equal(units_parse_uint("0", 10, &value), 0);
	assert_int_equal(units_parse_uint("10", 10, &value), 0);
	assert_int_equal(value, 10);
	assert_int_equal(units_parse_uint("11", 10, &value), -ERANGE);
	assert_int_equal(units_parse_uint("18446744073709551615", UINT64_MAX, &value), 0);
	assert_true(value == UINT64_MAX);
	assert_int_equal(units_parse_uint("18446744073709551616", UINT64_MAX, &value), -ERANGE);
	static const char *const bad[] = { "", "-1", "+1", "1.0", "0x1", " 1", "1 ", "a" };
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(units_parse_uint(bad[i], 10, &value), -EINVAL);
}

TEST(sizes_are_shown_for_people)
{
	static const struct sample samples[] = { { "0 B", 0 }, { "17 B", 17 }, { "1023 B", 1023 },
		{ "1.0 KiB", 1024 }, { "1.5 GiB", 1610612736 }, { "412 MiB", 432013312 },
		{ "16.0 EiB", UINT64_MAX } };
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		char out[UNITS_TEXT_SIZE];
		units_format_size(samples[i].value, out);
		assert_string_equal(out, samples[i].text);
	}
}

TEST(durations_are_shown_for_people)
{
	static const struct sample samples[] = { { "0 us", 0 }, { "12 us", 12 * NS_PER_US },
		{ "350 ms", 350 * NS_PER_MS }, { "8.2 s", 8200 * NS_PER_MS },
		{ "1 min 5 s", 65 * NS_PER_S }, { "1 h 5 min", 3900 * NS_PER_S } };
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		char out[UNITS_TEXT_SIZE];
		units_format_duration(samples[i].value, out);
		assert_string_equal(out, samples[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes_are_read_with_their_units),
		cmocka_unit_test(i5_nonsense_sizes_are_refused),
		cmocka_unit_test(i5_sizes_never_wrap_around),
		cmocka_unit_test(durations_are_read_with_their_units),
		cmocka_unit_test(i5_nonsense_durations_are_refused),
		cmocka_unit_test(i5_durations_never_wrap_around),
		cmocka_unit_test(cpus_are_thousandths),
		cmocka_unit_test(whole_numbers_have_a_maximum),
		cmocka_unit_test(sizes_are_shown_for_people),
		cmocka_unit_test(durations_are_shown_for_people),
	};
	return RUN_TESTS(tests);
}
