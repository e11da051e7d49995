/* A journal that is made anew, from its image and from itself: both say the same of the tasks that
 * are kept, and nothing of others. */
#include "journal_bytes.h"

#include "base/log.h"
#include "base/str.h"
#include "daemon/journal_anew.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct world {
	char dir[32];
	struct journal_file file;
	struct buf bytes;
	struct journal_image image, index;
};

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct err e;
	log_init("test", LOG_LEVEL_ERROR);
	snprintf(w->dir, sizeof(w->dir), "/tmp/dayfly-unit-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	assert_int_equal(journal_file_init(&w->file, w->dir, &e), 0);
	buf_init(&w->bytes, 0);
	journal_image_init(&w->image);
	journal_image_init(&w->index);
	w->index.is_index = true;
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;
	char name[64];
	snprintf(name, sizeof(name), "%s.new", w->file.name);
	bool is_halfway = unlinkat(w->file.dir_fd, name, 0) == 0;
	journal_file_close(&w->file);
	journal_image_finish(&w->image);
	journal_image_finish(&w->index);
	buf_finish(&w->bytes);
	assert_int_equal(rmdir(w->dir), 0);
	free(w);
	assert_false(is_halfway);
	return 0;
}

/* ---- journals of all kinds ---- */

static const char *name_of(unsigned n)
{
	static char id[ID_TASK_SIZE];
	snprintf(id, sizeof(id), "t-%032x", n);
	return id;
}

static void put_accept(struct world *w, unsigned n)
{
	char *labels[] = { "job=ci", "stage=test", NULL };
	char *argv[] = { "make", "-j2", NULL };
	struct journal_task t = { .uid = n % 3,
		.created_ns = n,
		.name = n % 5 ? "build" : NULL,
		.labels = n % 2 ? labels : NULL,
		.argv = argv,
		.argv_is_cut = n % 7 == 0,
		.idempotency_key = n % 4 ? NULL : "key",
		.digest = n };
	memcpy(t.id, name_of(n), sizeof(t.id));
	assert_int_equal(journal_put_accept(&w->bytes, &t), 0);
}

static void put_finish(struct world *w, unsigned n, size_t len)
{
	auto_free char *text = calloc(1, len + 1);
	memset(text, 'a' + (int)(n % 26), len);
	assert_int_equal(journal_put_finish(&w->bytes, name_of(n), 1000 + n, text), 0);
}

/* Tasks that begin one after the other and end in any order, or never, among records of tasks that
 * were dropped earlier. */
static void put_random(struct world *w, unsigned n_tasks)
{
	journal_put_head(&w->bytes);
	for (unsigned i = 0; i < n_tasks; i++) {
		unsigned other = i ? (unsigned)rand() % i : 0;
		put_accept(w, i);
		if (rand() % 3)
			journal_put_state(&w->bytes, name_of(i), TASK_STATE_STARTING, i + 1);
		if (rand() % 3)
			journal_put_state(&w->bytes, name_of(other), TASK_STATE_RUNNING, i + 2);
		if (rand() % 4)
			put_finish(w, other, (size_t)rand() % 3000);
		if (rand() % 4 == 0)
			put_finish(w, n_tasks + i, 10);
	}
}

static void read_both(struct world *w)
{
	uint64_t good;
	size_t len = buf_len(&w->bytes);
	assert_int_equal(journal_bytes_read(&w->image, &w->bytes, len, &good), JOURNAL_WHOLE);
	assert_int_equal(journal_bytes_read(&w->index, &w->bytes, len, &good), JOURNAL_WHOLE);
}

static int copy(struct world *w)
{
	auto_close int from = journal_bytes_file(&w->bytes);
	return journal_anew_copy(&w->file, from, buf_len(&w->bytes), &w->index);
}

/* All that a new file says, as bytes; drops it. */
static void say(struct world *w, int take_fd, struct buf *ret)
{
	auto_close int fd = take_fd;
	struct stat st;
	struct journal_image m;
	uint64_t good;
	uint32_t version;
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0600);
	journal_image_init(&m);
	assert_int_equal(
		journal_read(fd, (uint64_t)st.st_size, &m, &good, &version), JOURNAL_WHOLE);
	buf_init(ret, 0);
	list_for_each (pos, &m.tasks)
		assert_int_equal(
			journal_put_task(ret, list_entry(pos, struct journal_task, link)), 0);
	journal_image_finish(&m);
	char name[64];
	snprintf(name, sizeof(name), "%s.new", w->file.name);
	assert_int_equal(unlinkat(w->file.dir_fd, name, 0), 0);
}

static void expect_the_same(struct world *w)
{
	struct buf written, copied;
	say(w, journal_anew_write(&w->file, &w->image), &written);
	say(w, copy(w), &copied);
	assert_int_equal(buf_len(&copied), buf_len(&written));
	if (buf_len(&written))
		assert_memory_equal(buf_data(&copied), buf_data(&written), buf_len(&written));
	buf_finish(&written);
	buf_finish(&copied);
}

/* ---- tests ---- */

TEST(a_copy_says_of_the_tasks_that_are_kept_what_the_image_says)
{
	struct world *w = *state;
	const unsigned sizes[] = { 0, 1, 2, 10, 100, 400, 400 };
	srand(1);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		buf_clear(&w->bytes);
		put_random(w, sizes[i]);
		read_both(w);
		expect_the_same(w);
		for (size_t keep = sizes[i]; keep; keep /= 3) {
			uint64_t age = 3 * sizes[i] / 4;
			journal_image_prune(&w->image, 1000 + sizes[i], age, keep);
			journal_image_prune(&w->index, 1000 + sizes[i], age, keep);
			assert_int_equal(w->index.n_tasks, w->image.n_tasks);
			expect_the_same(w);
		}
	}
}

TEST(a_copy_says_once_how_far_a_task_has_come)
{
	struct world *w = *state;
	struct stat st;
	journal_put_head(&w->bytes);
	put_accept(w, 1);
	journal_put_state(&w->bytes, name_of(1), TASK_STATE_RUNNING, 7);
	size_t len = buf_len(&w->bytes);
	for (int i = 0; i < 1000; i++)
		journal_put_state(&w->bytes, name_of(1), TASK_STATE_RUNNING, 7);
	read_both(w);
	int fd = copy(w);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, len);
	struct buf said;
	say(w, fd, &said);
	buf_finish(&said);
}

TEST(an_index_of_other_bytes_makes_no_file)
{
	struct world *w = *state;
	put_random(w, 10);
	read_both(w);
	w->bytes.end = JOURNAL_HEAD_BYTES;
	put_accept(w, 3);
	assert_int_equal(copy(w), -EIO);
}

TEST(damage_that_came_after_the_index_makes_no_file)
{
	struct world *w = *state;
	put_random(w, 200);
	put_finish(w, 199, 10); /* all were accepted before that */
	read_both(w);
	size_t len = buf_len(&w->bytes), at[] = { len / 2, len - 1 };
	for (size_t i = 0; i < 2; i++) {
		char *byte = buf_data(&w->bytes) + at[i];
		*byte = (char)(*byte ^ 1);
		assert_int_equal(copy(w), -EIO);
		*byte = (char)(*byte ^ 1);
	}
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_copy_says_of_the_tasks_that_are_kept_what_the_image_says),
		T(a_copy_says_once_how_far_a_task_has_come),
		T(an_index_of_other_bytes_makes_no_file),
		T(damage_that_came_after_the_index_makes_no_file),
	};
	return RUN_TESTS(tests);
}
