/* Opening by paths of others. */
#include "harness.h"

#include "base/beneath.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

TEST(a_clean_path_is_relative_and_goes_down)
{
	static const char *const good[] = { "a", "a/b", "...", "a/..b", ".a", "a\nb" };
	static const char *const bad[] = { "", "/a", "a/", "a//b", ".", "..", "a/..", "./a",
		"a/../b", "a/." };
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_true(beneath_path_is_clean(good[i]));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(beneath_path_is_clean(bad[i]));
}

TEST(A18_nothing_leads_out_and_no_link_is_followed)
{
	char top[] = "/tmp/dayfly-unit-XXXXXX";
	const char *name;
	assert_non_null(mkdtemp(top));
	int fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(mkdirat(fd, "d", 0755), 0);
	assert_int_equal(symlinkat("d", fd, "link"), 0);
	assert_int_equal(symlinkat("/", fd, "d/root"), 0);
	close(openat(fd, "d/file", O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
	int r = beneath_open(fd, "d/file", O_RDONLY);
	assert_true(r >= 0);
	close(r);
	assert_int_equal(beneath_open(fd, "link/file", O_RDONLY), -ELOOP);
	assert_int_equal(beneath_open(fd, "link", O_RDONLY), -ELOOP);
	assert_int_equal(beneath_open(fd, "d/root/etc", O_RDONLY), -ELOOP);
	assert_int_equal(beneath_open(fd, "..", O_RDONLY), -EXDEV);
	assert_int_equal(beneath_open(fd, "/etc", O_RDONLY), -EXDEV);
	assert_int_equal(beneath_open(fd, "none", O_RDONLY), -ENOENT);
	r = beneath_open_parent(fd, "d/file", &name);
	assert_true(r >= 0);
	assert_string_equal(name, "file");
	assert_int_equal(faccessat(r, name, F_OK, 0), 0);
	close(r);
	r = beneath_open_parent(fd, "link", &name);
	assert_true(r >= 0);
	assert_string_equal(name, "link");
	close(r);
	assert_int_equal(beneath_open_parent(fd, "link/x", &name), -ENOTDIR);
	unlinkat(fd, "d/file", 0);
	unlinkat(fd, "d/root", 0);
	unlinkat(fd, "d", AT_REMOVEDIR);
	unlinkat(fd, "link", 0);
	close(fd);
	assert_int_equal(rmdir(top), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_clean_path_is_relative_and_goes_down),
		cmocka_unit_test(A18_nothing_leads_out_and_no_link_is_followed),
	};
	return RUN_TESTS(tests);
}
