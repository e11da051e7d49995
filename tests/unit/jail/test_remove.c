/* Removing trees that a task has written (G7, G8, J14). */
#include "base/remove.h"
#include "jail/throwaway.h"
#include "tree.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static int start(void **state)
{
	static int fd;
	fd = tree_start();
	*state = &fd;
	return 0;
}

static int finish(void **state)
{
	close(*(int *)*state);
	tree_finish();
	return 0;
}

static bool is_there(int dirfd, const char *name)
{
	struct stat st;
	return fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static void links_are_removed_and_not_followed(void **state)
{
	int top = *(int *)*state;
	tree_dir(top, "keep");
	tree_file(top, "keep/file", "x");
	tree_dir(top, "gone");
	tree_link(top, "gone/to-keep", "../keep");
	tree_link(top, "gone/to-etc", "/etc");
	assert_int_equal(remove_tree(top, "gone"), 0);
	assert_false(is_there(top, "gone"));
	assert_true(is_there(top, "keep/file"));
	tree_link(top, "link", "keep");
	assert_int_equal(remove_tree(top, "link"), 0);
	assert_true(is_there(top, "keep/file"));
}

static void directories_without_permissions_are_removed(void **state)
{
	int top = *(int *)*state;
	tree_dir(top, "gone");
	tree_dir(top, "gone/closed");
	tree_file(top, "gone/closed/file", "x");
	assert_int_equal(fchmodat(top, "gone/closed", 0, 0), 0);
	assert_int_equal(fchmodat(top, "gone", 0, 0), 0);
	assert_int_equal(remove_tree(top, "gone"), 0);
	assert_false(is_there(top, "gone"));
}

static void a_path_far_deeper_than_path_max_is_removed(void **state)
{
	int top = *(int *)*state;
	tree_dir(top, "deep");
	int fd = openat(top, "deep", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; i < 3000; i++) {
		tree_dir(fd, "dddddddd");
		int next = openat(fd, "dddddddd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(next >= 0);
		close(fd);
		fd = next;
	}
	close(fd);
	assert_int_equal(remove_tree(top, "deep"), 0);
	assert_false(is_there(top, "deep"));
	assert_false(is_there(top, "deep.0"));
}

static int map_root(pid_t pid, void *arg, struct err *e)
{
	return throwaway_map_single(pid, 0, e);
}

/* In namespaces of its own: a directory is bound into the tree that is to go. */
static int remove_around_a_mount(void *arg, struct err *e)
{
	struct stat st;
	if (mount("none", "/tmp", "tmpfs", 0, NULL) < 0)
		return err_set(e, ERR_SETUP, errno, "mount a tmpfs");
	auto_close int top = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	tree_dir(top, "kept");
	tree_file(top, "kept/file", "x");
	tree_dir(top, "gone");
	tree_dir(top, "gone/sub");
	tree_dir(top, "gone/sub/mounted");
	tree_file(top, "gone/sub/other", "x");
	if (mount("/tmp/kept", "/tmp/gone/sub/mounted", NULL, MS_BIND, NULL) < 0 ||
		stat("/tmp/gone/sub/mounted/file", &st) < 0)
		return err_set(e, ERR_SETUP, errno, "bind a directory");
	int r = remove_tree(top, "gone");
	if (!is_there(top, "kept/file") || is_there(top, "gone/sub/other"))
		return err_set(e, ERR_SETUP, 0, "it was entered, or the rest was not removed");
	return r;
}

static void what_is_mounted_below_is_not_entered(void **state)
{
	struct err e = { 0 };
	const struct throwaway t = {
		.flags = CLONE_NEWUSER | CLONE_NEWNS, .map = map_root, .fn = remove_around_a_mount
	};
	int r = throwaway_run(&t, &e);
	if (r == -EPERM) /* inside a jail */
		skip();
	assert_int_equal(r, -EXDEV);
}

static void what_is_not_there_is_an_error(void **state)
{
	assert_int_equal(remove_tree(*(int *)*state, "nothing"), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(links_are_removed_and_not_followed),
		cmocka_unit_test(directories_without_permissions_are_removed),
		cmocka_unit_test(a_path_far_deeper_than_path_max_is_removed),
		cmocka_unit_test(what_is_mounted_below_is_not_entered),
		cmocka_unit_test(what_is_not_there_is_an_error),
	};
	return cmocka_run_group_tests(tests, start, finish);
}
