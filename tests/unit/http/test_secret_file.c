/* M9: files of secrets. More of it in test_signature.c. */
#include "harness.h"

#include "http/secret_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char path[] = "/tmp/dayfly-test-secret-file";

TEST(M9_only_what_nobody_else_can_read_is_read)
{
	char text[SECRET_FILE_MAX + 1];
	size_t len = 0;
	struct err e;
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_int_equal(write(fd, "secret", 6), 6);
	assert_int_equal(secret_file_read(path, getuid(), text, &len, &e), 0);
	assert_int_equal(len, 6);
	assert_string_equal(text, "secret");
	static const mode_t bad[] = { 0604, 0620, 0602, 0601 };
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(fchmod(fd, bad[i]), 0);
		assert_int_equal(secret_file_read(path, getuid(), text, &len, &e), -EINVAL);
		assert_int_equal(e.code, ERR_NOT_ALLOWED);
	}
	assert_int_equal(fchmod(fd, 0600), 0);
	assert_int_equal(ftruncate(fd, SECRET_FILE_MAX + 1), 0);
	assert_int_equal(secret_file_read(path, getuid(), text, &len, &e), -EINVAL);
	assert_int_equal(e.code, ERR_TOO_LARGE);
	close(fd);
	unlink(path);
	assert_int_equal(secret_file_read(path, getuid(), text, &len, &e), -ENOENT);
	assert_int_equal(secret_file_read("/dev/zero", getuid(), text, &len, &e), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(M9_only_what_nobody_else_can_read_is_read),
	};
	return RUN_TESTS(tests);
}
