/* Putting files in place. */
#include "harness.h"

#include "cli/place.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static char top[32];
static int dir, content;

static int start(void **state)
{
	snprintf(top, sizeof(top), "/tmp/dayfly-unit-XXXXXX");
	if (!mkdtemp(top))
		return -1;
	dir = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	content = memfd_create("content", MFD_CLOEXEC);
	return write(content, "xxhello", 7) == 7 ? 0 : -1;
}

static int finish(void **state)
{
	close(dir);
	close(content);
	place_remove_tree(AT_FDCWD, top);
	return access(top, F_OK) == 0 ? -1 : 0;
}

static struct place_content hello(void)
{
	return (struct place_content){
		.fd = content, .at = 2, .bytes = 5, .mode = 0751, .mtime = 77
	};
}

static void a_file_has_its_content_mode_and_time(void **state)
{
	const struct place_content c = hello();
	struct stat st;
	char text[6] = "";
	assert_int_equal(place_file(dir, "f", &c, NULL), 0);
	assert_int_equal(fstatat(dir, "f", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0751);
	assert_int_equal(st.st_mtime, 77);
	int fd = openat(dir, "f", O_RDONLY | O_CLOEXEC);
	assert_int_equal(read(fd, text, 5), 5);
	assert_string_equal(text, "hello");
	close(fd);
}

static void what_was_not_known_is_not_overwritten(void **state)
{
	const struct place_content c = hello();
	struct stat st;
	assert_int_equal(symlinkat("/etc/passwd", dir, "f"), 0);
	assert_int_equal(place_file(dir, "f", &c, NULL), -EEXIST);
	assert_int_equal(place_link(dir, "f", "x", NULL), -EEXIST);
	/* Known, it makes room: the link itself, not what it names. */
	assert_int_equal(fstatat(dir, "f", &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(place_file(dir, "f", &c, &st), 0);
	assert_int_equal(fstatat(dir, "f", &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_true(S_ISREG(st.st_mode));
	assert_int_equal(place_link(dir, "f", "/nowhere", &st), 0);
	assert_int_equal(unlinkat(dir, "f", 0), 0);
}

static void what_is_not_the_same_any_more_is_not_overwritten(void **state)
{
	const struct place_content c = hello();
	struct stat st;
	assert_int_equal(place_file(dir, "f", &c, NULL), 0);
	assert_int_equal(fstatat(dir, "f", &st, 0), 0);
	/* Another file of that name, of the same size and time. */
	assert_int_equal(renameat(dir, "f", dir, "g"), 0);
	assert_int_equal(place_file(dir, "f", &c, NULL), 0);
	assert_int_equal(place_file(dir, "f", &c, &st), -ESTALE);
	assert_int_equal(place_link(dir, "f", "x", &st), -ESTALE);
	assert_int_equal(unlinkat(dir, "f", 0), 0);
	assert_int_equal(place_file(dir, "f", &c, &st), -ESTALE);
	assert_int_equal(unlinkat(dir, "g", 0), 0);
	/* Nor is anything left beside it. */
	assert_int_equal(rmdir(top), 0);
	assert_int_equal(mkdir(top, 0700), 0);
}

static void a_directory_is_made_once(void **state)
{
	struct stat st;
	assert_int_equal(place_directory(dir, "d"), 0);
	assert_int_equal(fstatat(dir, "d", &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_true(S_ISDIR(st.st_mode));
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(place_directory(dir, "d"), -EEXIST);
}

static void root_leaves_files_to_their_owners(void **state)
{
	const struct place_content c = hello();
	struct stat st;
	if (geteuid() != 0)
		skip();
	assert_int_equal(place_file(dir, "f", &c, NULL), 0);
	assert_int_equal(fchownat(dir, "f", 1, 2, 0), 0);
	assert_int_equal(fstatat(dir, "f", &st, 0), 0);
	assert_int_equal(place_file(dir, "f", &c, &st), 0);
	assert_int_equal(fstatat(dir, "f", &st, 0), 0);
	assert_int_equal(st.st_uid, 1);
	assert_int_equal(st.st_gid, 2);
	assert_int_equal(st.st_mode & 07777, 0751);
	assert_int_equal(fchown(dir, 3, 4), 0);
	assert_int_equal(place_file(dir, "g", &c, NULL), 0);
	assert_int_equal(place_directory(dir, "d"), 0);
	assert_int_equal(place_link(dir, "l", "x", NULL), 0);
	static const char *const names[] = { "g", "d", "l" };
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		assert_int_equal(fstatat(dir, names[i], &st, AT_SYMLINK_NOFOLLOW), 0);
		assert_int_equal(st.st_uid, 3);
		assert_int_equal(st.st_gid, 4);
	}
}

static void a_content_that_ends_early_leaves_nothing(void **state)
{
	struct place_content c = hello();
	struct stat st;
	c.bytes = 100;
	assert_int_equal(place_file(dir, "f", &c, NULL), -EIO);
	assert_int_equal(fstatat(dir, "f", &st, 0), -1);
	assert_int_equal(rmdir(top), 0);
	assert_int_equal(mkdir(top, 0700), 0);
}

static void A18_parents_are_made_beneath_and_through_no_link(void **state)
{
	assert_int_equal(place_parents(dir, "a/b/c", 0700), 0);
	assert_int_equal(place_parents(dir, "a/b/d", 0700), 0);
	assert_int_equal(faccessat(dir, "a/b", F_OK, 0), 0);
	assert_int_equal(faccessat(dir, "a/b/c", F_OK, 0), -1);
	assert_int_equal(symlinkat("/tmp", dir, "out"), 0);
	assert_int_equal(place_parents(dir, "out/x/y", 0700), -ENOTDIR);
	assert_int_equal(place_parents(dir, "plain", 0700), 0);
}

static atomic_bool is_over, has_swapped;

/* Whose directory it is puts another's file where the new one is being made. */
static void *swap(void *unused)
{
	while (!is_over && !has_swapped) {
		DIR *d = opendir(top);
		for (struct dirent *e; (e = readdir(d));)
			if (!strncmp(e->d_name, ".dayfly-", 8) &&
				renameat(dir, e->d_name, dir, "moved") == 0)
				has_swapped = renameat(dir, "anothers", dir, e->d_name) == 0;
		closedir(d);
	}
	return NULL;
}

static void what_is_put_in_its_way_is_not_given_away(void **state)
{
	int big = memfd_create("big", MFD_CLOEXEC);
	const struct place_content c = { .fd = big, .bytes = 256 << 20, .mode = 0644 };
	struct stat st;
	assert_int_equal(ftruncate(big, 256 << 20), 0);
	has_swapped = false;
	for (int i = 0; i < 50 && !has_swapped; i++) {
		pthread_t thread;
		close(openat(dir, "anothers", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
		assert_int_equal(fstatat(dir, "anothers", &st, 0), 0);
		is_over = false;
		assert_int_equal(pthread_create(&thread, NULL, swap, NULL), 0);
		int r = place_file(dir, "f", &c, NULL);
		is_over = true;
		pthread_join(thread, NULL);
		assert_int_equal(r, has_swapped ? -ESTALE : 0);
		unlinkat(dir, "f", 0);
	}
	assert_true(has_swapped);
	/* It has its owner, and not what the new file was to have. */
	struct stat now;
	if (fstatat(dir, "anothers", &now, 0) == 0)
		assert_int_equal(now.st_uid, st.st_uid);
	close(big);
}

static void temporary_files_go_where_the_environment_says(void **state)
{
	setenv("TMPDIR", "/var/tmp", 1);
	assert_string_equal(place_temporary_dir(), "/var/tmp");
	setenv("TMPDIR", "", 1);
	assert_string_equal(place_temporary_dir(), "/tmp");
	unsetenv("TMPDIR");
	assert_string_equal(place_temporary_dir(), "/tmp");
}

#define PLACE_TEST(name) cmocka_unit_test_setup_teardown(name, start, finish)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PLACE_TEST(a_file_has_its_content_mode_and_time),
		PLACE_TEST(what_was_not_known_is_not_overwritten),
		PLACE_TEST(what_is_not_the_same_any_more_is_not_overwritten),
		PLACE_TEST(a_directory_is_made_once),
		PLACE_TEST(root_leaves_files_to_their_owners),
		PLACE_TEST(what_is_put_in_its_way_is_not_given_away),
		PLACE_TEST(temporary_files_go_where_the_environment_says),
		PLACE_TEST(a_content_that_ends_early_leaves_nothing),
		PLACE_TEST(A18_parents_are_made_beneath_and_through_no_link),
	};
	return RUN_TESTS(tests);
}
