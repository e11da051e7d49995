/* plan/controls.def: the names that a result's `enforced` object uses. */
#include "harness.h"

#include "base/fd.h"
#include "plan/wire.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

TEST(every_control_has_its_own_name_and_a_meaning)
{
	for (int i = 0; i < CONTROL_COUNT; i++) {
		assert_true(control_name(i)[0]);
		assert_true(control_meaning(i)[0]);
		for (int j = 0; j < i; j++)
			assert_string_not_equal(control_name(i), control_name(j));
	}
}

TEST(names_of_controls_are_lower_case_words)
{
	for (int i = 0; i < CONTROL_COUNT; i++)
		assert_int_equal(strspn(control_name(i), "abcdefghijklmnopqrstuvwxyz_"),
			strlen(control_name(i)));
}

TEST(all_controls_fit_into_the_bits_of_a_record)
{
	struct wire_event ev;
	assert_true(CONTROL_COUNT <= 8 * sizeof(ev.started.enforced));
}

TEST(a_control_out_of_range_is_harmless)
{
	assert_string_equal(control_name(CONTROL_COUNT), "?");
	assert_string_equal(control_meaning((enum control) - 1), "");
}

TEST(the_document_lists_every_control)
{
	auto_free char *doc = NULL;
	assert_true(
		fd_read_file(AT_FDCWD, DAYFLY_TEST_SOURCE "/docs/protocol.md", 1 << 20, &doc) > 0);
	for (int i = 0; i < CONTROL_COUNT; i++) {
		char row[256];
		snprintf(row, sizeof(row), "| `%s` | %s |\n", control_name(i), control_meaning(i));
		if (!strstr(doc, row))
			fail_msg("docs/protocol.md has no row: %s", row);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_control_has_its_own_name_and_a_meaning),
		cmocka_unit_test(names_of_controls_are_lower_case_words),
		cmocka_unit_test(all_controls_fit_into_the_bits_of_a_record),
		cmocka_unit_test(a_control_out_of_range_is_harmless),
		cmocka_unit_test(the_document_lists_every_control),
	};
	return RUN_TESTS(tests);
}
