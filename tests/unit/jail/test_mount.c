/* Targets inside an image: made beneath the root, no symlink followed (A4, A10). */
#include "jail/mount.h"
#include "tree.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static int root;

static int start(void **state)
{
	root = tree_start();
	return 0;
}

static int finish(void **state)
{
	close(root);
	tree_finish();
	return 0;
}

static void missing_directories_are_made(void **state)
{
	struct err e;
	struct stat st;
	int fd = mount_target(root, "/home/me/repo", true, &e);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_true(S_ISDIR(st.st_mode));
	close(fd);
	fd = mount_target(root, "/home/me/file", false, &e);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(fstatat(root, "home/me/file", &st, 0), 0);
	assert_true(S_ISREG(st.st_mode));
}

static void a_link_on_the_way_is_refused(void **state)
{
	struct err e = { 0 };
	struct stat st;
	tree_link(root, "dev", "/tmp");
	assert_true(mount_target(root, "/dev", true, &e) < 0);
	assert_non_null(strstr(e.msg, "symbolic link"));
	assert_true(mount_target(root, "/dev/dayfly-must-not-exist", true, &e) < 0);
	assert_true(stat("/tmp/dayfly-must-not-exist", &st) < 0);
	tree_link(root, "dangling", "nowhere");
	assert_true(mount_target(root, "/dangling", false, &e) < 0);
	assert_true(fstatat(root, "nowhere", &st, 0) < 0);
}

static void a_thing_of_another_kind_is_refused(void **state)
{
	struct err e = { 0 };
	tree_file(root, "file", "x");
	tree_dir(root, "dir");
	assert_true(mount_target(root, "/file", true, &e) < 0);
	assert_true(mount_target(root, "/dir", false, &e) < 0);
	assert_int_equal(mkfifoat(root, "fifo", 0644), 0);
	assert_true(mount_target(root, "/fifo", false, &e) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(missing_directories_are_made, start, finish),
		cmocka_unit_test_setup_teardown(a_link_on_the_way_is_refused, start, finish),
		cmocka_unit_test_setup_teardown(a_thing_of_another_kind_is_refused, start, finish),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
