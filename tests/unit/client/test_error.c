#include "harness.h"

#include "client/error.h"

#include <errno.h>
#include <string.h>

TEST(an_error_has_code_number_and_text)
{
	struct dayfly_error e;
	memset(&e, 'x', sizeof(e));
	assert_int_equal(error_set(&e, ERR_SOURCE, ENOENT, "open %s", "/x"), -ENOENT);
	assert_string_equal(e.code, "source_unavailable");
	assert_string_equal(e.message, "open /x: No such file or directory");
	assert_int_equal(e.errnum, ENOENT);
	assert_string_equal(e.field, "");
	assert_string_equal(e.hint, "");
	error_hint(&e, "do %d", 5);
	assert_string_equal(e.hint, "do 5");
	assert_int_equal(error_set(&e, ERR_BAD_VALUE, 0, "bad"), -EINVAL);
	assert_string_equal(e.message, "bad");
	assert_int_equal(e.errnum, EINVAL);
}

TEST(nobody_has_to_ask_for_the_reason)
{
	assert_int_equal(error_set(NULL, ERR_SOURCE, EIO, "x"), -EIO);
	error_hint(NULL, "x");
}

TEST(long_texts_are_cut)
{
	struct dayfly_error e;
	char big[2000];
	memset(big, 'y', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	error_set(&e, ERR_SOURCE, EIO, "%s", big);
	assert_int_equal(strlen(e.message), sizeof(e.message) - 1);
	json_t *object = json_pack("{s:s, s:s, s:s}", "message", big, "code", big, "hint", big);
	error_from_json(&e, object);
	assert_int_equal(strlen(e.code), sizeof(e.code) - 1);
	assert_int_equal(strlen(e.hint), sizeof(e.hint) - 1);
	json_decref(object);
}

TEST(members_of_a_wrong_type_are_left_empty)
{
	struct dayfly_error e;
	json_t *object = json_pack("{s:i, s:s, s:[]}", "code", 5, "errno", "x", "message");
	error_from_json(&e, object);
	assert_string_equal(e.code, "");
	assert_string_equal(e.message, "");
	assert_int_equal(e.errnum, 0);
	json_decref(object);
	error_from_json(&e, NULL);
	assert_string_equal(e.code, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_error_has_code_number_and_text),
		cmocka_unit_test(nobody_has_to_ask_for_the_reason),
		cmocka_unit_test(long_texts_are_cut),
		cmocka_unit_test(members_of_a_wrong_type_are_left_empty),
	};
	return RUN_TESTS(tests);
}
