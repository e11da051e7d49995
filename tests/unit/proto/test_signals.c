#include "harness.h"

#include "proto/request.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

TEST(signals_are_found_by_name_with_or_without_sig_and_by_number)
{
	assert_int_equal(signal_number("TERM"), SIGTERM);
	assert_int_equal(signal_number("SIGTERM"), SIGTERM);
	assert_int_equal(signal_number("sigterm"), SIGTERM);
	assert_int_equal(signal_number("Kill"), SIGKILL);
	assert_int_equal(signal_number("15"), 15);
	assert_int_equal(signal_number("CLD"), SIGCHLD);
	assert_int_equal(signal_number("IOT"), SIGABRT);
	assert_int_equal(signal_number("POLL"), SIGIO);
	assert_int_equal(signal_number("RTMIN+2"), 36);
	assert_int_equal(signal_number("64"), 64);
}

TEST(other_texts_are_no_signals)
{
	static const char *const bad[] = { "", "0", "65", "-1", "+9", "9 ", " 9", "SIG",
		"SIGSIGTERM", "TER", "TERMX", "1.0", "0x9", "99999999999999999999", "SIG9",
		"RTMIN+31", "NULL" };
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(signal_number(bad[i]), -EINVAL);
}

TEST(every_signal_has_a_name_that_leads_back_to_it)
{
	for (int signo = 1; signo <= 64; signo++) {
		const char *name = signal_name(signo);
		assert_memory_equal(name, "SIG", 3);
		if (signo == 32 || signo == 33)
			continue;
		assert_int_equal(signal_number(name), signo);
		assert_int_equal(signal_number(name + 3), signo);
	}
}

TEST(the_names_are_those_of_the_library)
{
	for (int signo = 1; signo < 32; signo++) {
		const char *abbreviation = sigabbrev_np(signo);
		assert_non_null(abbreviation);
		assert_string_equal(
			signal_name(signo) + 3, strcmp(abbreviation, "POLL") ? abbreviation : "IO");
	}
}

TEST(numbers_that_are_no_signal_have_a_name_too)
{
	assert_string_equal(signal_name(0), "unknown");
	assert_string_equal(signal_name(65), "unknown");
	assert_string_equal(signal_name(-1), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(signals_are_found_by_name_with_or_without_sig_and_by_number),
		cmocka_unit_test(other_texts_are_no_signals),
		cmocka_unit_test(every_signal_has_a_name_that_leads_back_to_it),
		cmocka_unit_test(the_names_are_those_of_the_library),
		cmocka_unit_test(numbers_that_are_no_signal_have_a_name_too),
	};
	return RUN_TESTS(tests);
}
