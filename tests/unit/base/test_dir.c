/* Listing directories. */
#include "base/dir.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static void two_listings_of_one_descriptor_see_the_same(void **state)
{
	char path[] = "/tmp/dayfly-unit-XXXXXX";
	assert_non_null(mkdtemp(path));
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(mkdirat(fd, "one", 0755), 0);
	for (int i = 0; i < 2; i++) {
		DIR *d = dir_list(fd);
		assert_non_null(d);
		struct dirent *entry = dir_next(d);
		assert_non_null(entry);
		assert_string_equal(entry->d_name, "one");
		assert_null(dir_next(d));
		closedir(d);
	}
	assert_int_equal(symlinkat("one", fd, "link"), 0);
	assert_int_equal(dir_open(fd, "link"), -ENOTDIR);
	assert_int_equal(dir_open(fd, "nothing"), -ENOENT);
	unlinkat(fd, "link", 0);
	unlinkat(fd, "one", AT_REMOVEDIR);
	close(fd);
	rmdir(path);
}

static void a_directory_is_made_with_what_is_missing_above_it(void **state)
{
	(void)state;
	char path[] = "/tmp/dayfly-dir-XXXXXX", deep[64];
	struct stat st;
	assert_non_null(mkdtemp(path));
	snprintf(deep, sizeof(deep), "%s/a//b/c/", path);
	for (int i = 0; i < 2; i++) {
		dir_make_all(deep);
		assert_int_equal(stat(deep, &st), 0);
		assert_int_equal(st.st_mode & 07777, 0700);
	}
	for (int n = 3; n >= 0; n--) {
		snprintf(deep, sizeof(deep), "%s%.*s", path, n * 2, "/a/b/c");
		assert_int_equal(rmdir(deep), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_listings_of_one_descriptor_see_the_same),
		cmocka_unit_test(a_directory_is_made_with_what_is_missing_above_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
