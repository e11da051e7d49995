/* The doctor's lines are JSON whatever bytes a path or an error text holds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "jail/doctor_priv.h"

static void expect_json(const char *in, const char *out)
{
	auto_free char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);
	doctor_write_string(f, in);
	fclose(f);
	assert_string_equal(text, out);
}

static void test_escapes(void **state)
{
	expect_json("", "\"\"");
	expect_json("plain /path", "\"plain /path\"");
	expect_json("a\"b\\c", "\"a\\\"b\\\\c\"");
	expect_json("a\nb\tc\r\x01\x1f\x7f", "\"a\\nb\\tc\\u000d\\u0001\\u001f\\u007f\"");
	expect_json(
		"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"");
}

static void test_what_is_not_utf8(void **state)
{
	expect_json("a\xff"
		    "b",
		"\"a\\ufffdb\"");
	expect_json("\xc3", "\"\\ufffd\"");
	expect_json("\xe2\x82", "\"\\ufffd\\ufffd\"");
	expect_json("\xed\xa0\x80", "\"\\ufffd\\ufffd\\ufffd\"");
	expect_json("\xc0\xaf", "\"\\ufffd\\ufffd\"");
}

static void test_a_line(void **state)
{
	const struct doctor_label label = { "a-check", "host", "every task" };
	struct doctor_finding f = { .status = DOCTOR_MISSING, .needed = true };
	auto_free char *text = NULL;
	size_t size = 0;
	doctor_why(&f, "step: %s", "EPERM");
	doctor_why(&f, "because\n");
	doctor_fix(&f, "not this");
	doctor_fix(&f, "do \"this\"");
	FILE *out = open_memstream(&text, &size);
	doctor_write_json(out, &label, &f);
	f = (struct doctor_finding){ .status = DOCTOR_OK };
	doctor_write_json(out, &label, &f);
	fclose(out);
	assert_string_equal(text,
		"{\"check\":\"a-check\",\"status\":\"missing\",\"needed\":true,\"group\":\"host\","
		"\"for\":\"every task\",\"why\":\"step: EPERM; because\\n\",\"fix\":\"do "
		"\\\"this\\\"\"}\n"
		"{\"check\":\"a-check\",\"status\":\"ok\",\"needed\":false,\"group\":\"host\","
		"\"for\":\"every task\",\"why\":\"\",\"fix\":\"\"}\n");
}

static void test_long_texts_are_cut(void **state)
{
	struct doctor_finding f = { 0 };
	for (int i = 0; i < 200; i++)
		doctor_why(&f, "clause number %d", i);
	assert_int_equal(f.why[sizeof(f.why) - 1], '\0');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_escapes),
		cmocka_unit_test(test_what_is_not_utf8),
		cmocka_unit_test(test_a_line),
		cmocka_unit_test(test_long_texts_are_cut),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
