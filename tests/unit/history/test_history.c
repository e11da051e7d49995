/* The loop's half and the thread together. */
#include "loop.h"

#include "base/log.h"
#include "history/history.h"
#include "history/rows.h"
#include "history/scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

struct world {
	struct scratch s;
	uv_loop_t loop;
	struct history *h;
	struct history_query q;
	unsigned n_answers, n_lost;
	uid_t order[64];
};

static void on_answer(void *owner, struct history_query *q)
{
	struct world *w = owner;
	if (w->n_answers < ARRAY_SIZE(w->order))
		w->order[w->n_answers] = q->uid;
	w->n_answers++;
}

static void on_lost(void *owner, struct history_row *take_row)
{
	struct world *w = owner;
	w->n_lost++;
	take_row->result = strdup("{\"lost\":true}");
	take_row->finished_ns = take_row->created_ns;
	history_note(w->h, take_row);
}

static void create(struct world *w)
{
	const struct history_hooks hooks = { on_answer, on_lost };
	const struct history_bounds bounds = { 0 };
	assert_int_equal(history_create(&w->loop, w->s.dir, false, &bounds, &hooks, w, &w->h), 0);
}

static void begin(struct world *w)
{
	memset(w, 0, sizeof(*w));
	/* What the tests break is told as errors. */
	log_init("test", LOG_LEVEL_ERROR);
	scratch_init(&w->s);
	assert_int_equal(uv_loop_init(&w->loop), 0);
	create(w);
}

static void stop(struct world *w)
{
	history_stop(w->h);
	uv_run(&w->loop, UV_RUN_DEFAULT);
	w->h = NULL;
}

static void end(struct world *w)
{
	if (w->h)
		stop(w);
	loop_assert_empty(&w->loop);
	scratch_finish(&w->s);
}

static struct history_status status(struct world *w)
{
	struct history_status st;
	history_get_status(w->h, &st);
	return st;
}

static const char *ask(struct world *w, const char *word)
{
	unsigned before = w->n_answers;
	free(w->q.text);
	memset(&w->q, 0, sizeof(w->q));
	list_init(&w->q.link);
	w->q.uid = w->q.of_uid = 1;
	w->q.is_list = !word;
	w->q.filter.limit = 100;
	w->q.is_id = true;
	if (word)
		snprintf(w->q.word, sizeof(w->q.word), "%s", word);
	history_ask(w->h, &w->q);
	loop_run_until(&w->loop, w->n_answers > before);
	if (w->q.r < 0)
		return "";
	w->q.text = realloc(w->q.text, w->q.len + 1);
	w->q.text[w->q.len] = '\0';
	return w->q.text;
}

TEST(what_was_noted_is_there_when_one_asks_and_after_a_restart)
{
	struct world w;
	begin(&w);
	history_note(w.h, rows_make(1, 1, "{\"r\":1}"));
	assert_int_equal(history_start(w.h), 0);
	history_note(w.h, rows_make(2, 1, "{}"));
	assert_non_null(strstr(ask(&w, NULL), "t-00000000000000000000000000000002"));
	assert_string_equal(ask(&w, "t-00000000000000000000000000000001"), "{\"r\":1}");
	history_note(w.h, rows_make(3, 1, "{}"));
	stop(&w);
	create(&w);
	assert_int_equal(history_start(w.h), 0);
	assert_non_null(strstr(ask(&w, NULL), "t-00000000000000000000000000000003"));
	assert_int_equal(status(&w).mode, HISTORY_ON);
	ask(&w, "t-0000000000000000000000000000000f");
	assert_int_equal(w.q.r, -ENOENT);
	ask(&w, "t-0000000000000000000000000000000");
	assert_int_equal(w.q.r, -EINVAL);
	assert_int_equal(w.q.err.code, ERR_AMBIGUOUS);
	free(w.q.text);
	end(&w);
}

TEST(tasks_that_were_not_done_come_back_for_a_result)
{
	struct world w;
	begin(&w);
	for (unsigned i = 0; i < 600; i++)
		history_note(w.h, rows_make(i, 1, NULL));
	assert_int_equal(history_start(w.h), 0);
	ask(&w, NULL);
	loop_run_until(&w.loop, w.n_lost == 600);
	loop_run_until(&w.loop, !strstr(ask(&w, NULL), "active"));
	assert_int_equal(w.n_lost, 600);
	free(w.q.text);
	end(&w);
}

