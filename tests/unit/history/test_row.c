#include "harness.h"

#include "history/rows.h"

static char *text_of(size_t len)
{
	char *s = malloc(len + 1);
	memset(s, 'x', len);
	s[len] = '\0';
	return s;
}

static struct history_row *heavy(unsigned i, uid_t uid, size_t bytes)
{
	struct history_row *r = rows_make(i, uid, "{}");
	free(r->request);
	r->request = text_of(bytes);
	return r;
}

TEST(the_queue_gives_back_what_it_got_in_order)
{
	struct history_queue q, taken;
	history_queue_init(&q);
	history_queue_init(&taken);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(history_queue_add(&q, rows_make(i, 1, NULL)), 0);
	history_queue_take(&q, &taken);
	assert_int_equal(q.n, 0);
	assert_int_equal(q.bytes, 0);
	assert_int_equal(taken.n, 5);
	/* What came meanwhile is younger. */
	history_queue_add(&q, rows_make(5, 1, NULL));
	assert_int_equal(history_queue_put_back(&q, &taken), 0);
	assert_int_equal(taken.n, 0);
	for (unsigned i = 0; i < 6; i++) {
		struct history_row *r = history_queue_pop(&q);
		assert_int_equal(r->created_ns, i * ROWS_SECOND);
		history_row_destroy(r);
	}
	assert_null(history_queue_pop(&q));
	assert_int_equal(q.bytes, 0);
}

TEST(a_full_queue_drops_the_oldest_of_who_has_most)
{
	struct history_queue q;
	size_t dropped = 0, n_light = 0;
	history_queue_init(&q);
	for (unsigned i = 0; i < 10; i++)
		history_queue_add(&q, rows_make(i, 7, "{}"));
	for (unsigned i = 100; i < 400; i++)
		dropped += history_queue_add(&q, heavy(i, 8, 60000));
	assert_true(dropped > 0);
	assert_true(q.bytes <= HISTORY_QUEUE_BYTES);
	assert_true(q.bytes > HISTORY_QUEUE_BYTES / 2);
	assert_int_equal(q.n, 310 - dropped);
	uint64_t last = 0;
	list_for_each (pos, &q.rows) {
		const struct history_row *r = list_entry(pos, struct history_row, link);
		n_light += r->uid == 7;
		assert_true(r->created_ns >= last);
		last = r->created_ns;
	}
	assert_int_equal(n_light, 10);
	assert_int_equal(last, 399 * ROWS_SECOND);
	history_queue_finish(&q);
	assert_int_equal(q.n, 0);
}

TEST(many_users_are_told_apart)
{
	struct history_queue q;
	size_t dropped = 0;
	history_queue_init(&q);
	for (unsigned i = 0; i < 400; i++)
		history_queue_add(&q, heavy(i, 100000 + i * 512, 1000));
	for (unsigned i = 400; i < 600; i++)
		dropped += history_queue_add(&q, heavy(i, 5, 60000));
	assert_true(dropped > 0);
	list_for_each (pos, &q.rows)
		dropped += list_entry(pos, struct history_row, link)->uid == 5;
	assert_int_equal(dropped, 200);
	history_queue_finish(&q);
}

TEST(nothing_is_freed_of_nothing)
{
	history_row_destroy(NULL);
	struct history_row *r = history_row_create();
	assert_true(history_row_bytes(r) > 0);
	history_row_destroy(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_queue_gives_back_what_it_got_in_order),
		cmocka_unit_test(a_full_queue_drops_the_oldest_of_who_has_most),
		cmocka_unit_test(many_users_are_told_apart),
		cmocka_unit_test(nothing_is_freed_of_nothing),
	};
	return RUN_TESTS(tests);
}
