/* The file of the journal: what is set aside, who has the lock, and how a new one takes its place.
 */
#include "harness.h"

#include "base/fd.h"
#include "base/log.h"
#include "daemon/journal_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ID "t-0123456789abcdef0123456789abcdef"

struct world {
	char dir[32];
	char path[128];
	struct journal_file file;
	struct journal_image image;
	struct buf bytes;
};

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct err e;
	log_init("test", LOG_LEVEL_ERROR);
	snprintf(w->dir, sizeof(w->dir), "/tmp/dayfly-unit-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	snprintf(w->path, sizeof(w->path), "%s/dayfly-%u.journal", w->dir, (unsigned)geteuid());
	journal_image_init(&w->image);
	buf_init(&w->bytes, 0);
	assert_int_equal(journal_file_init(&w->file, w->dir, &e), 0);
	*state = w;
	return 0;
}

static size_t for_each_name(const struct world *w, bool remove)
{
	auto_closedir DIR *d = opendir(w->dir);
	size_t n = 0;
	for (struct dirent *entry; (entry = readdir(d));) {
		if (entry->d_name[0] == '.')
			continue;
		n++;
		if (remove && unlinkat(dirfd(d), entry->d_name, 0) < 0)
			unlinkat(dirfd(d), entry->d_name, AT_REMOVEDIR);
	}
	return n;
}

static int teardown(void **state)
{
	struct world *w = *state;
	journal_file_close(&w->file);
	journal_image_finish(&w->image);
	buf_finish(&w->bytes);
	for_each_name(w, true);
	rmdir(w->dir);
	free(w);
	return 0;
}

static void put_task(struct buf *b)
{
	char *argv[] = { "true", NULL };
	struct journal_task t = { .uid = 1, .argv = argv };
	memcpy(t.id, ID, sizeof(ID));
	assert_int_equal(journal_put_accept(b, &t), 0);
}

static void write_file(const struct world *w, const void *data, size_t len, mode_t mode)
{
	auto_close int fd = open(w->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, data, len), 0);
	assert_int_equal(fchmod(fd, mode), 0);
}

static void load(struct world *w, size_t n_tasks)
{
	struct err e = { 0 };
	assert_int_equal(journal_file_load(&w->file, &w->image, &e), 0);
	assert_true(w->file.fd >= 0);
	assert_int_equal(w->image.n_tasks, n_tasks);
}

static bool is_set_aside(const struct world *w, int nth)
{
	char name[160];
	struct stat st;
	snprintf(name, sizeof(name), "%s.bad%d", w->path, nth);
	return lstat(name, &st) == 0;
}

