#include "harness.h"

#include "proto/line.h"

#include <errno.h>
#include <string.h>

static void assert_line(struct line_splitter *s, struct buf *b, const char *wanted)
{
	const char *line;
	size_t len;
	assert_int_equal(line_next(s, b, &line, &len), 1);
	assert_int_equal(len, strlen(wanted));
	assert_memory_equal(line, wanted, len);
	line_consume(s, b, len);
}

static void assert_none(struct line_splitter *s, struct buf *b)
{
	const char *line;
	size_t len;
	assert_int_equal(line_next(s, b, &line, &len), 0);
}

TEST(k10_pipelined_lines_come_out_one_by_one)
{
	struct line_splitter s;
	struct buf b;
	line_splitter_init(&s, 100);
	buf_init(&b, 0);
	assert_none(&s, &b);
	buf_add_str(&b, "one\n\ntwo\r\nthr");
	assert_line(&s, &b, "one");
	assert_line(&s, &b, "");
	assert_line(&s, &b, "two\r");
	assert_none(&s, &b);
	buf_add_str(&b, "ee\n");
	assert_line(&s, &b, "three");
	assert_none(&s, &b);
	assert_int_equal(buf_len(&b), 0);
	buf_finish(&b);
}

TEST(k3_a_line_of_single_bytes_is_looked_at_once)
{
	struct line_splitter s;
	struct buf b;
	line_splitter_init(&s, 1000);
	buf_init(&b, 0);
	for (size_t i = 0; i < 500; i++) {
		buf_add(&b, "x", 1);
		assert_none(&s, &b);
		assert_int_equal(s.scanned, i + 1);
	}
	buf_add(&b, "\n", 1);
	const char *line;
	size_t len;
	assert_int_equal(line_next(&s, &b, &line, &len), 1);
	assert_int_equal(len, 500);
	/* Asked again, the answer is the same. */
	assert_int_equal(line_next(&s, &b, &line, &len), 1);
	assert_int_equal(len, 500);
	line_consume(&s, &b, len);
	assert_int_equal(s.scanned, 0);
	buf_finish(&b);
}

TEST(k4_a_line_over_the_bound_is_refused)
{
	struct line_splitter s;
	struct buf b;
	const char *line;
	size_t len;
	line_splitter_init(&s, 8);
	buf_init(&b, 0);
	buf_add_str(&b, "1234567\n");
	assert_line(&s, &b, "1234567");
	buf_add_str(&b, "1234567");
	assert_none(&s, &b);
	buf_add_str(&b, "8");
	assert_int_equal(line_next(&s, &b, &line, &len), -EMSGSIZE);
	buf_add_str(&b, "\nnext\n");
	assert_int_equal(line_next(&s, &b, &line, &len), -EMSGSIZE);
	buf_finish(&b);
}

TEST(raw_bytes_after_a_line_are_left_alone)
{
	struct line_splitter s;
	struct buf b;
	line_splitter_init(&s, 100);
	buf_init(&b, 0);
	buf_add(&b, "head\nab\ncd\n", 11);
	assert_line(&s, &b, "head");
	assert_int_equal(buf_len(&b), 6);
	buf_consume(&b, 3);
	assert_line(&s, &b, "cd");
	buf_finish(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(k10_pipelined_lines_come_out_one_by_one),
		cmocka_unit_test(k3_a_line_of_single_bytes_is_looked_at_once),
		cmocka_unit_test(k4_a_line_over_the_bound_is_refused),
		cmocka_unit_test(raw_bytes_after_a_line_are_left_alone),
	};
	return RUN_TESTS(tests);
}
