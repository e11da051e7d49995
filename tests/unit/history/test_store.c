/* The database on a real file: writing, asking, forgetting, and what it says of files that are not
 * good. */
#include "harness.h"

#include "base/clock.h"
#include "history/rows.h"
#include "history/scratch.h"
#include "history/store.h"
#include "history/tables.h"

#include <fcntl.h>
#include <sys/stat.h>

struct world {
	struct scratch s;
	struct store store;
	struct buf out;
};

static void begin(struct world *w)
{
	scratch_init(&w->s);
	assert_int_equal(mkdir(w->s.folder, 0700), 0);
	store_init(&w->store);
	buf_init(&w->out, 0);
	assert_int_equal(store_open(&w->store, w->s.file), STORE_OK);
}

static void end(struct world *w)
{
	store_close(&w->store);
	buf_finish(&w->out);
	scratch_finish(&w->s);
}

static void write_row(struct world *w, struct history_row *take_row)
{
	struct history_queue q;
	history_queue_init(&q);
	history_queue_add(&q, take_row);
	assert_int_equal(store_write(&w->store, &q), STORE_OK);
	history_queue_finish(&q);
}

static const char *list(struct world *w, const struct history_filter *f)
{
	buf_clear(&w->out);
	assert_int_equal(store_list(&w->store, f, &w->out), STORE_OK);
	assert_int_equal(buf_add(&w->out, "", 1), 0);
	return buf_data(&w->out);
}

static size_t count(const char *text, const char *word)
{
	size_t n = 0;
	while ((text = strstr(text, word))) {
		text += strlen(word);
		n++;
	}
	return n;
}

static struct store_found find(struct world *w, const struct store_wanted *wanted)
{
	struct store_found found;
	buf_clear(&w->out);
	assert_int_equal(store_find(&w->store, wanted, &found, &w->out), STORE_OK);
	assert_int_equal(buf_add(&w->out, "", 1), 0);
	return found;
}

TEST(a_row_comes_back_as_json)
{
	struct world w;
	begin(&w);
	struct history_row *r = rows_make(7, 1000, "{\"x\":1}");
	r->name = strdup("nap");
	r->labels = strdup("{\"team\":\"c\\\"i\"}");
	r->code = 3;
	write_row(&w, r);
	const struct history_filter f = { .limit = 5 };
	assert_string_equal(list(&w, &f),
		"{\"tasks\":[{\"task\":\"t-00000000000000000000000000000007\",\"name\":\"nap\","
		"\"uid\":1000,\"state\":\"done\",\"argv\":[\"true\"],\"argv_is_cut\":false,"
		"\"labels\":{\"team\":\"c\\\"i\"},\"created\":\"1970-01-01T00:00:07.000000Z\","
		"\"started\":\"1970-01-01T00:00:07.000000Z\",\"finished\":"
		"\"1970-01-01T00:00:07.000000Z\",\"outcome\":\"ok\",\"cause\":\"exit\",\"code\":3}]"
		","
		"\"next\":null}");
	end(&w);
}

TEST(what_is_no_json_in_the_file_makes_no_odd_answer)
{
	struct world w;
	begin(&w);
	struct history_row *r = rows_make(7, 1000, "no\njson");
	free(r->argv);
	r->argv = strdup("[\"a\"\n]x");
	write_row(&w, r);
	const struct history_filter f = { .limit = 5 };
	assert_non_null(strstr(list(&w, &f), "\"argv\":null"));
	const struct store_wanted wanted = { .uid = 1000,
		.word = "t-00000000000000000000000000000007",
		.is_id = true,
		.with_all = true };
	/* A question about what is in it fails; that is no crash and no odd line. */
	struct store_found found;
	buf_clear(&w.out);
	if (store_find(&w.store, &wanted, &found, &w.out) == STORE_OK)
		assert_null(memchr(buf_data(&w.out), '\n', buf_len(&w.out)));
	end(&w);
}

