/* M12: webhooks are signed as Standard Webhooks says; M9: the secrets show nowhere. */
#include "harness.h"

#include "http/signature.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The example of the specification. */
#define SECRET "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define ID     "msg_p5jXN8AQM9LWM0D4loKWxJek"
#define BODY   "{\"test\": 2432232314}"
#define SIGNED "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
#define OTHER  "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

static int parse(const char *text, struct signature_keys *k, struct err *e)
{
	return signature_parse(text, strlen(text), k, e);
}

TEST(M12_the_example_of_the_specification)
{
	struct signature_keys k;
	struct err e;
	char out[SIGNATURE_TEXT_SIZE];
	assert_int_equal(parse(SECRET "\n", &k, &e), 0);
	assert_int_equal(signature_make(&k, ID, 1614265330, BODY, strlen(BODY), out), 0);
	assert_string_equal(out, SIGNED);
	/* Another time or body has another one: nothing can be replayed as something else. */
	assert_int_equal(signature_make(&k, ID, 1614265331, BODY, strlen(BODY), out), 0);
	assert_string_not_equal(out, SIGNED);
	assert_int_equal(signature_make(&k, ID, 1614265330, BODY, strlen(BODY) - 1, out), 0);
	assert_string_not_equal(out, SIGNED);
	signature_wipe(&k);
	assert_int_equal(k.n, 0);
}

TEST(M12_each_of_several_secrets_signs)
{
	struct signature_keys k;
	struct err e;
	char out[SIGNATURE_TEXT_SIZE];
	const char *text = "# old\n" SECRET "\r\n\n" OTHER "\n" OTHER "\n" OTHER;
	assert_int_equal(parse(text, &k, &e), 0);
	assert_int_equal(k.n, 4);
	assert_int_equal(signature_make(&k, ID, 1614265330, BODY, strlen(BODY), out), 0);
	assert_memory_equal(out, SIGNED " v1,", strlen(SIGNED " v1,"));
	assert_int_equal(strlen(out), 4 * strlen(SIGNED) + 3);
}

TEST(M9_a_bad_secret_is_refused_and_not_shown)
{
	static const char *const bad[] = { "", "\n\n# none\n", "hush-hush", "whsec_",
		"whsec_hush-hush", "whsec_aHVzaC1odXNo",
		"whsec_" /* too long follows */
		"aHVzaC1odXNoaHVzaC1odXNoaHVzaC1odXNoaHVzaC1odXNoaHVzaC1odXNoaHVzaC1odXNoaHVzaC1o"
		"dXNoaHVzaC1odXNo",
		OTHER "\n" OTHER "\n" OTHER "\n" OTHER "\n" OTHER "\n" };
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct signature_keys k = { .n = 77 };
		struct err e = { 0 };
		assert_int_equal(parse(bad[i], &k, &e), -EINVAL);
		assert_int_equal(k.n, 77);
		assert_true(e.msg[0] && e.hint[0]);
		assert_null(strstr(e.msg, "hush"));
		assert_null(strstr(e.msg, "aHVz"));
	}
}

TEST(M9_a_file_that_others_may_read_is_refused)
{
	char path[] = "/tmp/dayfly-secret-XXXXXX";
	struct signature_keys k;
	struct err e;
	int fd = mkstemp(path);
	assert_true(fd >= 0 && write(fd, SECRET "\n", strlen(SECRET) + 1) > 0);
	close(fd);
	assert_int_equal(signature_read_file(path, getuid(), &k, &e), 0);
	assert_int_equal(k.n, 1);
	static const unsigned modes[] = { 0604, 0602, 0620, 0601 };
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		assert_int_equal(chmod(path, modes[i]), 0);
		assert_int_equal(signature_read_file(path, getuid(), &k, &e), -EINVAL);
		assert_non_null(strstr(e.msg, path));
	}
	assert_int_equal(chmod(path, 0440), 0);
	assert_int_equal(signature_read_file(path, getuid(), &k, &e), 0);
	unlink(path);
	assert_int_equal(signature_read_file(path, getuid(), &k, &e), -ENOENT);
	assert_int_equal(signature_read_file("/tmp", getuid(), &k, &e), -EINVAL);
	assert_int_equal(signature_read_file("/dev/null", getuid(), &k, &e), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(M12_the_example_of_the_specification),
		cmocka_unit_test(M12_each_of_several_secrets_signs),
		cmocka_unit_test(M9_a_bad_secret_is_refused_and_not_shown),
		cmocka_unit_test(M9_a_file_that_others_may_read_is_refused),
	};
	return RUN_TESTS(tests);
}
