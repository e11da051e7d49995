#include "harness.h"

#include "cli/table.h"

#include <string.h>

TEST(columns_are_as_wide_as_they_need_to_be)
{
	char text[512] = "";
	struct table t;
	table_init(&t, 3);
	static const char *const cells[] = { "A", "LONGER", "C", "wide cell", "x\033[31m", "last",
		"\303\244\303\266", "", "z" };
	for (size_t i = 0; i < ARRAY_SIZE(cells); i++)
		table_add(&t, cells[i], 0);
	FILE *out = fmemopen(text, sizeof(text), "w");
	assert_int_equal(table_print(&t, out), 0);
	fclose(out);
	table_finish(&t);
	assert_string_equal(text, "A          LONGER     C\n"
				  "wide cell  x\\x1b[31m  last\n"
				  "\303\244\303\266                    z\n");
}

TEST(long_cells_are_cut_between_characters)
{
	char text[512] = "";
	struct table t;
	table_init(&t, 1);
	table_add(&t, "abcdefghij", 8);
	table_add(&t, "\303\244\303\244\303\244\303\244\303\244\303\244", 5);
	table_add(&t, "abcdefgh", 8);
	FILE *out = fmemopen(text, sizeof(text), "w");
	assert_int_equal(table_print(&t, out), 0);
	fclose(out);
	table_finish(&t);
	assert_string_equal(text, "abcde...\n\303\244\303\244...\nabcdefgh\n");
}

TEST(heads_come_first_and_what_cannot_be_written_is_a_failure)
{
	static const char *const heads[] = { "A", "B" };
	struct table t;
	char text[64] = "";
	table_begin(&t, heads, ARRAY_SIZE(heads));
	table_add(&t, "1", 0);
	table_add(&t, "2", 0);
	FILE *out = fmemopen(text, sizeof(text), "w"), *old = stdout;
	stdout = out;
	int status = table_show(&t, 7);
	stdout = old;
	fclose(out);
	assert_int_equal(status, 0);
	assert_string_equal(text, "A  B\n1  2\n");
	/* No room for it. */
	table_begin(&t, heads, ARRAY_SIZE(heads));
	stdout = fopen("/dev/full", "w");
	assert_non_null(stdout);
	status = table_show(&t, 7);
	fclose(stdout);
	stdout = old;
	assert_int_equal(status, 7);
}

TEST(many_rows_fit)
{
	char text[8192] = "";
	struct table t;
	table_init(&t, 2);
	for (int i = 0; i < 1000; i++)
		table_add(&t, "x", 0);
	FILE *out = fmemopen(text, sizeof(text), "w");
	assert_int_equal(table_print(&t, out), 0);
	fclose(out);
	table_finish(&t);
	assert_int_equal(strlen(text), 500 * 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(columns_are_as_wide_as_they_need_to_be),
		cmocka_unit_test(long_cells_are_cut_between_characters),
		cmocka_unit_test(heads_come_first_and_what_cannot_be_written_is_a_failure),
		cmocka_unit_test(many_rows_fit),
	};
	return RUN_TESTS(tests);
}
