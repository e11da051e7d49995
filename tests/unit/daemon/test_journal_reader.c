/* A journal's file record by record: where it is good, and what a block's end does not change. */
#include "daemon/journal_world.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void put_task(struct world *w, const char *id, uint64_t created_ns)
{
	char *argv[] = { "make", "-j2", NULL };
	struct journal_task t = { .uid = 1000, .created_ns = created_ns, .argv = argv };
	memcpy(t.id, id, sizeof(t.id));
	assert_int_equal(journal_put_accept(&w->bytes, &t), 0);
}

/* Finishes a task with a result of so many bytes: a record as long as one can be. */
static void put_finish(struct world *w, const char *id, size_t len)
{
	auto_free char *text = calloc(1, len + 1);
	memset(text, ' ', len);
	assert_int_equal(journal_put_finish(&w->bytes, id, 1, text), 0);
}

static int read_bytes(struct world *w, size_t len, uint64_t *ret_good)
{
	return journal_bytes_read(&w->image, &w->bytes, len, ret_good);
}

static int read_all(struct world *w)
{
	uint64_t good;
	int r = read_bytes(w, buf_len(&w->bytes), &good);
	if (r == JOURNAL_WHOLE)
		assert_int_equal(good, buf_len(&w->bytes));
	return r;
}

/* A task and its end, of which the last byte lies so far before the end of the n-th block. */
static void put_until(struct world *w, size_t n, size_t short_of)
{
	char id[] = ID_A;
	size_t want = n * JOURNAL_BLOCK_BYTES - short_of;
	for (unsigned i = 0; buf_len(&w->bytes) < want; i++) {
		snprintf(id, sizeof(id), "t-%032x", i);
		put_task(w, id, i);
		size_t before = buf_len(&w->bytes);
		put_finish(w, id, 1);
		size_t frame = buf_len(&w->bytes) - before - 1;
		w->bytes.end = before;
		size_t room = want - before;
		/* The next pair needs room for its own frames. */
		bool is_last = room <= JOURNAL_RESULT_BYTES + frame;
		put_finish(w, id, is_last ? room - frame : JOURNAL_RESULT_BYTES / 2);
	}
	assert_int_equal(buf_len(&w->bytes), want);
}

TEST(a_tail_cut_anywhere_is_torn_and_what_is_before_it_is_good)
{
	struct world *w = *state;
	journal_put_head(&w->bytes);
	put_task(w, ID_A, 7);
	size_t first = buf_len(&w->bytes);
	uint64_t good;
	put_task(w, ID_B, 8);
	for (size_t len = first + 1; len < buf_len(&w->bytes); len++) {
		assert_int_equal(read_bytes(w, len, &good), JOURNAL_TORN);
		assert_int_equal(good, first);
		assert_int_equal(w->image.n_tasks, 1);
	}
}

TEST(a_head_cut_anywhere_is_torn)
{
	struct world *w = *state;
	uint64_t good;
	journal_put_head(&w->bytes);
	for (size_t len = 1; len < buf_len(&w->bytes); len++)
		assert_int_equal(read_bytes(w, len, &good), JOURNAL_TORN);
	assert_int_equal(read_bytes(w, 0, &good), JOURNAL_WHOLE);
}

TEST(zeros_at_the_end_are_a_torn_tail)
{
	struct world *w = *state;
	char zeros[5000] = "";
	journal_put_head(&w->bytes);
	put_task(w, ID_A, 7);
	buf_add(&w->bytes, zeros, sizeof(zeros));
	assert_int_equal(read_all(w), JOURNAL_TORN);
	assert_int_equal(w->image.n_tasks, 1);
}

TEST(any_changed_bit_is_noticed)
{
	struct world *w = *state;
	journal_put_head(&w->bytes);
	size_t head = buf_len(&w->bytes);
	uint64_t good;
	put_task(w, ID_A, 7);
	put_task(w, ID_B, 8);
	for (size_t bit = head * 8; bit < buf_len(&w->bytes) * 8; bit++) {
		char *at = buf_data(&w->bytes) + bit / 8;
		*at = (char)(*at ^ 1 << bit % 8);
		assert_int_not_equal(read_bytes(w, buf_len(&w->bytes), &good), JOURNAL_WHOLE);
		*at = (char)(*at ^ 1 << bit % 8);
	}
	assert_int_equal(read_all(w), JOURNAL_WHOLE);
}

TEST(damage_in_the_middle_is_not_taken_for_a_torn_tail)
{
	struct world *w = *state;
	journal_put_head(&w->bytes);
	put_task(w, ID_A, 7);
	size_t first = buf_len(&w->bytes);
	uint64_t good;
	put_task(w, ID_B, 8);
	journal_put_state(&w->bytes, ID_B, TASK_STATE_RUNNING, 1);
	buf_data(&w->bytes)[first + 20] ^= 1;
	assert_int_equal(read_bytes(w, buf_len(&w->bytes), &good), JOURNAL_CORRUPT);
	assert_int_equal(good, first);
	assert_int_equal(w->image.n_tasks, 1);
}

