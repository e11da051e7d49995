/* The bytes of the journal: what is written is read, and nothing else is. */
#include "daemon/journal_world.h"

#include "base/str.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void put_task(struct world *w, const char *id, uint64_t created_ns)
{
	char *labels[] = { "job=ci", NULL };
	char *argv[] = { "make", "-j2", NULL };
	struct journal_task t = { .uid = 1000,
		.created_ns = created_ns,
		.name = "build",
		.labels = labels,
		.argv = argv };
	memcpy(t.id, id, sizeof(t.id));
	assert_int_equal(journal_put_accept(&w->bytes, &t), 0);
}

static int read_all(struct world *w)
{
	uint64_t good;
	int r = journal_bytes_read(&w->image, &w->bytes, buf_len(&w->bytes), &good);
	if (r == JOURNAL_WHOLE)
		assert_int_equal(good, buf_len(&w->bytes));
	return r;
}

TEST(what_is_written_is_read)
{
	struct world *w = *state;
	assert_int_equal(journal_put_head(&w->bytes), 0);
	put_task(w, ID_A, 7);
	put_task(w, ID_B, 8);
	assert_int_equal(journal_put_state(&w->bytes, ID_A, TASK_STATE_RUNNING, 9), 0);
	assert_int_equal(journal_put_finish(&w->bytes, ID_B, 10, "{}"), 0);
	assert_int_equal(read_all(w), JOURNAL_WHOLE);
	const struct journal_task *a = journal_image_find(&w->image, ID_A);
	const struct journal_task *b = journal_image_find(&w->image, ID_B);
	assert_non_null(a);
	assert_non_null(b);
	assert_int_equal(a->uid, 1000);
	assert_string_equal(a->name, "build");
	assert_string_equal(a->labels[0], "job=ci");
	assert_string_equal(a->argv[1], "-j2");
	assert_int_equal(a->created_ns, 7);
	assert_int_equal(a->started_ns, 9);
	assert_int_equal(a->state, TASK_STATE_RUNNING);
	assert_null(a->result);
	assert_int_equal(b->finished_ns, 10);
	assert_string_equal(b->result, "{}");
}

TEST(an_image_written_anew_says_the_same)
{
	struct world *w = *state;
	journal_put_head(&w->bytes);
	put_task(w, ID_A, 7);
	put_task(w, ID_B, 8);
	journal_put_state(&w->bytes, ID_A, TASK_STATE_STARTING, 9);
	journal_put_finish(&w->bytes, ID_B, 10, "{\"x\":1}");
	assert_int_equal(read_all(w), JOURNAL_WHOLE);
	struct buf again;
	buf_init(&again, 0);
	assert_int_equal(journal_put_head(&again), 0);
	list_for_each (pos, &w->image.tasks)
		assert_int_equal(
			journal_put_task(&again, list_entry(pos, struct journal_task, link)), 0);
	buf_clear(&w->bytes);
	buf_add(&w->bytes, buf_data(&again), buf_len(&again));
	assert_int_equal(read_all(w), JOURNAL_WHOLE);
	assert_int_equal(journal_image_find(&w->image, ID_A)->state, TASK_STATE_STARTING);
	assert_string_equal(journal_image_find(&w->image, ID_B)->result, "{\"x\":1}");
	buf_finish(&again);
}

TEST(records_about_unknown_tasks_are_passed_over)
{
	struct world *w = *state;
	journal_put_head(&w->bytes);
	journal_put_state(&w->bytes, ID_A, TASK_STATE_RUNNING, 1);
	journal_put_finish(&w->bytes, ID_A, 1, "{}");
	put_task(w, ID_B, 8);
	assert_int_equal(read_all(w), JOURNAL_WHOLE);
	assert_int_equal(w->image.n_tasks, 1);
}

TEST(the_first_finish_is_the_end)
{
	struct world *w = *state;
	journal_put_head(&w->bytes);
	put_task(w, ID_A, 7);
	journal_put_finish(&w->bytes, ID_A, 8, "1");
	journal_put_finish(&w->bytes, ID_A, 9, "2");
	journal_put_state(&w->bytes, ID_A, TASK_STATE_RUNNING, 10);
	assert_int_equal(read_all(w), JOURNAL_WHOLE);
	const struct journal_task *t = journal_image_find(&w->image, ID_A);
	assert_string_equal(t->result, "1");
	assert_int_equal(t->state, TASK_STATE_DONE);
}

TEST(a_long_command_is_cut_between_words)
{
	char word[201] = "";
	memset(word, 'x', sizeof(word) - 1);
	char *argv[] = { word, word, word, NULL };
	struct journal_task t = { 0 };
	assert_int_equal(journal_cut_argv(&t, argv), 0);
	assert_int_equal(strv_len(t.argv), 2);
	assert_true(t.argv_is_cut);
	strv_free(t.argv);
	t = (struct journal_task){ 0 };
	assert_int_equal(journal_cut_argv(&t, argv + 2), 0);
	assert_false(t.argv_is_cut);
	strv_free(t.argv);
}

