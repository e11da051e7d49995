/* Whether what a parked jail was made from has changed. */
#include "harness.h"

#include "base/clock.h"
#include "jail/pool_stamp.h"
#include "tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const struct pool_key dir_key = { .image = PLAN_IMAGE_DIR };

static int make_image(void)
{
	int fd = tree_start();
	tree_dir(fd, "etc");
	tree_dir(fd, "usr");
	tree_dir(fd, "home");
	tree_file(fd, "etc/passwd", "root:x:0:0::/:/bin/sh\n");
	tree_file(fd, "usr/tool", "1");
	return fd;
}

/* On tmpfs a name that is not there is not remembered. */
static uint64_t stamp_of(int fd)
{
	uint64_t stamp = 0;
	assert_int_equal(pool_stamp(&dir_key, fd, true, &stamp), 0);
	return stamp;
}

/* Until the filesystem's clock has moved on. */
static void wait_a_tick(void)
{
	struct timespec pause = { .tv_nsec = 20 * NS_PER_MS };
	nanosleep(&pause, NULL);
}

TEST(it_stays_while_nothing_has_changed)
{
	int fd = make_image();
	uint64_t before = stamp_of(fd);
	wait_a_tick();
	assert_true(stamp_of(fd) == before);
	close(openat(fd, "etc/passwd", O_RDONLY | O_CLOEXEC));
	assert_true(stamp_of(fd) == before);
	close(fd);
	tree_finish();
}

TEST(each_change_of_what_was_looked_at_shows)
{
	int fd = make_image();
	uint64_t last = stamp_of(fd);
	for (int i = 0; i < 6; i++) {
		wait_a_tick();
		if (i == 0)
			tree_file(fd, "etc/passwd", "root:x:0:0::/:/bin/no\n");
		else if (i == 1)
			assert_int_equal(renameat(fd, "etc", fd, "etc.old"), 0);
		else if (i == 2)
			tree_dir(fd, "etc");
		else if (i == 3)
			tree_file(fd, "etc/group", "");
		else if (i == 4)
			tree_dir(fd, "home/agent");
		else
			assert_int_equal(fchmod(fd, 0711), 0);
		uint64_t now = stamp_of(fd);
		if (now == last)
			fail_msg("change %d does not show", i);
		last = now;
	}
	close(fd);
	tree_finish();
}

TEST(another_directory_with_the_same_in_it_is_another)
{
	int fd = make_image();
	uint64_t before = stamp_of(fd);
	tree_dir(fd, "usr/copy");
	int copy = openat(fd, "usr/copy", O_PATH | O_CLOEXEC);
	assert_true(stamp_of(copy) != before);
	close(copy);
	close(fd);
	tree_finish();
}

TEST(a_link_leads_nowhere)
{
	int fd = tree_start();
	tree_link(fd, "etc", "/etc");
	tree_link(fd, "home", "/home");
	tree_link(fd, "var", "../..");
	uint64_t before = stamp_of(fd);
	assert_int_equal(unlinkat(fd, "etc", 0), 0);
	assert_true(stamp_of(fd) != before);
	close(fd);
	tree_finish();
}

TEST(none_is_made_from_what_has_just_changed)
{
	int fd = make_image();
	uint64_t stamp;
	int r = 0;
	/* We must be quick, too: that it was changed is so for a tenth of a second. */
	for (int i = 0; i < 100 && r == 0; i++) {
		assert_int_equal(fchmod(fd, 0755), 0);
		r = pool_stamp_for_making(&dir_key, fd, true, &stamp);
	}
	assert_int_equal(r, -EBUSY);
	struct timespec pause = { .tv_nsec = 150 * NS_PER_MS };
	nanosleep(&pause, NULL);
	assert_int_equal(pool_stamp_for_making(&dir_key, fd, true, &stamp), 0);
	assert_true(stamp == stamp_of(fd));
	close(fd);
	tree_finish();
}

TEST(what_is_not_in_memory_is_not_waited_for)
{
	int fd = make_image();
	uint64_t stamp;
	/* All of it is there, or the file system does not remember what is not. */
	int r = pool_stamp(&dir_key, fd, false, &stamp);
	assert_true(r == 0 || r == -EAGAIN);
	if (r == 0)
		assert_true(stamp == stamp_of(fd));
	close(fd);
	tree_finish();
}

TEST(the_image_host_needs_none_but_for_the_name_server)
{
	const struct pool_key plain = { .image = PLAN_IMAGE_HOST },
			      net = { .image = PLAN_IMAGE_HOST, .network = PLAN_NETWORK_HOST };
	uint64_t a, b, c;
	assert_int_equal(pool_stamp(&plain, -1, false, &a), 0);
	assert_int_equal(pool_stamp(&net, -1, false, &b), 0);
	assert_int_equal(pool_stamp(&net, -1, false, &c), 0);
	assert_true(a != b && b == c);
}

TEST(only_what_is_in_memory_never_waits)
{
	assert_false(pool_stamp_never_waits(-1));
	int proc = open("/proc", O_PATH | O_CLOEXEC);
	assert_false(pool_stamp_never_waits(proc));
	close(proc);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_stays_while_nothing_has_changed),
		cmocka_unit_test(each_change_of_what_was_looked_at_shows),
		cmocka_unit_test(another_directory_with_the_same_in_it_is_another),
		cmocka_unit_test(a_link_leads_nowhere),
		cmocka_unit_test(none_is_made_from_what_has_just_changed),
		cmocka_unit_test(what_is_not_in_memory_is_not_waited_for),
		cmocka_unit_test(the_image_host_needs_none_but_for_the_name_server),
		cmocka_unit_test(only_what_is_in_memory_never_waits),
	};
	return RUN_TESTS(tests);
}
