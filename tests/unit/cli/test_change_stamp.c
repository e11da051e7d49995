/* The comment before a tar of changes. */
#include "harness.h"

#include "base/clock.h"
#include "cli/change_stamp.h"
#include "cli/change_tar.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

TEST(what_was_written_is_read_again)
{
	static const struct change_stamp stamps[] = {
		{ { 1, 0 }, 1, 0 },
		{ { 1764489600, 5 }, UINT64_MAX, UINT64_MAX },
		{ { 1764489600, 999999999 }, 42, 2049 },
	};
	static const char zeros[1024];
	for (size_t i = 0; i < ARRAY_SIZE(stamps); i++) {
		struct change_tar t;
		struct err e = { 0 };
		int fd = memfd_create("tar", MFD_CLOEXEC);
		assert_int_equal(change_stamp_write(fd, &stamps[i]), 0);
		assert_int_equal(lseek(fd, 0, SEEK_CUR), CHANGE_STAMP_BYTES);
		assert_int_equal(write(fd, zeros, sizeof(zeros)), sizeof(zeros));
		assert_int_equal(change_tar_read(fd, &t, &e), 0);
		assert_true(t.has_stamp && t.n == 0);
		assert_int_equal(t.stamp.base.tv_sec, stamps[i].base.tv_sec);
		assert_int_equal(t.stamp.base.tv_nsec, stamps[i].base.tv_nsec);
		assert_true(t.stamp.inode == stamps[i].inode);
		assert_true(t.stamp.device == stamps[i].device);
		change_tar_finish(&t);
		/* Where nothing is deleted there is none. */
		assert_true(change_tar_read_plain(fd, &t, &e) < 0);
		close(fd);
	}
}

TEST(another_comment_says_nothing)
{
	struct change_stamp s;
	char text[128];
	static const char *const others[] = { "", "x",
		"52 comment=0123456789012345678901234567890123456789\n",
		"34 comment=dayfly 1.000000001 2 3", "33 comment=dayfly 1.000000001 2 3\nx",
		"33 comment=dayfly 1.000000001 2 3\n", "35 comment=dayfly -1.000000001 2 3\n",
		"34 comment=dayfly 0.000000001 2 3\n", "34 comment=dayfly 1.-00000001 2 3\n",
		"27 comment=dayfly x.1 22 3\n",
		/* Without the device, as they were once. */
		"32 comment=dayfly 1.000000001 2\n", "33 comment=dayfly 1.000000001 2 \n" };
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		assert_false(change_stamp_parse(others[i], &s));
	/* The control, and a moment that is still to come. */
	assert_true(change_stamp_parse("34 comment=dayfly 1.000000001 2 3\n", &s));
	int n = snprintf(text, sizeof(text), "43 comment=dayfly %llu.000000000 2 3\n",
		(unsigned long long)(clock_real_ns() / NS_PER_S + 3600));
	assert_int_equal(n, 43);
	assert_false(change_stamp_parse(text, &s));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_written_is_read_again),
		cmocka_unit_test(another_comment_says_nothing),
	};
	return RUN_TESTS(tests);
}
