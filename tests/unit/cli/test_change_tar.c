/* Reading the tar of changes: what jail init writes, and what somebody else might. */
#include "harness.h"

#include "cli/change_tar.h"
#include "cli/tar_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void put(const void *data, size_t len)
{
	assert_int_equal(write(fd, data, len), len);
}

static void put_zeros(size_t n)
{
	static const char zeros[1024];
	put(zeros, n);
}

static void sum_up(char h[512])
{
	unsigned sum = 0;
	memset(h + 148, ' ', 8);
	for (int i = 0; i < 512; i++)
		sum += (unsigned char)h[i];
	snprintf(h + 148, 8, "%06o", sum);
}

static void entry(char type, const char *name, const char *link, const char *content)
{
	char h[512] = "";
	size_t len = strlen(content);
	memcpy(h, name, strlen(name));
	snprintf(h + 100, 8, "0000640");
	snprintf(h + 124, 12, "%011o", (unsigned)len);
	snprintf(h + 136, 12, "00000000017");
	h[156] = type;
	memcpy(h + 157, link, strlen(link));
	memcpy(h + 257, "ustar  ", 8);
	snprintf(h + 337, 8, "0000001");
	sum_up(h);
	put(h, sizeof(h));
	if (len) {
		put(content, len);
		put_zeros((512 - len % 512) % 512);
	}
}

static void expect_refused(void)
{
	struct change_tar t;
	struct err e = { 0 };
	assert_true(change_tar_read(fd, &t, &e) < 0);
	assert_true(e.msg[0]);
}

static void entries_come_in_their_order(void **state)
{
	struct change_tar t;
	struct err e;
	char name[151], longest[152];
	memset(name, 'n', 150);
	name[150] = '\0';
	memcpy(longest, name, 151);
	entry('5', "dir/", "", "");
	entry('0', "dir/file", "", "content");
	entry('2', "link", "/etc/passwd", "");
	entry('0', "dir/.wh.gone", "", "");
	char h[512] = "././@LongLink";
	snprintf(h + 124, 12, "%011o", 151);
	h[156] = 'L';
	sum_up(h);
	put(h, sizeof(h));
	put(longest, 151);
	put_zeros(512 - 151);
	entry('0', "nnn", "", "");
	put_zeros(1024);
	assert_int_equal(change_tar_read(fd, &t, &e), 0);
	assert_int_equal(t.n, 5);
	assert_int_equal(t.entries[0].type, CHANGE_TAR_DIRECTORY);
	assert_string_equal(t.entries[0].path, "dir");
	assert_int_equal(t.entries[1].bytes, 7);
	assert_int_equal(t.entries[1].mode, 0640);
	assert_int_equal(t.entries[1].mtime, 15);
	assert_true(t.entries[1].replaces);
	char content[8] = "";
	assert_int_equal(pread(fd, content, 7, t.entries[1].at), 7);
	assert_string_equal(content, "content");
	assert_int_equal(t.entries[2].type, CHANGE_TAR_LINK);
	assert_string_equal(t.entries[2].link, "/etc/passwd");
	assert_int_equal(t.entries[3].type, CHANGE_TAR_DELETED);
	assert_string_equal(t.entries[3].path, "dir/gone");
	assert_string_equal(t.entries[4].path, name);
	assert_ptr_equal(change_tar_find(&t, "dir/gone", CHANGE_TAR_DELETED), &t.entries[3]);
	assert_non_null(change_tar_find(&t, "dir", CHANGE_TAR_DIRECTORY));
	assert_null(change_tar_find(&t, "dir", CHANGE_TAR_DELETED));
	change_tar_finish(&t);
}

static void A18_paths_that_lead_elsewhere_are_refused(void **state)
{
	static const char *const bad[] = { "/etc/passwd", "../x", "a/../../x", "a//b", "./a", "",
		"a/.wh...", ".wh." };
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(ftruncate(fd, 0), 0);
		lseek(fd, 0, SEEK_SET);
		entry('0', bad[i], "", "");
		put_zeros(1024);
		expect_refused();
	}
}

