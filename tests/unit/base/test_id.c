#include "harness.h"

#include "base/id.h"

#include <string.h>

TEST(ids_have_their_form_and_differ)
{
	char a[ID_TASK_SIZE], b[ID_TASK_SIZE];
	for (int i = 0; i < 100; i++) {
		assert_int_equal(id_make_task(a), 0);
		assert_int_equal(id_make_task(b), 0);
		assert_int_equal(strlen(a), ID_TASK_SIZE - 1);
		assert_true(id_is_task(a));
		assert_true(id_is_task_prefix(a));
		assert_string_not_equal(a, b);
	}
}

TEST(a_prefix_of_an_id_has_at_least_one_digit)
{
	assert_true(id_is_task_prefix("t-0"));
	assert_true(id_is_task_prefix("t-deadbeef"));
	assert_false(id_is_task("t-deadbeef"));
}

TEST(a16_other_texts_are_no_ids)
{
	static const char *const bad[] = { "", "t", "t-", "T-0", "t-G", "t-0A", "t-0/", "t-0\n",
		"x-0", "..", "-rf", "t_0", "t-000000000000000000000000000000000", " t-0", "t-0 " };
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_false(id_is_task_prefix(bad[i]));
		assert_false(id_is_task(bad[i]));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ids_have_their_form_and_differ),
		cmocka_unit_test(a_prefix_of_an_id_has_at_least_one_digit),
		cmocka_unit_test(a16_other_texts_are_no_ids),
	};
	return RUN_TESTS(tests);
}