TEST(an_empty_directory_gets_a_file_of_ours_alone)
{
	struct world *w = *state;
	struct stat st;
	load(w, 0);
	assert_int_equal(stat(w->path, &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0600);
}

TEST(a_good_file_is_read_and_appended_to)
{
	struct world *w = *state;
	journal_put_head(&w->bytes);
	put_task(&w->bytes);
	write_file(w, buf_data(&w->bytes), buf_len(&w->bytes), 0600);
	load(w, 1);
	assert_int_equal(w->file.end, buf_len(&w->bytes));
	assert_int_equal(journal_file_append(&w->file, "abc", 3), 0);
	assert_int_equal(w->file.end, buf_len(&w->bytes) + 3);
}

TEST(J12_a_torn_tail_is_cut_off)
{
	struct world *w = *state;
	struct stat st;
	journal_put_head(&w->bytes);
	put_task(&w->bytes);
	size_t good = buf_len(&w->bytes);
	put_task(&w->bytes);
	write_file(w, buf_data(&w->bytes), buf_len(&w->bytes) - 5, 0600);
	load(w, 1);
	assert_int_equal(stat(w->path, &st), 0);
	assert_int_equal(st.st_size, good);
	assert_false(is_set_aside(w, 1));
}

TEST(J12_what_is_before_damage_is_used_and_the_file_is_set_aside)
{
	struct world *w = *state;
	journal_put_head(&w->bytes);
	put_task(&w->bytes);
	size_t good = buf_len(&w->bytes);
	journal_put_state(&w->bytes, ID, TASK_STATE_RUNNING, 1);
	journal_put_state(&w->bytes, ID, TASK_STATE_RUNNING, 1);
	buf_data(&w->bytes)[good + 12] ^= 0x40;
	write_file(w, buf_data(&w->bytes), buf_len(&w->bytes), 0600);
	load(w, 1);
	assert_true(is_set_aside(w, 1));
	assert_int_equal(w->file.end, 0);
}

static void expect_aside(struct world *w)
{
	load(w, 0);
	assert_true(is_set_aside(w, 1));
	assert_int_equal(w->file.end, 0);
}

TEST(J12_a_file_of_something_else_is_set_aside)
{
	struct world *w = *state;
	const char *text = "random bytes, more than a head of them";
	write_file(w, text, strlen(text), 0600);
	expect_aside(w);
}

TEST(J12_a_file_of_another_version_is_set_aside)
{
	struct world *w = *state;
	journal_put_head(&w->bytes);
	buf_data(&w->bytes)[8] = 99;
	write_file(w, buf_data(&w->bytes), buf_len(&w->bytes), 0600);
	expect_aside(w);
}

TEST(J12_a_file_that_others_may_write_is_set_aside)
{
	struct world *w = *state;
	journal_put_head(&w->bytes);
	put_task(&w->bytes);
	write_file(w, buf_data(&w->bytes), buf_len(&w->bytes), 0620);
	expect_aside(w);
}

TEST(J12_a_symlink_is_set_aside_and_its_target_is_not_touched)
{
	struct world *w = *state;
	char target[64];
	struct stat st;
	snprintf(target, sizeof(target), "%s/other", w->dir);
	auto_close int fd = open(target, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(symlink(target, w->path), 0);
	expect_aside(w);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, 0);
}

TEST(J12_a_second_name_a_directory_and_a_fifo_are_set_aside)
{
	struct world *w = *state;
	char other[64];
	snprintf(other, sizeof(other), "%s/other", w->dir);
	write_file(w, "", 0, 0600);
	assert_int_equal(link(w->path, other), 0);
	load(w, 0);
	fd_close(&w->file.fd);
	unlink(w->path);
	assert_int_equal(mkdir(w->path, 0700), 0);
	load(w, 0);
	fd_close(&w->file.fd);
	unlink(w->path);
	assert_int_equal(mkfifo(w->path, 0600), 0);
	load(w, 0);
	assert_true(is_set_aside(w, 1) && is_set_aside(w, 2) && is_set_aside(w, 3));
}

TEST(J12_the_number_of_files_set_aside_is_bounded)
{
	struct world *w = *state;
	for (int i = 0; i < 12; i++) {
		write_file(w, "not a journal at all", 20, 0600);
		load(w, 0);
		fd_close(&w->file.fd);
	}
	assert_int_equal(for_each_name(w, false), 6);
}

TEST(J5_one_has_the_file_at_a_time)
{
	struct world *w = *state;
	struct journal_file other;
	struct err e;
	load(w, 0);
	assert_int_equal(journal_file_init(&other, w->dir, &e), 0);
	assert_int_equal(journal_file_load(&other, &w->image, &e), -EBUSY);
	assert_non_null(strstr(e.hint, "--state-dir"));
	fd_close(&w->file.fd);
	assert_int_equal(journal_file_load(&other, &w->image, &e), 0);
	journal_file_close(&other);
}

#define FILLED_BYTES (3 * JOURNAL_BLOCK_BYTES + 3)

static int fill_blocks(struct journal_out *out, void *arg)
{
	for (size_t i = 0; i < FILLED_BYTES; i++) {
		assert_int_equal(buf_put_u8(&out->block, (uint8_t)i), 0);
		assert_int_equal(journal_out_pass(out), 0);
		assert_true(buf_len(&out->block) < JOURNAL_BLOCK_BYTES);
	}
	return arg ? *(int *)arg : 0;
}

TEST(a_new_file_has_all_that_was_passed_on)
{
	struct world *w = *state;
	load(w, 0);
	auto_close int fd = journal_file_make(&w->file, fill_blocks, NULL);
	auto_free uint8_t *data = malloc(FILLED_BYTES + 1);
	assert_int_equal(
		pread(fd, data, FILLED_BYTES + 1, JOURNAL_HEAD_BYTES), (ssize_t)FILLED_BYTES);
	for (size_t i = 0; i < FILLED_BYTES; i++)
		assert_int_equal(data[i], (uint8_t)i);
}

TEST(a_new_file_that_cannot_be_filled_is_gone)
{
	struct world *w = *state;
	int fault = -EIO;
	load(w, 0);
	assert_int_equal(journal_file_make(&w->file, fill_blocks, &fault), -EIO);
	assert_int_equal(for_each_name(w, false), 1);
}

static int fill_too_much(struct journal_out *out, void *arg)
{
	out->end = JOURNAL_FILE_MAX - *(uint64_t *)arg;
	return buf_put_u8(&out->block, 1);
}

TEST(a_new_file_is_never_longer_than_one_that_is_read)
{
	struct world *w = *state;
	uint64_t room = JOURNAL_HEAD_BYTES;
	load(w, 0);
	assert_int_equal(journal_file_make(&w->file, fill_too_much, &room), -EFBIG);
	room++;
	auto_close int fd = journal_file_make(&w->file, fill_too_much, &room);
	assert_true(fd >= 0);
}

TEST(J5_a_new_file_is_locked_before_it_has_the_name)
{
	struct world *w = *state;
	struct journal_file other;
	struct err e;
	load(w, 0);
	int fd = journal_file_make(&w->file, fill_blocks, NULL);
	assert_true(fd >= 0);
	assert_int_equal(journal_file_append(&w->file, "late", 4), 0);
	uint64_t from = 0;
	assert_int_equal(journal_file_adopt(&w->file, fd, from), 0);
	assert_int_equal(w->file.end, JOURNAL_HEAD_BYTES + FILLED_BYTES + 4);
	assert_int_equal(journal_file_init(&other, w->dir, &e), 0);
	assert_int_equal(journal_file_load(&other, &w->image, &e), -EBUSY);
	journal_file_close(&other);
	assert_int_equal(for_each_name(w, false), 1);
}

TEST(a_directory_that_is_not_ours_is_refused)
{
	struct journal_file f;
	struct err e;
	assert_true(journal_file_init(&f, "/no/such/place", &e) < 0);
	journal_file_close(&f);
	if (geteuid() != 0)
		return;
	struct world *w = *state;
	assert_int_equal(chown(w->dir, 12345, -1), 0);
	assert_int_equal(journal_file_init(&f, w->dir, &e), -EPERM);
	assert_non_null(strstr(e.hint, "--state-dir"));
	journal_file_close(&f);
	assert_int_equal(chown(w->dir, 0, -1), 0);
	assert_int_equal(chmod(w->dir, 0777), 0);
	assert_int_equal(journal_file_init(&f, w->dir, &e), -EPERM);
	journal_file_close(&f);
	assert_int_equal(chmod(w->dir, 01777), 0);
	assert_int_equal(journal_file_init(&f, w->dir, &e), 0);
	journal_file_close(&f);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(an_empty_directory_gets_a_file_of_ours_alone),
		T(a_good_file_is_read_and_appended_to),
		T(J12_a_torn_tail_is_cut_off),
		T(J12_what_is_before_damage_is_used_and_the_file_is_set_aside),
		T(J12_a_file_of_something_else_is_set_aside),
		T(J12_a_file_of_another_version_is_set_aside),
		T(J12_a_file_that_others_may_write_is_set_aside),
		T(J12_a_symlink_is_set_aside_and_its_target_is_not_touched),
		T(J12_a_second_name_a_directory_and_a_fifo_are_set_aside),
		T(J12_the_number_of_files_set_aside_is_bounded),
		T(J5_one_has_the_file_at_a_time),
		T(a_new_file_has_all_that_was_passed_on),
		T(a_new_file_that_cannot_be_filled_is_gone),
		T(a_new_file_is_never_longer_than_one_that_is_read),
		T(J5_a_new_file_is_locked_before_it_has_the_name),
		T(a_directory_that_is_not_ours_is_refused),
	};
	return RUN_TESTS(tests);
}