TEST(a_task_that_is_done_stays_as_it_is)
{
	struct world w;
	begin(&w);
	write_row(&w, rows_make(1, 5, NULL));
	const struct history_filter f = { .limit = 5 };
	assert_non_null(strstr(list(&w, &f), "\"state\":\"active\""));
	struct history_row *cut = rows_make(1, 5, "{\"first\":1}");
	free(cut->request);
	cut->request = strdup("{\"little\":true}");
	cut->request_is_cut = true;
	write_row(&w, cut);
	write_row(&w, rows_make(1, 5, "{\"second\":2}"));
	const struct store_wanted wanted = { .uid = 5,
		.word = "t-000000000000000000000000000000",
		.is_id = true,
		.with_all = true };
	assert_int_equal(find(&w, &wanted).n, 1);
	assert_non_null(strstr(buf_data(&w.out), "\"first\":1"));
	/* What was known in full is not replaced by less. */
	assert_non_null(strstr(buf_data(&w.out), "\"spec\":{\"argv\":[\"true\"]}"));
	assert_non_null(strstr(buf_data(&w.out), "\"request_is_cut\":false"));
	assert_int_equal(count(list(&w, &f), "\"task\":"), 1);
	end(&w);
}

TEST(tasks_are_found_by_id_prefix_and_name_of_their_user)
{
	struct world w;
	begin(&w);
	struct history_row *r = rows_make(0x10, 1, "{\"a\":1}");
	r->name = strdup("nap");
	write_row(&w, r);
	r = rows_make(0x11, 1, "{\"output\":{\"stdout\":{\"bytes\":5},\"stderr\":{\"bytes\":2}}}");
	r->name = strdup("nap");
	write_row(&w, r);
	write_row(&w, rows_make(0x12, 2, "{}"));
	write_row(&w, rows_make(0x13, 1, NULL));
	struct store_wanted wanted = {
		.uid = 1, .word = "t-0000000000000000000000000000001", .is_id = true
	};
	assert_int_equal(find(&w, &wanted).n, 2);
	wanted.word = "t-00000000000000000000000000000010";
	struct store_found found = find(&w, &wanted);
	assert_int_equal(found.n, 1);
	assert_int_equal(found.output_bytes, -1);
	assert_string_equal(buf_data(&w.out), "{\"a\":1}");
	wanted.word = "nap";
	wanted.is_id = false;
	found = find(&w, &wanted);
	assert_string_equal(found.id, "t-00000000000000000000000000000011");
	assert_int_equal(found.output_bytes, 7);
	assert_int_equal(found.created_ns, 0x11 * ROWS_SECOND);
	/* Another's, and one that is not done. */
	wanted.is_id = true;
	wanted.word = "t-00000000000000000000000000000012";
	assert_int_equal(find(&w, &wanted).n, 0);
	wanted.any_uid = true;
	assert_int_equal(find(&w, &wanted).n, 1);
	wanted.word = "t-00000000000000000000000000000013";
	assert_int_equal(find(&w, &wanted).n, 0);
	end(&w);
}

TEST(an_answer_ends_at_its_limit_and_at_its_bytes)
{
	struct world w;
	begin(&w);
	for (unsigned i = 0; i < 20; i++) {
		struct history_row *r = rows_make(i, 1, "{}");
		free(r->argv);
		r->argv = calloc(1, 30010);
		memset(r->argv, 'x', 30000);
		memcpy(r->argv, "[\"", 2);
		memcpy(r->argv + 29998, "\"]", 2);
		write_row(&w, r);
	}
	struct history_filter f = { .limit = 3 };
	const char *text = list(&w, &f);
	assert_int_equal(count(text, "\"task\":"), 3);
	char cursor[HISTORY_CURSOR_SIZE] = "";
	assert_int_equal(sscanf(strstr(text, "\"next\":\"") + 8, "%47[0-9.]", cursor), 1);
	assert_int_equal(history_cursor_parse(cursor, &f.before), 0);
	f.has_before = true;
	assert_non_null(strstr(list(&w, &f), "\"t-00000000000000000000000000000010\""));
	f = (struct history_filter){ .limit = 1000 };
	text = list(&w, &f);
	assert_true(strlen(text) < STORE_ANSWER_BYTES + 40000);
	assert_int_equal(count(text, "\"task\":"), 9);
	assert_null(strstr(text, "\"next\":null"));
	end(&w);
}

