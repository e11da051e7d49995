/*
 * Targets inside an image: made beneath the root, no symlink followed (A4, A10). Clones of mounts
 * are cut off from their originals (A19).
 */
#include "jail/mount.h"
#include "jail/throwaway.h"
#include "tree.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mount.h>
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

static int map_root(pid_t pid, void *arg, struct err *e)
{
	return throwaway_map_single(pid, 0, e);
}

/*
 * A shared mount as systemd makes them, and something mounted in a copy of a part of it. Answers
 * whether that shows in the original: 1 or 0.
 */
static int mount_in_a_copy(bool cut_off, struct err *e)
{
	struct stat st;
	if (mount("none", "/tmp", "tmpfs", 0, NULL) < 0 || chdir("/tmp") < 0 ||
		mkdir("copy", 0755) < 0 || mkdir("shared", 0755) < 0 ||
		mount("none", "shared", "tmpfs", 0, NULL) < 0 ||
		mount(NULL, "shared", NULL, MS_SHARED, NULL) < 0 ||
		mkdir("shared/part", 0755) < 0 || mkdir("shared/part/inner", 0755) < 0)
		return err_set(e, ERR_SETUP, errno, "make a shared mount");
	auto_close int tree = cut_off ? mount_clone(AT_FDCWD, "shared/part", true, e)
				      : sys_open_tree(AT_FDCWD, "shared/part", OPEN_TREE_CLONE);
	int r = tree < 0 ? tree : mount_attach(tree, AT_FDCWD, "copy", e);
	if (r < 0)
		return r;
	if (mount("none", "copy/inner", "tmpfs", 0, NULL) < 0 || mkdir("copy/inner/x", 0755) < 0)
		return err_set(e, ERR_SETUP, errno, "mount in the copy");
	return stat("shared/part/inner/x", &st) == 0;
}

static int mount_in_a_clone(void *arg, struct err *e)
{
	return mount_in_a_copy(true, e);
}

static int mount_in_a_peer(void *arg, struct err *e)
{
	return mount_in_a_copy(false, e);
}

static void what_is_mounted_in_a_clone_does_not_show_in_the_original(void **state)
{
	struct err e = { 0 };
	struct throwaway t = { .flags = CLONE_NEWUSER | CLONE_NEWNS, .map = map_root };
	t.fn = mount_in_a_clone;
	int r = throwaway_run(&t, &e);
	if (r == -EPERM) /* inside a jail */
		skip();
	assert_int_equal(r, 0);
	/* The control: without the care it does. */
	t.fn = mount_in_a_peer;
	assert_int_equal(throwaway_run(&t, &e), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(missing_directories_are_made, start, finish),
		cmocka_unit_test_setup_teardown(a_link_on_the_way_is_refused, start, finish),
		cmocka_unit_test_setup_teardown(a_thing_of_another_kind_is_refused, start, finish),
		cmocka_unit_test(what_is_mounted_in_a_clone_does_not_show_in_the_original),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