TEST(other_files_and_other_versions_are_told_apart)
{
	struct world *w = *state;
	buf_add_str(&w->bytes, "#!/bin/sh\nexit 0\n# and more than a head\n");
	assert_int_equal(read_all(w), JOURNAL_NONE);
	buf_clear(&w->bytes);
	journal_put_head(&w->bytes);
	buf_data(&w->bytes)[8] = JOURNAL_VERSION + 1;
	assert_int_equal(read_all(w), JOURNAL_OTHER);
}

TEST(records_lie_across_the_ends_of_blocks)
{
	struct world *w = *state;
	for (size_t short_of = 0; short_of < 24; short_of++) {
		buf_clear(&w->bytes);
		journal_put_head(&w->bytes);
		put_until(w, 3, short_of);
		put_task(w, ID_B, 8);
		put_finish(w, ID_B, JOURNAL_RESULT_BYTES);
		assert_int_equal(read_all(w), JOURNAL_WHOLE);
		assert_non_null(journal_image_find(&w->image, ID_B)->result);
	}
}

TEST(a_tail_is_torn_beyond_the_first_block_too)
{
	struct world *w = *state;
	uint64_t good;
	journal_put_head(&w->bytes);
	put_until(w, 2, 20);
	size_t first = buf_len(&w->bytes);
	put_task(w, ID_B, 8);
	for (size_t len = first + 1; len < buf_len(&w->bytes); len++) {
		assert_int_equal(read_bytes(w, len, &good), JOURNAL_TORN);
		assert_int_equal(good, first);
	}
	/* More zeros than a block has, and a byte of something behind them. */
	w->bytes.end = first;
	assert_int_equal(buf_reserve(&w->bytes, 3 * JOURNAL_BLOCK_BYTES), 0);
	memset(buf_data(&w->bytes) + first, 0, 3 * JOURNAL_BLOCK_BYTES);
	w->bytes.end += 3 * JOURNAL_BLOCK_BYTES;
	assert_int_equal(read_bytes(w, buf_len(&w->bytes), &good), JOURNAL_TORN);
	assert_int_equal(good, first);
	buf_data(&w->bytes)[buf_len(&w->bytes) - 1] = 1;
	assert_int_equal(read_bytes(w, buf_len(&w->bytes), &good), JOURNAL_CORRUPT);
	assert_int_equal(good, first);
}

TEST(damage_in_a_later_block_keeps_what_is_before_it)
{
	struct world *w = *state;
	uint64_t good;
	journal_put_head(&w->bytes);
	put_until(w, 2, 20);
	size_t first = buf_len(&w->bytes);
	put_task(w, ID_B, 8);
	put_finish(w, ID_B, 1);
	buf_data(&w->bytes)[first + 20] ^= 1;
	assert_int_equal(read_bytes(w, buf_len(&w->bytes), &good), JOURNAL_CORRUPT);
	assert_int_equal(good, first);
	assert_null(journal_image_find(&w->image, ID_B));
}

TEST(a_record_that_says_nothing_known_is_damage)
{
	struct world *w = *state;
	uint64_t good;
	journal_put_head(&w->bytes);
	put_task(w, ID_A, 7);
	size_t first = buf_len(&w->bytes);
	put_task(w, ID_A, 8); /* accepted twice */
	assert_int_equal(read_bytes(w, buf_len(&w->bytes), &good), JOURNAL_CORRUPT);
	assert_int_equal(good, first);
}

TEST(a_file_shorter_than_was_said_is_an_error)
{
	struct world *w = *state;
	uint64_t good;
	journal_put_head(&w->bytes);
	put_until(w, 2, 0);
	size_t len = buf_len(&w->bytes);
	assert_int_equal(read_bytes(w, len + 1, &good), -EIO);
}

TEST(a_file_takes_no_more_memory_than_a_block)
{
	struct world *w = *state;
	struct journal_reader r;
	struct journal_view view;
	size_t n = 0, bytes = JOURNAL_HEAD_BYTES;
	journal_put_head(&w->bytes);
	put_until(w, 5, 0);
	auto_close int fd = journal_bytes_file(&w->bytes);
	assert_int_equal(journal_reader_init(&r, fd, buf_len(&w->bytes)), 0);
	for (; journal_reader_next(&r, &view) == JOURNAL_MORE; n++) {
		assert_true(view.bytes >= r.block &&
			    view.bytes + view.len <= r.block + JOURNAL_BLOCK_BYTES);
		assert_memory_equal(view.bytes, buf_data(&w->bytes) + bytes, view.len);
		bytes += view.len;
	}
	assert_true(n > 10);
	assert_int_equal(bytes, buf_len(&w->bytes));
	assert_int_equal(r.good, bytes);
	journal_reader_finish(&r);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_tail_cut_anywhere_is_torn_and_what_is_before_it_is_good),
		T(a_head_cut_anywhere_is_torn),
		T(zeros_at_the_end_are_a_torn_tail),
		T(any_changed_bit_is_noticed),
		T(damage_in_the_middle_is_not_taken_for_a_torn_tail),
		T(other_files_and_other_versions_are_told_apart),
		T(records_lie_across_the_ends_of_blocks),
		T(a_tail_is_torn_beyond_the_first_block_too),
		T(damage_in_a_later_block_keeps_what_is_before_it),
		T(a_record_that_says_nothing_known_is_damage),
		T(a_file_shorter_than_was_said_is_an_error),
		T(a_file_takes_no_more_memory_than_a_block),
	};
	return RUN_TESTS(tests);
}
