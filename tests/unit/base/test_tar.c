#include "harness.h"

#include "base/tar.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TEST(a_number_is_octal_as_long_as_it_fits)
{
	char mode[8] = "", size[12] = "";
	tar_set_number(mode, sizeof(mode), 0644);
	assert_string_equal(mode, "0000644");
	tar_set_number(size, sizeof(size), (1ull << 33) - 1);
	assert_string_equal(size, "77777777777");
	tar_set_number(size, sizeof(size), 1ull << 33);
	static const char binary[] = "\x80\0\0\0\0\0\0\2\0\0\0";
	assert_memory_equal(size, binary, sizeof(size));
}

TEST(a_header_has_the_sum_of_its_bytes)
{
	struct tar_header h = { .name = "a\xff" };
	unsigned sum = 0;
	char said[8];
	tar_finish_header(&h, '0', 5);
	assert_int_equal(h.type, '0');
	assert_string_equal(h.size, "00000000005");
	assert_memory_equal(h.magic, "ustar  ", 8);
	memcpy(said, h.checksum, sizeof(said));
	memset(h.checksum, ' ', sizeof(h.checksum));
	for (size_t i = 0; i < sizeof(h); i++)
		sum += ((const unsigned char *)&h)[i];
	assert_int_equal(strtoul(said, NULL, 8), sum);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_number_is_octal_as_long_as_it_fits),
		cmocka_unit_test(a_header_has_the_sum_of_its_bytes),
	};
	return RUN_TESTS(tests);
}
