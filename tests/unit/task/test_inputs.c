/* Contents of files and secrets: all in one sealed file, and nowhere else. */
#include "harness.h"

#include "base/fd.h"
#include "task/inputs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char *bytes(const char *text, size_t *len)
{
	*len = strlen(text);
	return strdup(text);
}

TEST(contents_go_into_one_sealed_file_in_the_order_of_the_plan)
{
	struct spec_file files[2] = { 0 };
	struct spec_secret secrets[2] = { { .fd = -1 }, { .fd = -1 } };
	struct task_spec spec = {
		.files = files, .n_files = 2, .secrets = secrets, .n_secrets = 2
	};
	char got[16] = "";
	struct stat st;
	files[0].data = bytes("one", &files[0].data_len);
	files[1].data = bytes("", &files[1].data_len);
	secrets[0].data = bytes("two", &secrets[0].data_len);
	secrets[1].data = bytes("3", &secrets[1].data_len);
	auto_close int fd = -1;
	assert_int_equal(inputs_seal(&spec, &fd), 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, 7);
	assert_int_equal(pread(fd, got, sizeof(got), 0), 7);
	assert_string_equal(got, "onetwo3");
	assert_true(fcntl(fd, F_GET_SEALS) & F_SEAL_WRITE);
	assert_int_equal(pwrite(fd, "x", 1, 0), -1);
	/* What stays is how much there was. */
	assert_null(files[0].data);
	assert_int_equal(files[0].data_len, 3);
	assert_null(files[1].data);
	assert_null(secrets[0].data);
	assert_null(secrets[1].data);
}

TEST(a_secret_is_read_from_a_file_in_memory_and_no_other)
{
	struct spec_secret secret = { .fd = 1 };
	struct task_spec spec = { .secrets = &secret, .n_secrets = 1 };
	struct err e;
	auto_close int memory = fd_sealed_memfd("test", "from memory", 11);
	auto_close int disk = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
	const int fds[] = { disk, memory };
	assert_int_equal(inputs_read(&spec, fds, 2, &e), 0);
	assert_int_equal(secret.data_len, 11);
	assert_string_equal(secret.data, "from memory");
	auto_close int fd = -1;
	assert_int_equal(inputs_seal(&spec, &fd), 0);
	assert_int_equal(inputs_read(&spec, fds, 1, &e), -EINVAL);
	assert_string_equal(e.field, "task.secrets[0].fd");
	secret.fd = 0;
	assert_int_equal(inputs_read(&spec, fds, 2, &e), -EINVAL);
	assert_null(secret.data);
	secret.fd = -1;
	assert_int_equal(inputs_read(&spec, fds, 2, &e), 0);
	assert_null(secret.data);
}

TEST(files_without_contents_still_have_a_sealed_file)
{
	struct spec_file file = { 0 };
	struct task_spec spec = { .files = &file, .n_files = 1 };
	file.data = bytes("", &file.data_len);
	auto_close int fd = -1;
	assert_int_equal(inputs_seal(&spec, &fd), 0);
	assert_true(fd >= 0);
}

TEST(without_files_there_is_none)
{
	struct task_spec spec = { 0 };
	int fd = 5;
	assert_int_equal(inputs_seal(&spec, &fd), 0);
	assert_int_equal(fd, -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(contents_go_into_one_sealed_file_in_the_order_of_the_plan),
		cmocka_unit_test(a_secret_is_read_from_a_file_in_memory_and_no_other),
		cmocka_unit_test(files_without_contents_still_have_a_sealed_file),
		cmocka_unit_test(without_files_there_is_none),
	};
	return RUN_TESTS(tests);
}
