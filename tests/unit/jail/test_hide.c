/* The layer that hides parts of a directory. */
#include "harness.h"

#include "base/fd.h"
#include "jail/hide.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static char root[64];
static int layer, lower;

static int set_up(void **state)
{
	snprintf(root, sizeof(root), "/tmp/dayfly-test-XXXXXX");
	if (!mkdtemp(root) || chdir(root) < 0)
		return -1;
	if (mkdir("layer", 0755) < 0 || mkdir("lower", 0750) < 0 || mkdir("lower/a", 0755) < 0 ||
		mkdir("lower/a/b", 0701) < 0 || mkdir("outside", 0755) < 0 ||
		symlink("../outside", "lower/link") < 0)
		return -1;
	const struct timespec times[2] = { { 1000, 0 }, { 2000, 0 } };
	if (utimensat(AT_FDCWD, "lower/a/b", times, 0) < 0 ||
		utimensat(AT_FDCWD, "lower/a", times, 0) < 0 ||
		utimensat(AT_FDCWD, "lower", times, 0) < 0)
		return -1;
	layer = open("layer", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	lower = open("lower", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return layer < 0 || lower < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
	char command[128];
	fd_close(&layer);
	fd_close(&lower);
	snprintf(command, sizeof(command), "rm -rf %s", root);
	FILE *f = chdir("/") == 0 ? popen(command, "r") : NULL;
	return f ? pclose(f) : -1;
}

static bool is_whiteout(const char *path)
{
	struct stat st;
	return fstatat(layer, path, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISCHR(st.st_mode) &&
	       st.st_rdev == makedev(0, 0);
}

static bool is_there(const char *path)
{
	struct stat st;
	return fstatat(layer, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static void fill(char **paths)
{
	struct err e = { 0 };
	assert_int_equal(hide_fill(layer, lower, paths, &e), 0);
	assert_string_equal(e.msg, "");
}

TEST(what_is_hidden_is_a_whiteout_and_its_way_looks_as_below)
{
	struct stat st;
	fill((char *[]){ "/a/b/x", "/.env", "/a/y", "/a/b/z", NULL });
	assert_true(is_whiteout(".env"));
	assert_true(is_whiteout("a/b/x"));
	assert_true(is_whiteout("a/b/z"));
	assert_true(is_whiteout("a/y"));
	assert_int_equal(fstatat(layer, "a/b", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0701);
	assert_int_equal(st.st_mtim.tv_sec, 2000);
	assert_int_equal(fstatat(layer, "a", &st, 0), 0);
	assert_int_equal(st.st_mtim.tv_sec, 2000);
	assert_int_equal(fstat(layer, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0750);
	assert_int_equal(st.st_mtim.tv_sec, 2000);
}

TEST(of_a_hidden_directory_nothing_more_is_needed)
{
	fill((char *[]){ "/a/b/x", "/a", "/a", "/a/b", "/a-b", NULL });
	assert_true(is_whiteout("a"));
	assert_true(is_whiteout("a-b"));
}

TEST(what_is_not_there_may_come_and_stays_hidden)
{
	fill((char *[]){ "/later", NULL });
	assert_true(is_whiteout("later"));
	/* But not below what is not there, no directory, or a link. */
	fill((char *[]){ "/none/x", "/link/x", "/link/../x", NULL });
	assert_false(is_there("none"));
	assert_false(is_there("link"));
	assert_int_equal(access("outside/x", F_OK), -1);
}

int main(void)
{
#define IN_DIRS(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		IN_DIRS(what_is_hidden_is_a_whiteout_and_its_way_looks_as_below),
		IN_DIRS(of_a_hidden_directory_nothing_more_is_needed),
		IN_DIRS(what_is_not_there_may_come_and_stays_hidden),
	};
	return RUN_TESTS(tests);
}
