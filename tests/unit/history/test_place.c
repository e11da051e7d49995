#include "harness.h"

#include "history/place.h"
#include "history/scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

struct world {
	struct scratch s;
	struct place p;
	char aside[512];
	struct err e;
};

static void begin(struct world *w)
{
	scratch_init(&w->s);
	assert_int_equal(place_init(&w->p, w->s.dir, false), 0);
}

static void end(struct world *w)
{
	place_finish(&w->p);
	scratch_finish(&w->s);
}

static int open_it(struct world *w)
{
	return place_open(&w->p, w->aside, sizeof(w->aside), &w->e);
}

static void touch(const char *path)
{
	int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
}

static bool exists(const char *path, const char *end)
{
	char full[256];
	struct stat st;
	snprintf(full, sizeof(full), "%s%s", path, end);
	return lstat(full, &st) == 0;
}

TEST(the_folder_is_made_for_its_owner_alone)
{
	struct world w;
	struct stat st;
	begin(&w);
	assert_string_equal(w.p.path, w.s.file);
	assert_int_equal(open_it(&w), 0);
	assert_string_equal(w.aside, "");
	assert_int_equal(stat(w.s.folder, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(open_it(&w), 0);
	end(&w);
}

TEST(a_missing_directory_is_made_only_where_that_is_wanted)
{
	struct world w;
	char deep[96];
	scratch_init(&w.s);
	snprintf(deep, sizeof(deep), "%s/a//b/c", w.s.dir);
	for (int makes = 0; makes < 2; makes++) {
		assert_int_equal(place_init(&w.p, deep, makes), 0);
		assert_int_equal(open_it(&w), makes ? 0 : -ENOENT);
		place_finish(&w.p);
	}
	scratch_finish(&w.s);
}

TEST(a_folder_that_others_may_change_is_refused)
{
	struct world w;
	begin(&w);
	assert_int_equal(open_it(&w), 0);
	assert_int_equal(chmod(w.s.folder, 0770), 0);
	assert_int_equal(open_it(&w), -EPERM);
	assert_non_null(strstr(w.e.msg, "can be changed by others"));
	assert_int_equal(chmod(w.s.folder, 0700), 0);
	assert_int_equal(chmod(w.s.dir, 0777), 0);
	assert_int_equal(open_it(&w), -EPERM);
	/* As /var/tmp is. */
	assert_int_equal(chmod(w.s.dir, 01777), 0);
	assert_int_equal(open_it(&w), 0);
	end(&w);
}

TEST(a_link_in_the_folders_place_is_not_followed)
{
	struct world w;
	begin(&w);
	assert_int_equal(symlink("/tmp", w.s.folder), 0);
	int r = open_it(&w);
	assert_true(r == -ELOOP || r == -ENOTDIR);
	end(&w);
}

TEST(what_has_the_files_name_and_is_none_is_set_aside)
{
	struct world w;
	begin(&w);
	assert_int_equal(open_it(&w), 0);
	assert_int_equal(symlink("/etc/passwd", w.s.file), 0);
	assert_int_equal(open_it(&w), 0);
	assert_non_null(
		strstr(w.aside, "is not a regular file: it is set aside as history.db.bad1"));
	assert_int_equal(mkdir(w.s.file, 0700), 0);
	assert_int_equal(open_it(&w), 0);
	assert_true(exists(w.s.file, ".bad2"));
	touch(w.s.file);
	char other[160];
	snprintf(other, sizeof(other), "%s.other", w.s.file);
	assert_int_equal(link(w.s.file, other), 0);
	assert_int_equal(open_it(&w), 0);
	assert_non_null(strstr(w.aside, "has a second name"));
	end(&w);
}

TEST(what_belongs_to_the_file_goes_with_it_and_the_number_is_bounded)
{
	struct world w;
	char wal[160];
	begin(&w);
	assert_int_equal(open_it(&w), 0);
	snprintf(wal, sizeof(wal), "%s-wal", w.s.file);
	for (int i = 0; i < PLACE_ASIDE_MAX + 3; i++) {
		touch(w.s.file);
		if (i % 2 == 0)
			touch(wal);
		assert_int_equal(
			place_set_aside(&w.p, "is damaged", w.aside, sizeof(w.aside), &w.e), 0);
		assert_false(exists(w.s.file, ""));
		assert_false(exists(wal, ""));
	}
	assert_true(exists(w.s.file, ".bad1-wal"));
	assert_true(exists(w.s.file, ".bad5"));
	assert_false(exists(w.s.file, ".bad6"));
	/* The last one had none. */
	assert_false(exists(w.s.file, ".bad5-wal"));
	end(&w);
}

TEST(the_space_is_that_of_the_folder)
{
	struct world w;
	uint64_t n_free = 0, all = 0;
	begin(&w);
	assert_int_equal(open_it(&w), 0);
	assert_int_equal(place_space(&w.p, &n_free, &all), 0);
	assert_true(all > 0 && n_free <= all);
	end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_folder_is_made_for_its_owner_alone),
		cmocka_unit_test(a_missing_directory_is_made_only_where_that_is_wanted),
		cmocka_unit_test(a_folder_that_others_may_change_is_refused),
		cmocka_unit_test(a_link_in_the_folders_place_is_not_followed),
		cmocka_unit_test(what_has_the_files_name_and_is_none_is_set_aside),
		cmocka_unit_test(what_belongs_to_the_file_goes_with_it_and_the_number_is_bounded),
		cmocka_unit_test(the_space_is_that_of_the_folder),
	};
	return RUN_TESTS(tests);
}