static void what_jail_init_never_writes_is_refused(void **state)
{
	static const char types[] = { '1', '3', '6', 'x', 'S', 0 };
	for (size_t i = 0; i < sizeof(types); i++) {
		assert_int_equal(ftruncate(fd, 0), 0);
		lseek(fd, 0, SEEK_SET);
		entry(types[i], "name", "other", "");
		put_zeros(1024);
		expect_refused();
	}
	assert_int_equal(ftruncate(fd, 0), 0);
	lseek(fd, 0, SEEK_SET);
	entry('2', "link", "to", "with content");
	put_zeros(1024);
	expect_refused();
}

static void a_tar_cut_off_or_changed_is_refused(void **state)
{
	entry('0', "file", "", "content");
	expect_refused();
	put_zeros(1024);
	struct change_tar t;
	struct err e;
	assert_int_equal(change_tar_read(fd, &t, &e), 0);
	change_tar_finish(&t);
	assert_int_equal(pwrite(fd, "x", 1, 3), 1);
	expect_refused();
	assert_int_equal(ftruncate(fd, 100), 0);
	expect_refused();
	assert_int_equal(ftruncate(fd, 0), 0);
	expect_refused();
}

static void git_s_own_files_are_known(void **state)
{
	static const char *const yes[] = { ".git", ".git/config", "sub/.git/x", "a/.GIT" };
	static const char *const no[] = { ".gitignore", "x.git/a", "git", "a/.github/x" };
	for (size_t i = 0; i < 4; i++) {
		const struct change_tar_entry a = { .path = (char *)yes[i] },
					      b = { .path = (char *)no[i] };
		assert_true(change_tar_is_git(&a));
		assert_false(change_tar_is_git(&b));
	}
}

static void again(void)
{
	assert_int_equal(ftruncate(fd, 0), 0);
	lseek(fd, 0, SEEK_SET);
}

static void what_could_not_all_be_made_is_refused(void **state)
{
	struct change_tar t;
	struct err e;
	entry('0', "one", "", "first");
	entry('5', "one/", "", "");
	put_zeros(1024);
	expect_refused();
	again();
	/* The control: in place of what was deleted. */
	entry('0', ".wh.one", "", "");
	entry('5', "one/", "", "");
	put_zeros(1024);
	assert_int_equal(change_tar_read(fd, &t, &e), 0);
	change_tar_finish(&t);
	again();
	char long_name[300];
	memset(long_name, 'n', sizeof(long_name));
	long_name[256] = '\0';
	char h[512] = "";
	memcpy(h, "././@LongLink", 13);
	snprintf(h + 100, 8, "0000640");
	snprintf(h + 124, 12, "%011o", 257u);
	h[156] = 'L';
	memcpy(h + 257, "ustar  ", 8);
	sum_up(h);
	put(h, sizeof(h));
	put(long_name, 257);
	put_zeros(512 - 257);
	entry('0', "n", "", "");
	put_zeros(1024);
	expect_refused();
}

static void a_stamp_comes_first_or_not_at_all(void **state)
{
	entry('g', "pax", "", "comment");
	entry('g', "pax", "", "comment");
	put_zeros(1024);
	expect_refused();
}

#define TAR_TEST(name) cmocka_unit_test_setup_teardown(name, start, finish)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TAR_TEST(entries_come_in_their_order),
		TAR_TEST(A18_paths_that_lead_elsewhere_are_refused),
		TAR_TEST(what_jail_init_never_writes_is_refused),
		TAR_TEST(a_tar_cut_off_or_changed_is_refused),
		TAR_TEST(what_could_not_all_be_made_is_refused),
		TAR_TEST(a_stamp_comes_first_or_not_at_all),
		TAR_TEST(git_s_own_files_are_known),
	};
	return RUN_TESTS(tests);
}
