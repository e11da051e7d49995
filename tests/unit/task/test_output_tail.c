/* The last bytes of a stream. */
#include "harness.h"

#include "task/output_tail.h"

#include <stdlib.h>
#include <string.h>

static void assert_text(struct output_tail *t, const char *expected)
{
	size_t len;
	const char *text = output_tail_text(t, &len);
	assert_int_equal(len, strlen(expected));
	assert_memory_equal(text, expected, len);
}

TEST(less_than_its_size_is_kept_as_it_is)
{
	struct output_tail t;
	output_tail_init(&t, 8);
	assert_null(t.data);
	assert_int_equal(output_tail_put(&t, "abc", 3), 0);
	assert_text(&t, "abc");
	assert_int_equal(output_tail_put(&t, "defgh", 5), 0);
	assert_text(&t, "abcdefgh");
	assert_false(t.has_lost);
	output_tail_finish(&t);
}

TEST(one_piece_larger_than_the_ring_leaves_its_end)
{
	struct output_tail t;
	output_tail_init(&t, 4);
	assert_int_equal(output_tail_put(&t, "x", 1), 0);
	assert_int_equal(output_tail_put(&t, "abcdefghij", 10), 0);
	assert_text(&t, "ghij");
	assert_true(t.has_lost);
	output_tail_finish(&t);
}

TEST(a_character_that_began_before_is_not_half_kept)
{
	struct output_tail t;
	output_tail_init(&t, 4);
	/* The euro sign is e2 82 ac: one byte of it is lost. */
	assert_int_equal(output_tail_put(&t,
				 "\xe2\x82\xac"
				 "ab",
				 5),
		0);
	assert_text(&t, "ab");
	output_tail_finish(&t);
	/* What is no text is kept whole. */
	output_tail_init(&t, 4);
	assert_int_equal(output_tail_put(&t, "\x80\x80\x80\x80\x80", 5), 0);
	assert_text(&t, "\x80\x80\x80\x80");
	output_tail_finish(&t);
}

TEST(whatever_the_pieces_it_is_the_end_of_all)
{
	char all[4000];
	srand(7);
	for (int round = 0; round < 200; round++) {
		struct output_tail t;
		size_t size = 1 + (size_t)rand() % 64, total = 0;
		output_tail_init(&t, size);
		while (total < 1000) {
			size_t n = 1 + (size_t)rand() % 100;
			for (size_t i = 0; i < n; i++)
				all[total + i] = (char)('a' + rand() % 26);
			assert_int_equal(output_tail_put(&t, all + total, n), 0);
			total += n;
			size_t len;
			const char *text = output_tail_text(&t, &len);
			assert_int_equal(len, total < size ? total : size);
			assert_memory_equal(text, all + total - len, len);
		}
		output_tail_finish(&t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(less_than_its_size_is_kept_as_it_is),
		cmocka_unit_test(one_piece_larger_than_the_ring_leaves_its_end),
		cmocka_unit_test(a_character_that_began_before_is_not_half_kept),
		cmocka_unit_test(whatever_the_pieces_it_is_the_end_of_all),
	};
	return RUN_TESTS(tests);
}
