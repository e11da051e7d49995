/* --file and --secret. */
#include "harness.h"

#include "cli/inputs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

TEST(a_file_is_a_path_in_the_jail_and_one_here)
{
	static const char *const good[] = { "/a=b", "/etc/x=./x", "/a=/dev/fd/3", "/a=b=c" };
	static const char *const bad[] = { "", "a", "/a", "/a=", "a=b", "=b" };
	struct err e;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_int_equal(input_check_file(good[i], &e), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(input_check_file(bad[i], &e), -EINVAL);
}

TEST(a_secret_is_a_name_or_a_name_and_a_file)
{
	struct err e;
	assert_int_equal(input_check_secret("A", &e), 0);
	assert_int_equal(input_check_secret("A=b", &e), 0);
	assert_int_equal(input_check_secret("", &e), -EINVAL);
	assert_int_equal(input_check_secret("A=", &e), -EINVAL);
	assert_int_equal(input_check_secret("=hunter2", &e), -EINVAL);
	assert_null(strstr(e.msg, "hunter2"));
}

TEST(what_is_there_is_read_and_what_is_not_is_told)
{
	char path[] = "/tmp/dayfly-test-XXXXXX", text[64];
	struct dayfly_task *t = dayfly_task_new();
	struct err e;
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "x\0y", 3), 3);
	snprintf(text, sizeof(text), "/a=%s", path);
	assert_int_equal(input_add_file(t, text, &e), 0);
	snprintf(text, sizeof(text), "a=%s", path);
	assert_int_equal(input_add_secret(t, text, &e), 0);
	assert_int_equal(ftruncate(fd, (1 << 20) + 1), 0);
	assert_true(input_add_secret(t, text, &e) < 0);
	assert_non_null(strstr(e.msg, "65536"));
	close(fd);
	unlink(path);
	assert_int_equal(input_add_secret(t, text, &e), -ENOENT);
	setenv("DAYFLY_TEST_SECRET", "s", 1);
	assert_int_equal(input_add_secret(t, "DAYFLY_TEST_SECRET", &e), 0);
	unsetenv("DAYFLY_TEST_SECRET");
	assert_true(input_add_secret(t, "DAYFLY_TEST_SECRET", &e) < 0);
	assert_string_equal(e.hint, "export DAYFLY_TEST_SECRET, or write DAYFLY_TEST_SECRET=FILE "
				    "for what is in a file");
	dayfly_task_free(t);
}

TEST(a_tar_is_a_file_and_perhaps_a_place)
{
	struct dayfly_task *t = dayfly_task_new();
	struct err e;
	assert_int_equal(input_check_tar("a.tar", &e), 0);
	assert_int_equal(input_check_tar("/opt/x=a.tar", &e), 0);
	assert_int_equal(input_check_tar("", &e), -EINVAL);
	assert_int_equal(input_check_tar("/opt/x=", &e), -EINVAL);
	assert_true(input_tar_is_stdin("-"));
	assert_true(input_tar_is_stdin("/opt/x=-"));
	assert_false(input_tar_is_stdin("a=-"));
	assert_int_equal(input_add_tar(t, "/opt/x=/dev/null", &e), 0);
	assert_true(input_add_tar(t, "/opt/x=/nonexistent", &e) < 0);
	assert_non_null(strstr(e.msg, "/nonexistent"));
	dayfly_task_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_is_a_path_in_the_jail_and_one_here),
		cmocka_unit_test(a_secret_is_a_name_or_a_name_and_a_file),
		cmocka_unit_test(what_is_there_is_read_and_what_is_not_is_told),
		cmocka_unit_test(a_tar_is_a_file_and_perhaps_a_place),
	};
	return RUN_TESTS(tests);
}