TEST(a_result_too_long_for_a_record_adds_nothing)
{
	struct world *w = *state;
	auto_free char *text = calloc(1, JOURNAL_RECORD_BYTES + 2);
	memset(text, ' ', JOURNAL_RECORD_BYTES + 1);
	journal_put_head(&w->bytes);
	size_t before = buf_len(&w->bytes);
	assert_int_equal(journal_put_finish(&w->bytes, ID_A, 1, text), -ENOBUFS);
	assert_int_equal(buf_len(&w->bytes), before);
}

TEST(pruning_drops_what_is_old_or_too_much_and_never_what_is_not_done)
{
	struct world *w = *state;
	char id[] = ID_A;
	journal_put_head(&w->bytes);
	for (int i = 0; i < 8; i++) {
		id[2] = (char)('0' + i);
		put_task(w, id, 1);
		if (i)
			journal_put_finish(&w->bytes, id, 100 + (uint64_t)i, "{}");
	}
	assert_int_equal(read_all(w), JOURNAL_WHOLE);
	journal_image_prune(&w->image, 112, 10, 4); /* 101 is too old; then three too many */
	assert_int_equal(w->image.n_tasks, 5);
	id[2] = '0';
	assert_non_null(journal_image_find(&w->image, id));
	id[2] = '3';
	assert_null(journal_image_find(&w->image, id));
	id[2] = '4';
	assert_non_null(journal_image_find(&w->image, id));
	/* A clock that was set back makes nothing old. */
	journal_image_prune(&w->image, 1, 10, 4);
	assert_int_equal(w->image.n_tasks, 5);
}

TEST(pruning_takes_from_the_uid_that_has_most)
{
	struct world *w = *state;
	char id[] = ID_A;
	journal_put_head(&w->bytes);
	for (int i = 0; i < 8; i++) {
		struct journal_task t = { .uid = i < 2 ? 5 : 6, .created_ns = 1 };
		id[2] = (char)('0' + i);
		memcpy(t.id, id, sizeof(t.id));
		assert_int_equal(journal_put_accept(&w->bytes, &t), 0);
		journal_put_finish(&w->bytes, id, 100 + (uint64_t)i, "{}");
	}
	assert_int_equal(read_all(w), JOURNAL_WHOLE);
	journal_image_prune(&w->image, 105, 10, 4);
	assert_int_equal(w->image.n_tasks, 4);
	/* The two of one uid, though they are the oldest, and the newest of the other. */
	for (int i = 0; i < 8; i++) {
		id[2] = (char)('0' + i);
		assert_int_equal(journal_image_find(&w->image, id) != NULL, i < 2 || i >= 6);
	}
}

TEST(an_index_knows_the_same_tasks_without_their_texts_and_is_pruned_alike)
{
	struct world *w = *state;
	char id[] = ID_A;
	journal_put_head(&w->bytes);
	for (int i = 0; i < 8; i++) {
		id[2] = (char)('0' + i);
		put_task(w, id, 1);
		journal_put_state(&w->bytes, id, TASK_STATE_RUNNING, 50);
		if (i)
			journal_put_finish(&w->bytes, id, 100 + (uint64_t)i, "{}");
		if (i == 7)
			journal_put_finish(&w->bytes, id, 1, "{}");
	}
	w->image.is_index = true;
	assert_int_equal(read_all(w), JOURNAL_WHOLE);
	assert_int_equal(w->image.n_tasks, 8);
	const struct journal_task *last = journal_image_find(&w->image, id);
	assert_true(!last->name && !last->labels && !last->argv && !last->result);
	assert_int_equal(last->uid, 1000);
	assert_int_equal(last->finished_ns, 107);
	journal_image_prune(&w->image, 112, 10, 4);
	assert_int_equal(w->image.n_tasks, 5);
	id[2] = '3';
	assert_null(journal_image_find(&w->image, id));
	id[2] = '0';
	const struct journal_task *first = journal_image_find(&w->image, id);
	assert_int_equal(first->state, TASK_STATE_RUNNING);
	assert_int_equal(first->started_ns, 50);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(what_is_written_is_read),
		T(an_image_written_anew_says_the_same),
		T(records_about_unknown_tasks_are_passed_over),
		T(the_first_finish_is_the_end),
		T(a_long_command_is_cut_between_words),
		T(a_result_too_long_for_a_record_adds_nothing),
		T(pruning_drops_what_is_old_or_too_much_and_never_what_is_not_done),
		T(pruning_takes_from_the_uid_that_has_most),
		T(an_index_knows_the_same_tasks_without_their_texts_and_is_pruned_alike),
	};
	return RUN_TESTS(tests);
}