TEST(old_tasks_are_forgotten_and_active_ones_are_not)
{
	struct world w;
	struct store_size size;
	bool more = false;
	begin(&w);
	for (unsigned i = 1; i <= 100; i++)
		write_row(&w, rows_make(i, 1, i % 10 ? "{}" : NULL));
	do
		assert_int_equal(store_expire(&w.store, 51 * ROWS_SECOND, 0, &more), STORE_OK);
	while (more);
	assert_int_equal(store_measure(&w.store, &size), STORE_OK);
	assert_int_equal(size.rows, 55);
	end(&w);
}

TEST(too_much_is_taken_from_who_has_most_and_the_file_shrinks)
{
	struct world w;
	struct store_size size;
	struct stat st;
	bool more = true;
	begin(&w);
	for (unsigned i = 0; i < 10; i++)
		write_row(&w, rows_make(i, 1, "{}"));
	for (unsigned i = 100; i < 300; i++) {
		struct history_row *r = rows_make(i, 2, "{}");
		free(r->request);
		r->request = calloc(1, 20001);
		memset(r->request, ' ', 20000);
		write_row(&w, r);
	}
	for (int n = 0; more; n++) {
		assert_true(n < 1000);
		assert_int_equal(store_expire(&w.store, 0, 1 << 20, &more), STORE_OK);
	}
	assert_int_equal(store_measure(&w.store, &size), STORE_OK);
	assert_true(size.bytes <= 1 << 20);
	assert_true(size.bytes > 900 << 10);
	struct history_filter f = { .limit = 1000, .has_uid = true, .uid = 1 };
	assert_int_equal(count(list(&w, &f), "\"task\":"), 10);
	f.uid = 2;
	const char *text = list(&w, &f);
	assert_non_null(strstr(text, "t-0000000000000000000000000000012b"));
	assert_null(strstr(text, "t-00000000000000000000000000000064"));
	store_close(&w.store);
	assert_int_equal(stat(w.s.file, &st), 0);
	assert_true(st.st_size < 1200 << 10);
	end(&w);
}

static void collect(void *owner, struct history_row *take_row)
{
	unsigned *sum = owner;
	*sum += (unsigned)(take_row->created_ns / ROWS_SECOND);
	assert_null(take_row->result);
	history_row_destroy(take_row);
}

TEST(tasks_that_were_not_done_are_told)
{
	struct world w;
	unsigned sum = 0;
	begin(&w);
	for (unsigned i = 1; i < 10; i++)
		write_row(&w, rows_make(i, 1, i % 2 ? "{}" : NULL));
	int64_t after = 0;
	assert_int_equal(
		store_each_active(&w.store, 7 * ROWS_SECOND, &after, 2, collect, &sum), STORE_OK);
	assert_int_equal(sum, 2 + 4);
	/* Nothing was done about them, and they do not come again. */
	assert_int_equal(
		store_each_active(&w.store, 7 * ROWS_SECOND, &after, 2, collect, &sum), STORE_OK);
	assert_int_equal(sum, 2 + 4 + 6);
	assert_int_equal(
		store_each_active(&w.store, 7 * ROWS_SECOND, &after, 2, collect, &sum), STORE_OK);
	assert_int_equal(sum, 2 + 4 + 6);
	end(&w);
}

