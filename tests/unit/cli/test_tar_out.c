/* A tar that is written is read again, by the reader of changes. */
#include "harness.h"

#include "cli/change_tar.h"
#include "cli/tar_file.h"
#include "cli/tar_out.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void check_content(const struct change_tar_entry *c, const char *wanted, size_t len)
{
	char got[2048];
	assert_int_equal(c->type, CHANGE_TAR_FILE);
	assert_int_equal(c->bytes, len);
	assert_int_equal(pread(fd, got, len, c->at), len);
	assert_memory_equal(got, wanted, len);
}

/* A path of this length. */
static void fill(char *out, size_t len)
{
	memset(out, 'n', len);
	out[len] = '\0';
	for (size_t i = 200; i < len; i += 200)
		out[i] = '/';
}

TEST(what_was_written_is_read_again)
{
	static const size_t sizes[] = { 0, 1, 511, 512, 513, 1024 };
	static const size_t lengths[] = { 1, 99, 100, 101, 255, 256, 1000 };
	char data[2048], name[1100], link[1100];
	struct change_tar t;
	struct err e;
	int content = memfd_create("content", MFD_CLOEXEC);
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (char)(i * 7);
	assert_int_equal(write(content, data, sizeof(data)), sizeof(data));
	assert_int_equal(tar_out_directory(fd, "d/"), 0);
	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		fill(name, lengths[i]);
		fill(link, lengths[i]);
		assert_int_equal(tar_out_bytes(fd, name, data, sizes[i % 6]), 0);
		name[0] = '\xff';
		assert_int_equal(tar_out_link(fd, name, link), 0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		const struct place_content c = {
			.fd = content, .at = 3, .bytes = sizes[i], .mode = 0700
		};
		snprintf(name, sizeof(name), "d/%zu", i);
		assert_int_equal(tar_out_file(fd, name, &c), 0);
	}
	assert_int_equal(tar_out_end(fd), 0);
	assert_int_equal(change_tar_read_plain(fd, &t, &e), 0);
	assert_int_equal(t.n, 1 + 2 * ARRAY_SIZE(lengths) + ARRAY_SIZE(sizes));
	assert_int_equal(t.entries[0].type, CHANGE_TAR_DIRECTORY);
	assert_string_equal(t.entries[0].path, "d");
	const struct change_tar_entry *c = t.entries + 1;
	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		fill(name, lengths[i]);
		fill(link, lengths[i]);
		assert_string_equal(c->path, name);
		assert_int_equal(c->mode, 0600);
		check_content(c++, data, sizes[i % 6]);
		name[0] = '\xff';
		assert_string_equal(c->path, name);
		assert_int_equal(c->type, CHANGE_TAR_LINK);
		assert_string_equal(c++->link, link);
	}
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		snprintf(name, sizeof(name), "d/%zu", i);
		assert_string_equal(c->path, name);
		assert_int_equal(c->mode, 0700);
		check_content(c++, data + 3, sizes[i]);
	}
	change_tar_finish(&t);
	close(content);
}

TEST(a_file_that_has_less_than_it_had_is_no_entry)
{
	int content = memfd_create("content", MFD_CLOEXEC);
	const struct place_content c = { .fd = content, .bytes = 1, .mode = 0600 };
	assert_int_equal(tar_out_file(fd, "f", &c), -EIO);
	close(content);
}

#define FD_TEST(name) cmocka_unit_test_setup_teardown(name, start, finish)

int main(void)
{
	const struct CMUnitTest tests[] = {
		FD_TEST(what_was_written_is_read_again),
		FD_TEST(a_file_that_has_less_than_it_had_is_no_entry),
	};
	return RUN_TESTS(tests);
}