TEST(without_a_place_rows_wait_and_questions_are_answered)
{
	struct world w;
	begin(&w);
	assert_int_equal(chmod(w.s.dir, 0777), 0);
	assert_int_equal(history_start(w.h), 0);
	history_note(w.h, rows_make(1, 1, "{}"));
	ask(&w, NULL);
	assert_int_equal(w.q.r, -EIO);
	assert_int_equal(w.q.err.code, ERR_NO_HISTORY);
	assert_int_equal(status(&w).mode, HISTORY_FAULTY);
	assert_true(status(&w).fault[0]);
	assert_int_equal(status(&w).waiting, 1);
	assert_int_equal(chmod(w.s.dir, 0700), 0);
	/* At the end it is tried once more. */
	stop(&w);
	create(&w);
	assert_int_equal(history_start(w.h), 0);
	assert_non_null(strstr(ask(&w, NULL), "t-00000000000000000000000000000001"));
	free(w.q.text);
	end(&w);
}

TEST(everybodys_first_question_comes_before_anybodys_second)
{
	static const uid_t asked[] = { 1, 1, 1, 1, 2, 2, 3 };
	struct history_query queries[ARRAY_SIZE(asked)];
	struct world w;
	begin(&w);
	memset(queries, 0, sizeof(queries));
	for (size_t i = 0; i < ARRAY_SIZE(asked); i++) {
		list_init(&queries[i].link);
		queries[i].uid = asked[i];
		queries[i].is_list = true;
		queries[i].filter.limit = 1;
		history_ask(w.h, &queries[i]);
	}
	assert_true(history_cancel(w.h, &queries[3]));
	assert_false(history_cancel(w.h, &queries[3]));
	assert_int_equal(history_start(w.h), 0);
	loop_run_until(&w.loop, w.n_answers == ARRAY_SIZE(asked) - 1);
	static const uid_t wanted[] = { 1, 2, 3, 1, 2, 1 };
	assert_memory_equal(w.order, wanted, sizeof(wanted));
	for (size_t i = 0; i < ARRAY_SIZE(asked); i++)
		free(queries[i].text);
	end(&w);
}

TEST(questions_that_wait_at_the_end_are_answered)
{
	struct world w;
	begin(&w);
	list_init(&w.q.link);
	w.q.is_list = true;
	w.q.filter.limit = 1;
	history_ask(w.h, &w.q);
	/* It never had a thread. */
	stop(&w);
	assert_int_equal(w.n_answers, 1);
	assert_int_equal(w.q.r < 0, 1);
	end(&w);
}

TEST(a_damaged_file_is_set_aside_and_what_came_is_in_the_new_one)
{
	struct world w;
	char bad[160];
	struct stat st;
	begin(&w);
	assert_int_equal(mkdir(w.s.folder, 0700), 0);
	int fd = open(w.s.file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_int_equal(write(fd, "this is no database at all", 26), 26);
	close(fd);
	history_note(w.h, rows_make(1, 1, "{}"));
	assert_int_equal(history_start(w.h), 0);
	assert_non_null(strstr(ask(&w, NULL), "t-00000000000000000000000000000001"));
	snprintf(bad, sizeof(bad), "%s.bad1", w.s.file);
	assert_int_equal(stat(bad, &st), 0);
	free(w.q.text);
	end(&w);
}

TEST(a_row_that_the_tables_refuse_is_not_in_the_way_of_others)
{
	struct world w;
	begin(&w);
	struct history_row *odd = rows_make(1, 1, "{}");
	/* A key of a label twice. */
	odd->labels = strdup("{\"k\":\"1\",\"k\":\"2\"}");
	history_note(w.h, odd);
	history_note(w.h, rows_make(2, 1, "{}"));
	assert_int_equal(history_start(w.h), 0);
	assert_non_null(strstr(ask(&w, NULL), "t-00000000000000000000000000000002"));
	assert_int_equal(status(&w).waiting, 0);
	free(w.q.text);
	end(&w);
}

TEST(bounds_hold)
{
	const struct history_bounds bounds = { .max_age_ms = 1000 };
	struct world w;
	begin(&w);
	history_set_bounds(w.h, &bounds);
	history_note(w.h, rows_make(1, 1, "{}"));
	assert_int_equal(history_start(w.h), 0);
	loop_run_until(&w.loop, status(&w).written == 1 && status(&w).rows == 0);
	end(&w);
}

TEST(modes_have_names)
{
	assert_string_equal(history_mode_name(HISTORY_OPENING), "opening");
	assert_string_equal(history_mode_name(HISTORY_REFUSED), "refused");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_noted_is_there_when_one_asks_and_after_a_restart),
		cmocka_unit_test(tasks_that_were_not_done_come_back_for_a_result),
		cmocka_unit_test(without_a_place_rows_wait_and_questions_are_answered),
		cmocka_unit_test(everybodys_first_question_comes_before_anybodys_second),
		cmocka_unit_test(questions_that_wait_at_the_end_are_answered),
		cmocka_unit_test(a_damaged_file_is_set_aside_and_what_came_is_in_the_new_one),
		cmocka_unit_test(a_row_that_the_tables_refuse_is_not_in_the_way_of_others),
		cmocka_unit_test(bounds_hold),
		cmocka_unit_test(modes_have_names),
	};
	return RUN_TESTS(tests);
}
