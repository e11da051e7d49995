/* Walking through what a task changed in a copy-on-write workspace, on hand-made layers. */
#include "jail/changes.h"
#include "tree.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
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

static int count(struct changes *c, uint64_t until_ns, uint64_t *left_out)
{
	const struct changes_walk walk = { .upper_fd = upper,
		.lower_fd = lower,
		.until_ns = until_ns,
		.fn = changes_note,
		.owner = c };
	changes_init(c);
	return changes_walk(&walk, left_out);
}

/* Marks that a directory of the upper layer hides the lower one. */
static void make_opaque(const char *name)
{
	int d = openat(upper, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = fsetxattr(d, "user.overlay.opaque", "y", 1, 0);
	close(d);
	if (r < 0)
		skip();
}

static void make_whiteout(const char *path)
{
	if (mknodat(upper, path, S_IFCHR, makedev(0, 0)) < 0)
		skip();
}

static void expect(uint64_t added, uint64_t modified, uint64_t deleted)
{
	struct changes c;
	uint64_t left_out = 99;
	assert_int_equal(count(&c, UINT64_MAX, &left_out), 0);
	assert_int_equal(c.added, added);
	assert_int_equal(c.modified, modified);
	assert_int_equal(c.deleted, deleted);
	assert_int_equal(left_out, 0);
	changes_finish(&c);
}

/* "A path", in the order in which they are told. */
struct told {
	char lines[16][64];
	size_t n;
};

static int tell(void *owner, const struct change *c)
{
	struct told *t = owner;
	assert_true(t->n < ARRAY_SIZE(t->lines));
	assert_int_equal(c->dirfd >= 0, c->entry.kind != CHANGE_DELETED);
	snprintf(t->lines[t->n++], sizeof(t->lines[0]), "%c%c %s", "AMD"[c->entry.kind],
		"fldx"[c->entry.type], c -> entry.path);
	return 0;
}

static void expect_told(const char *const *lines, size_t n)
{
	struct told t = { .n = 0 };
	uint64_t left_out;
	const struct changes_walk walk = { .upper_fd = upper,
		.lower_fd = lower,
		.until_ns = UINT64_MAX,
		.fn = tell,
		.owner = &t };
	assert_int_equal(changes_walk(&walk, &left_out), 0);
	assert_int_equal(t.n, n);
	for (size_t i = 0; i < n; i++)
		assert_string_equal(t.lines[i], lines[i]);
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
	make_whiteout("del");
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
	/* Of a directory too, which is told but not counted. */
	tree_dir(lower, "d");
	tree_dir(upper, "d");
	assert_int_equal(fchmodat(upper, "d", 0700, 0), 0);
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
	make_opaque("d");
	expect(1, 0, 2);
	/* What is there again has not gone. */
	tree_file(upper, "d/1", "1");
	tree_file(upper, "d/2", "other");
	expect(1, 1, 0);
}

static void what_is_hidden_is_hidden_all_the_way_down(void **state)
{
	tree_dir(lower, "d");
	tree_dir(lower, "d/e");
	tree_file(lower, "d/e/1", "1");
	tree_file(lower, "d/e/2", "2");
	tree_dir(upper, "d");
	tree_dir(upper, "d/e");
	tree_file(upper, "d/e/1", "1");
	make_opaque("d");
	/* The mark is on the outer one alone. */
	expect(0, 0, 1);
}

static void a_directory_in_place_of_a_file_counts_both(void **state)
{
	tree_file(lower, "x", "1");
	tree_dir(upper, "x");
	tree_file(upper, "x/y", "1");
	expect(1, 0, 1);
	static const char *const lines[] = { "Df x", "Ad x", "Af x/y" };
	expect_told(lines, ARRAY_SIZE(lines));
}

static void a_file_in_place_of_a_directory_counts_both(void **state)
{
	tree_dir(lower, "x");
	tree_file(lower, "x/y", "1");
	tree_link(upper, "x", "elsewhere");
	static const char *const lines[] = { "Df x/y", "Dd x", "Al x" };
	expect_told(lines, ARRAY_SIZE(lines));
}

static void a_deleted_directory_is_told_after_what_was_in_it(void **state)
{
	tree_dir(lower, "d");
	tree_dir(lower, "d/e");
	tree_file(lower, "d/e/f", "1");
	make_whiteout("d");
	static const char *const lines[] = { "Df d/e/f", "Dd d/e", "Dd d" };
	expect_told(lines, ARRAY_SIZE(lines));
}

static void a_link_in_the_lower_layer_is_not_entered(void **state)
{
	tree_dir(top, "outside");
	tree_file(top, "outside/1", "1");
	tree_link(lower, "d", "../outside");
	tree_dir(upper, "d");
	tree_file(upper, "d/2", "2");
	make_opaque("d");
	static const char *const lines[] = { "Dl d", "Ad d", "Af d/2" };
	expect_told(lines, ARRAY_SIZE(lines));
}

static void A6_special_files_are_told_and_never_opened(void **state)
{
	assert_int_equal(mkfifoat(upper, "fifo", 0666), 0);
	assert_int_equal(mkfifoat(lower, "was", 0666), 0);
	tree_file(upper, "was", "x");
	struct changes c;
	uint64_t left_out;
	assert_int_equal(count(&c, clock_mono_ns() + 10 * NS_PER_S, &left_out), 0);
	assert_int_equal(c.added, 1);
	assert_int_equal(c.modified, 1);
	assert_int_equal(c.left_out, 1);
	changes_finish(&c);
	assert_int_equal(changes_open_file(upper, "fifo"), -ENXIO);
	tree_link(upper, "link", "was");
	assert_int_equal(changes_open_file(upper, "link"), -ENXIO);
	assert_true(changes_open_file(upper, "../lower/was") < 0);
	int fd = changes_open_file(upper, "was");
	assert_true(fd >= 0);
	close(fd);
}

static void a_hostile_depth_is_left_out_and_not_a_crash(void **state)
{
	int fd = fcntl(upper, F_DUPFD_CLOEXEC, 3);
	tree_file(upper, "near", "x");
	for (int i = 0; i < 400; i++) {
		tree_dir(fd, "d");
		int next = openat(fd, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		close(fd);
		fd = next;
	}
	tree_file(fd, "far", "x");
	close(fd);
	struct changes c;
	uint64_t left_out;
	assert_int_equal(count(&c, UINT64_MAX, &left_out), 0);
	assert_int_equal(left_out, 1);
	assert_int_equal(c.added, 1);
	changes_finish(&c);
}

static void a_path_beyond_the_longest_is_left_out(void **state)
{
	char name[201];
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	int fd = fcntl(upper, F_DUPFD_CLOEXEC, 3);
	for (int i = 0; i < 30; i++) {
		tree_dir(fd, name);
		int next = openat(fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		close(fd);
		fd = next;
	}
	close(fd);
	struct changes c;
	uint64_t left_out;
	assert_int_equal(count(&c, UINT64_MAX, &left_out), 0);
	assert_int_equal(left_out, 1);
	changes_finish(&c);
}

static void the_list_is_a_beginning(void **state)
{
	for (int i = 0; i < LIMIT_CHANGES_LISTED + 5; i++) {
		char name[16];
		snprintf(name, sizeof(name), "%d", i);
		tree_file(upper, name, "four");
	}
	struct changes c;
	uint64_t left_out;
	assert_int_equal(count(&c, UINT64_MAX, &left_out), 0);
	assert_int_equal(c.added, LIMIT_CHANGES_LISTED + 5);
	assert_int_equal(c.bytes, 4 * (LIMIT_CHANGES_LISTED + 5));
	assert_int_equal(c.n_listed, LIMIT_CHANGES_LISTED);
	assert_true(c.is_list_cut);
	assert_true(buf_len(&c.list) <= LIMIT_CHANGES_LIST_BYTES);
	changes_finish(&c);
}

static void it_stops_at_its_time(void **state)
{
	tree_file(upper, "new", "x");
	struct changes c;
	uint64_t left_out;
	assert_int_equal(count(&c, 1, &left_out), -ETIME);
	changes_finish(&c);
	assert_int_equal(count(&c, clock_mono_ns() + 60 * NS_PER_S, &left_out), 0);
	assert_int_equal(c.added, 1);
	changes_finish(&c);
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
	uint64_t left_out, now = clock_mono_ns();
	assert_int_equal(count(&c, now + 20 * NS_PER_MS, &left_out), -ETIME);
	/* Comparing all of it takes minutes. */
	assert_true(clock_mono_ns() - now < 20 * NS_PER_S);
	changes_finish(&c);
}

#define TREE_TEST(name) cmocka_unit_test_setup_teardown(name, start, finish)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TREE_TEST(an_empty_upper_layer_is_no_change),
		TREE_TEST(files_are_added_modified_and_deleted),
		TREE_TEST(a_copy_with_the_same_bytes_is_no_change),
		TREE_TEST(a_changed_mode_is_a_change),
		TREE_TEST(directories_are_merged_unless_opaque),
		TREE_TEST(what_is_hidden_is_hidden_all_the_way_down),
		TREE_TEST(a_directory_in_place_of_a_file_counts_both),
		TREE_TEST(a_file_in_place_of_a_directory_counts_both),
		TREE_TEST(a_deleted_directory_is_told_after_what_was_in_it),
		TREE_TEST(a_link_in_the_lower_layer_is_not_entered),
		TREE_TEST(A6_special_files_are_told_and_never_opened),
		TREE_TEST(a_hostile_depth_is_left_out_and_not_a_crash),
		TREE_TEST(a_path_beyond_the_longest_is_left_out),
		TREE_TEST(the_list_is_a_beginning),
		TREE_TEST(it_stops_at_its_time),
		TREE_TEST(a_file_that_takes_too_long_to_compare_is_not_counted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