static void spoil(struct world *w, off_t at, size_t len)
{
	store_close(&w->store);
	int fd = open(w->s.file, O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	for (size_t i = 0; i < len; i++)
		assert_int_equal(pwrite(fd, "\xa5", 1, at + (off_t)i), 1);
	close(fd);
}

TEST(a_file_that_is_no_database_is_damaged)
{
	struct world w;
	begin(&w);
	spoil(&w, 0, 100);
	assert_int_equal(store_open(&w.store, w.s.file), STORE_DAMAGED);
	assert_null(w.store.db);
	assert_true(w.store.fault[0]);
	end(&w);
}

TEST(damage_in_the_midst_is_told_where_it_is_met)
{
	struct world w;
	begin(&w);
	for (unsigned i = 0; i < 200; i++)
		write_row(&w, rows_make(i, 1, "{}"));
	store_close(&w.store);
	spoil(&w, 4096, 100 << 10);
	enum store_fault fault = store_open(&w.store, w.s.file);
	if (fault == STORE_OK) {
		const struct history_filter f = { .limit = 1000 };
		fault = store_list(&w.store, &f, &w.out);
	}
	assert_int_equal(fault, STORE_DAMAGED);
	end(&w);
}

TEST(a_newer_file_is_left_as_it_is)
{
	struct world w;
	struct stat before, after;
	begin(&w);
	assert_int_equal(
		sqlite3_exec(w.store.db, "PRAGMA user_version = 99", NULL, NULL, NULL), SQLITE_OK);
	store_close(&w.store);
	assert_int_equal(stat(w.s.file, &before), 0);
	assert_int_equal(store_open(&w.store, w.s.file), STORE_NEWER);
	assert_non_null(strstr(w.store.fault, "version 99"));
	assert_int_equal(stat(w.s.file, &after), 0);
	assert_int_equal(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
	assert_int_equal(before.st_size, after.st_size);
	end(&w);
}

TEST(one_file_has_one_owner)
{
	struct world w;
	struct store other;
	begin(&w);
	write_row(&w, rows_make(1, 1, "{}"));
	store_init(&other);
	assert_int_equal(store_open(&other, w.s.file), STORE_FAILED);
	assert_non_null(strstr(other.fault, "locked"));
	end(&w);
}

TEST(a_question_can_be_cut_short)
{
	struct world w;
	atomic_bool hurry = true;
	begin(&w);
	for (unsigned i = 0; i < 2000; i++)
		write_row(&w, rows_make(i, 1, "{}"));
	struct history_filter f = { .limit = 1000 };
	snprintf(f.label, sizeof(f.label), "no=body");
	w.store.is_hurried = &hurry;
	assert_int_equal(store_list(&w.store, &f, &w.out), STORE_SLOW);
	hurry = false;
	buf_clear(&w.out);
	assert_int_equal(store_list(&w.store, &f, &w.out), STORE_OK);
	end(&w);
}

TEST(labels_are_found_by_key_and_by_value)
{
	struct world w;
	begin(&w);
	for (unsigned i = 0; i < 6; i++) {
		struct history_row *r = rows_make(i, 1, "{}");
		r->labels = strdup(i % 2 ? "{\"team\":\"ci\"}" : "{\"team\":\"o=ps\",\"x\":\"\"}");
		write_row(&w, r);
	}
	static const struct {
		const char *label;
		size_t n;
	} cases[] = { { "team", 6 }, { "team=ci", 3 }, { "team=o=ps", 3 }, { "x", 3 }, { "x=", 3 },
		{ "y", 0 }, { "team=", 0 } };
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct history_filter f = { .limit = 10 };
		snprintf(f.label, sizeof(f.label), "%s", cases[i].label);
		assert_int_equal(count(list(&w, &f), "\"task\":"), cases[i].n);
	}
	end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_row_comes_back_as_json),
		cmocka_unit_test(what_is_no_json_in_the_file_makes_no_odd_answer),
		cmocka_unit_test(a_task_that_is_done_stays_as_it_is),
		cmocka_unit_test(tasks_are_found_by_id_prefix_and_name_of_their_user),
		cmocka_unit_test(an_answer_ends_at_its_limit_and_at_its_bytes),
		cmocka_unit_test(old_tasks_are_forgotten_and_active_ones_are_not),
		cmocka_unit_test(too_much_is_taken_from_who_has_most_and_the_file_shrinks),
		cmocka_unit_test(tasks_that_were_not_done_are_told),
		cmocka_unit_test(a_file_that_is_no_database_is_damaged),
		cmocka_unit_test(damage_in_the_midst_is_told_where_it_is_met),
		cmocka_unit_test(a_newer_file_is_left_as_it_is),
		cmocka_unit_test(one_file_has_one_owner),
		cmocka_unit_test(a_question_can_be_cut_short),
		cmocka_unit_test(labels_are_found_by_key_and_by_value),
	};
	return RUN_TESTS(tests);
}
