/* Counting what a task changed in a copy-on-write workspace, on hand-made layers. */
#include "jail/changes.h"
#include "tree.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cmocka.h>

static int top, upper, lower;

static int start(void **state)
{
	top = tree_start();
	tree_dir(top, "upper");
	tree_dir(top, "lower");
	upper = openat(top, "upper", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	lower = openat(top, "lower", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return 0;
}

static int finish(void **state)
{
	close(upper);
	close(lower);
	close(top);
	tree_finish();
	return 0;
}

static void expect(uint64_t added, uint64_t modified, uint64_t deleted)
{
	struct changes c = { 99, 99, 99 };
	assert_int_equal(changes_count(upper, lower, UINT64_MAX, &c), 0);
	assert_int_equal(c.added, added);
	assert_int_equal(c.modified, modified);
	assert_int_equal(c.deleted, deleted);
}

static void an_empty_upper_layer_is_no_change(void **state)
{
	tree_file(lower, "a", "1");
	expect(0, 0, 0);
}

static void files_are_added_modified_and_deleted(void **state)
{
	tree_file(lower, "mod", "1");
	tree_file(lower, "del", "1");
	tree_file(upper, "mod", "2");
	tree_file(upper, "new", "1");
	tree_link(upper, "newlink", "/etc/passwd");
	if (mknodat(upper, "del", S_IFCHR, makedev(0, 0)) < 0)
		skip();
	expect(2, 1, 1);
}

static void a_copy_with_the_same_bytes_is_no_change(void **state)
{
	tree_file(lower, "same", "bytes");
	tree_file(upper, "same", "bytes");
	tree_link(lower, "link", "target");
	tree_link(upper, "link", "target");
	expect(0, 0, 0);
}

static void a_changed_mode_is_a_change(void **state)
{
	tree_file(lower, "tool", "x");
	tree_file(upper, "tool", "x");
	assert_int_equal(fchmodat(upper, "tool", 0755, 0), 0);
	expect(0, 1, 0);
}

static void directories_are_merged_unless_opaque(void **state)
{
	tree_dir(lower, "d");
	tree_file(lower, "d/1", "1");
	tree_file(lower, "d/2", "2");
	tree_dir(upper, "d");
	tree_file(upper, "d/3", "3");
	expect(1, 0, 0);
	int d = openat(upper, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = fsetxattr(d, "user.overlay.opaque", "y", 1, 0);
	close(d);
	if (r < 0)
		skip();
	expect(1, 0, 2);
}

static void a_directory_in_place_of_a_file_counts_both(void **state)
{
	tree_file(lower, "x", "1");
	tree_dir(upper, "x");
	tree_file(upper, "x/y", "1");
	expect(1, 0, 1);
}

static void a_hostile_depth_is_an_error_and_not_a_crash(void **state)
{
	int fd = fcntl(upper, F_DUPFD_CLOEXEC, 3);
	for (int i = 0; i < 400; i++) {
		tree_dir(fd, "d");
		int next = openat(fd, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		close(fd);
		fd = next;
	}
	close(fd);
	struct changes c;
	assert_int_equal(changes_count(upper, lower, UINT64_MAX, &c), -ELOOP);
}

static void it_stops_at_its_time(void **state)
{
	tree_file(upper, "new", "x");
	struct changes c = { 7, 7, 7 };
	assert_int_equal(changes_count(upper, lower, 1, &c), -ETIME);
	assert_int_equal(c.added, 7);
	assert_int_equal(changes_count(upper, lower, clock_mono_ns() + 60 * NS_PER_S, &c), 0);
	assert_int_equal(c.added, 1);
}

static void a_file_that_takes_too_long_to_compare_is_not_counted(void **state)
{
	tree_file(upper, "sparse", "");
	tree_file(lower, "sparse", "");
	int a = openat(upper, "sparse", O_WRONLY | O_CLOEXEC),
	    b = openat(lower, "sparse", O_WRONLY | O_CLOEXEC);
	assert_int_equal(ftruncate(a, 1ll << 40), 0);
	assert_int_equal(ftruncate(b, 1ll << 40), 0);
	close(a);
	close(b);
	struct changes c;
	uint64_t now = clock_mono_ns();
	assert_int_equal(changes_count(upper, lower, now + 20 * NS_PER_MS, &c), -ETIME);
	assert_true(clock_mono_ns() - now < NS_PER_S);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_empty_upper_layer_is_no_change, start, finish),
		cmocka_unit_test_setup_teardown(
			files_are_added_modified_and_deleted, start, finish),
		cmocka_unit_test_setup_teardown(
			a_copy_with_the_same_bytes_is_no_change, start, finish),
		cmocka_unit_test_setup_teardown(a_changed_mode_is_a_change, start, finish),
		cmocka_unit_test_setup_teardown(
			directories_are_merged_unless_opaque, start, finish),
		cmocka_unit_test_setup_teardown(
			a_directory_in_place_of_a_file_counts_both, start, finish),
		cmocka_unit_test_setup_teardown(it_stops_at_its_time, start, finish),
		cmocka_unit_test_setup_teardown(
			a_file_that_takes_too_long_to_compare_is_not_counted, start, finish),
		cmocka_unit_test_setup_teardown(
			a_hostile_depth_is_an_error_and_not_a_crash, start, finish),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
