/* Spools, in a directory of the test's own. */
#include "harness.h"

#include "base/fd.h"
#include "task/spool_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TASK  "t-0123456789abcdef0123456789abcdef"
#define OTHER "t-fedcba9876543210fedcba9876543210"

static char place[64], dir[80];

static int make_place(void **state)
{
	snprintf(place, sizeof(place), "/tmp/dayfly-spool-XXXXXX");
	assert_non_null(mkdtemp(place));
	snprintf(dir, sizeof(dir), "%s/spools", place);
	return 0;
}

static int remove_place(void **state)
{
	return rmdir(place);
}

TEST(what_is_written_is_read_until_it_is_removed)
{
	struct stat st;
	char got[4];
	assert_int_equal(spool_file_open(dir, TASK), -ENOENT);
	auto_close int fd = spool_file_create(dir, TASK);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(write(fd, "data", 4), 4);
	/* One of each task. */
	assert_int_equal(spool_file_create(dir, TASK), -EEXIST);
	auto_close int reader = spool_file_open(dir, TASK);
	assert_int_equal(read(reader, got, 4), 4);
	assert_memory_equal(got, "data", 4);
	spool_file_remove(dir, TASK);
	spool_file_remove(dir, TASK);
	assert_int_equal(access(dir, F_OK), -1);
}

static bool is_first(void *owner, const char *task)
{
	return !strcmp(task, TASK);
}

static bool is_nobodys(void *owner, const char *task)
{
	return false;
}

TEST(what_nobody_owns_goes)
{
	assert_int_equal(spool_file_sweep(dir, is_nobodys, NULL), 0);
	int fd = spool_file_create(dir, TASK);
	fd_close(&fd);
	fd = spool_file_create(dir, OTHER);
	fd_close(&fd);
	assert_int_equal(spool_file_sweep(dir, is_first, NULL), 0);
	fd = spool_file_open(dir, TASK);
	assert_true(fd >= 0);
	fd_close(&fd);
	assert_int_equal(spool_file_open(dir, OTHER), -ENOENT);
	assert_int_equal(spool_file_sweep(dir, is_nobodys, NULL), 0);
	assert_int_equal(access(dir, F_OK), -1);
}

TEST(a_directory_that_is_not_ours_alone_is_not_used)
{
	assert_int_equal(mkdir(dir, 0700), 0);
	assert_int_equal(chmod(dir, 0770), 0);
	assert_int_equal(spool_file_create(dir, TASK), -EPERM);
	assert_int_equal(spool_file_open(dir, TASK), -EPERM);
	assert_int_equal(rmdir(dir), 0);
	/* Nor is a name that is none of a task. */
	assert_int_equal(spool_file_open(dir, "../t"), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read_until_it_is_removed),
		cmocka_unit_test(what_nobody_owns_goes),
		cmocka_unit_test(a_directory_that_is_not_ours_alone_is_not_used),
	};
	return cmocka_run_group_tests(tests, make_place, remove_place);
}
