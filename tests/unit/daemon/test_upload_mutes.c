#include "harness.h"

#include "daemon/upload_mutes.h"

#include <stdio.h>

TEST(the_last_few_are_known_until_they_are_taken_back)
{
	struct upload_mutes m = { 0 };
	char origin[64];
	for (int i = 0; i <= UPLOAD_MUTES_MAX; i++) {
		snprintf(origin, sizeof(origin), "https://h%d:443", i);
		assert_false(upload_mutes_has(&m, origin));
		upload_mutes_add(&m, origin);
		upload_mutes_add(&m, origin);
		assert_true(upload_mutes_has(&m, origin));
	}
	assert_false(upload_mutes_has(&m, "https://h0:443"));
	assert_true(upload_mutes_has(&m, "https://h1:443"));
	upload_mutes_remove(&m, "https://h1:443");
	upload_mutes_remove(&m, "https://h1:443");
	assert_false(upload_mutes_has(&m, "https://h1:443"));
	assert_true(upload_mutes_has(&m, "https://h2:443"));
	upload_mutes_finish(&m);
	assert_false(upload_mutes_has(&m, "https://h2:443"));
}

TEST(what_has_no_origin_is_not_known)
{
	struct upload_mutes m = { 0 };
	upload_mutes_add(&m, NULL);
	upload_mutes_remove(&m, NULL);
	assert_false(upload_mutes_has(&m, NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_last_few_are_known_until_they_are_taken_back),
		cmocka_unit_test(what_has_no_origin_is_not_known),
	};
	return RUN_TESTS(tests);
}
