/* The checksum: against known values, in one piece and in several. */
#include "harness.h"

#include "base/crc32.h"

#include <string.h>

TEST(sum_of_known_texts_is_that_of_zlib)
{
	assert_int_equal(crc32_add(0, "", 0), 0);
	assert_int_equal(crc32_add(0, "123456789", 9), 0xcbf43926);
	assert_int_equal(crc32_add(0, "\0\0\0\0", 4), 0x2144df1c);
}

TEST(sum_in_pieces_is_the_sum_of_the_whole)
{
	const char *text = "a task lives one day";
	for (size_t cut = 0; cut <= strlen(text); cut++)
		assert_int_equal(crc32_add(crc32_add(0, text, cut), text + cut, strlen(text) - cut),
			crc32_add(0, text, strlen(text)));
}

TEST(sum_changes_with_every_bit)
{
	char text[] = "one record";
	uint32_t sum = crc32_add(0, text, sizeof(text));
	for (size_t bit = 0; bit < sizeof(text) * 8; bit++) {
		text[bit / 8] = (char)(text[bit / 8] ^ 1 << bit % 8);
		assert_int_not_equal(crc32_add(0, text, sizeof(text)), sum);
		text[bit / 8] = (char)(text[bit / 8] ^ 1 << bit % 8);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sum_of_known_texts_is_that_of_zlib),
		cmocka_unit_test(sum_in_pieces_is_the_sum_of_the_whole),
		cmocka_unit_test(sum_changes_with_every_bit),
	};
	return RUN_TESTS(tests);
}
