#include "harness.h"

#include "base/err.h"

#include <errno.h>
#include <string.h>

TEST(every_code_has_a_meaning_and_a_name_of_its_own)
{
	for (int i = 0; i < ERR_CODE_COUNT; i++) {
		assert_true(err_code_name(i)[0]);
		assert_true(err_code_meaning(i)[0]);
		for (int j = 0; j < i; j++)
			assert_string_not_equal(err_code_name(j), err_code_name(i));
	}
}

TEST(a_code_out_of_range_is_shown_as_internal)
{
	assert_string_equal(err_code_name((enum err_code)9999), "internal");
	assert_string_equal(err_code_name((enum err_code) - 1), "internal");
	assert_string_equal(err_code_meaning((enum err_code)9999), "");
}

TEST(set_fills_the_error_and_returns_the_errno)
{
	struct err e;
	memset(&e, 0x55, sizeof(e));
	assert_int_equal(err_set(&e, ERR_SOURCE, ENOENT, "open %s", "/x"), -ENOENT);
	assert_int_equal(e.code, ERR_SOURCE);
	assert_int_equal(e.errnum, ENOENT);
	assert_string_equal(e.msg, "open /x: No such file or directory");
	assert_string_equal(e.field, "");
	assert_string_equal(e.step, "");
	assert_string_equal(e.hint, "");
}

TEST(set_without_an_errno_returns_einval_and_adds_no_text)
{
	struct err e;
	assert_int_equal(err_set(&e, ERR_BUSY, 0, "full"), -EINVAL);
	assert_int_equal(e.errnum, 0);
	assert_string_equal(e.msg, "full");
}

TEST(a_fault_in_a_field_names_it)
{
	struct err e;
	assert_int_equal(err_set_field(&e, ERR_BAD_VALUE, "task.argv", "bad %d", 7), -EINVAL);
	assert_string_equal(e.field, "task.argv");
	assert_string_equal(e.msg, "bad 7");
}

TEST(wrap_puts_context_before_the_message)
{
	struct err e;
	err_set(&e, ERR_SETUP, EPERM, "mount");
	assert_int_equal(err_wrap(&e, "step %d", 3), -EPERM);
	assert_string_equal(e.msg, "step 3: mount: Operation not permitted");
	err_set(&e, ERR_SETUP, 0, "mount");
	assert_int_equal(err_wrap(&e, "step"), -EINVAL);
}

TEST(texts_that_are_too_long_are_cut_and_end)
{
	struct err e;
	char big[2048];
	memset(big, 'a', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	err_set(&e, ERR_INTERNAL, EIO, "%s", big);
	assert_int_equal(strlen(e.msg), sizeof(e.msg) - 1);
	err_wrap(&e, "%s", big);
	assert_int_equal(strlen(e.msg), sizeof(e.msg) - 1);
	err_set(&e, ERR_INTERNAL, 0, "%.*s", (int)sizeof(e.msg) - 10, big);
	err_wrap(&e, "context");
	assert_int_equal(strlen(e.msg), sizeof(e.msg) - 1);
	assert_memory_equal(e.msg, "context: a", 10);
	err_set_field(&e, ERR_INTERNAL, big, "x");
	assert_int_equal(strlen(e.field), sizeof(e.field) - 1);
	err_hint(&e, "%s", big);
	assert_int_equal(strlen(e.hint), sizeof(e.hint) - 1);
}

TEST(no_error_record_is_needed)
{
	assert_int_equal(err_set(NULL, ERR_BUSY, EAGAIN, "x"), -EAGAIN);
	assert_int_equal(err_set_field(NULL, ERR_BUSY, "f", "x"), -EINVAL);
	assert_int_equal(err_wrap(NULL, "x"), -EINVAL);
	err_hint(NULL, "x");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_code_has_a_meaning_and_a_name_of_its_own),
		cmocka_unit_test(a_code_out_of_range_is_shown_as_internal),
		cmocka_unit_test(set_fills_the_error_and_returns_the_errno),
		cmocka_unit_test(set_without_an_errno_returns_einval_and_adds_no_text),
		cmocka_unit_test(a_fault_in_a_field_names_it),
		cmocka_unit_test(wrap_puts_context_before_the_message),
		cmocka_unit_test(texts_that_are_too_long_are_cut_and_end),
		cmocka_unit_test(no_error_record_is_needed),
	};
	return RUN_TESTS(tests);
}
