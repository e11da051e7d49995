/* What uploads are signed with (M9). */
#include "harness.h"

#include "daemon/upload_secret.h"

#include <stdlib.h>
#include <string.h>

static int parse(enum upload_kind kind, const char *text, struct upload_secret *s)
{
	struct err e = { 0 };
	int r = upload_secret_parse(kind, text, strlen(text), s, &e);
	assert_true(r == 0 || (e.msg[0] && e.hint[0] && !strstr(e.msg, "hush")));
	return r;
}

TEST(M9_of_a_request_all_that_signing_needs_must_be_there)
{
	struct upload_secret s = { 0 };
	static const char *const bad[] = { "", "hush", "authorization = ", "\nauthorization=\n",
		"aws_access_key_id = hush\naws_secret_access_key = hush",
		"authorization = hush\nauthorization = hush" };
	static const char *const bad_s3[] = { "", "authorization = hush",
		"aws_access_key_id = hush", "aws_secret_access_key = hush",
		"aws_access_key_id = hush\naws_session_token = hush" };
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_true(parse(UPLOAD_HTTP, bad[i], &s) < 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad_s3); i++)
		assert_true(parse(UPLOAD_S3, bad_s3[i], &s) < 0);
	assert_null(s.id);
	assert_int_equal(parse(UPLOAD_HTTP, "# x\nauthorization = Bearer hush\n", &s), 0);
	assert_string_equal(s.authorization, "Bearer hush");
	upload_secret_wipe(&s);
	assert_null(s.authorization);
	assert_int_equal(
		parse(UPLOAD_S3, "[default]\naws_access_key_id = a\naws_secret_access_key = b\n",
			&s),
		0);
	assert_string_equal(s.id, "a");
	assert_string_equal(s.key, "b");
	assert_null(s.token);
	upload_secret_wipe(&s);
}

TEST(M9_the_environment_is_taken_as_it_is_or_not_at_all)
{
	struct upload_secret s = { 0 };
	struct err e = { 0 };
	setenv("AWS_ACCESS_KEY_ID", "hush", 1);
	setenv("AWS_SESSION_TOKEN", "", 1);
	unsetenv("AWS_SECRET_ACCESS_KEY");
	assert_int_equal(upload_secret_read_environment(&s, &e), 0);
	assert_string_equal(s.id, "hush");
	assert_null(s.key);
	assert_null(s.token);
	upload_secret_wipe(&s);
	setenv("AWS_SECRET_ACCESS_KEY", "hush\n", 1);
	assert_true(upload_secret_read_environment(&s, &e) < 0);
	assert_null(s.id);
	assert_non_null(strstr(e.msg, "AWS_SECRET_ACCESS_KEY has characters"));
	assert_null(strstr(e.msg, "hush"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(M9_of_a_request_all_that_signing_needs_must_be_there),
		cmocka_unit_test(M9_the_environment_is_taken_as_it_is_or_not_at_all),
	};
	return RUN_TESTS(tests);
}
