#include "harness.h"

#include "cli/json_line.h"

#include <stdlib.h>
#include <string.h>

TEST(nothing_but_printable_ascii_comes_out)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	json_t *value = json_pack("{s:s}", "k", "\x1b[2J\xc2\x9b\x7f\xc3\xa9\n");
	assert_int_equal(json_line_print(value, out), 0);
	fclose(out);
	json_t *again = json_loads(text, 0, NULL);
	assert_true(json_equal(value, again));
	for (const char *p = text; p[1]; p++)
		assert_true(*p >= ' ' && *p < 0x7f);
	assert_string_equal(text, "{\"k\":\"\\u001B[2J\\u009B\\u007f\\u00E9\\n\"}\n");
	json_decref(value);
	json_decref(again);
	free(text);
}

TEST(a_full_disk_is_an_error)
{
	FILE *out = fopen("/dev/full", "w");
	json_t *value = json_object();
	assert_true(json_line_print(value, out) < 0);
	json_decref(value);
	fclose(out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_but_printable_ascii_comes_out),
		cmocka_unit_test(a_full_disk_is_an_error),
	};
	return RUN_TESTS(tests);
}
