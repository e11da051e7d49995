#include "harness.h"

#include "base/str.h"
#include "cli/top_layout.h"

#include <stdlib.h>
#include <string.h>

#define TASK(id, more)                                                                             \
	"{\"task\":\"t-" id                                                                        \
	"456789abcdef\",\"state\":\"running\",\"argv\":[\"sleep\",\"9\"]," more                    \
	"\"usage\":{\"cpu\":500000,\"memory\":1048576,\"pids\":3,\"boot_us\":1,\"run\":1000000,"   \
	"\"output\":{\"stdout\":2048,\"stderr\":0}}}"

static char *show(const char *tasks, size_t cols, size_t rows)
{
	struct top_model m;
	struct buf out;
	const struct top_screen screen = {
		.cols = cols, .rows = rows, .line_end = "\n", .clock_text = "12:00:00"
	};
	top_model_init(&m, TOP_SORT_CPU);
	assert_int_equal(
		top_model_update(&m, json_pack("{s:o}", "tasks", json_loads(tasks, 0, NULL))), 0);
	buf_init(&out, 0);
	assert_int_equal(top_layout(&m, &screen, &out), 0);
	assert_int_equal(buf_add(&out, "", 1), 0);
	char *text = strdup(buf_data(&out));
	buf_finish(&out);
	top_model_finish(&m);
	return text;
}

static void expect(const char *tasks, size_t cols, size_t rows, const char *wanted)
{
	auto_free char *text = show(tasks, cols, rows);
	assert_string_equal(text, wanted);
}

TEST(the_whole_table)
{
	expect("[" TASK("0123", "\"name\":\"n\",") "]", 0, 0,
		"12:00:00  1 running, 0 waiting; CPU 50.0%, memory 1.0 MiB\n"
		"TASK            STATE                AGE    CPU%     MEMORY   OUTPUT/S   PIDS   "
		"POS  "
		"COMMAND\n"
		"t-0123456789ab  running                     50.0    1.0 MiB    2.0 KiB      3     "
		"   "
		"n: sleep 9");
	expect("[]", 0, 0,
		"12:00:00  0 running, 0 waiting; CPU 0.0%, memory 0 B\n"
		"TASK            STATE                AGE    CPU%     MEMORY   OUTPUT/S   PIDS   "
		"POS  "
		"COMMAND");
}

TEST(what_is_not_known_is_left_empty)
{
	expect("[{\"task\":\"t-1\",\"state\":\"queued\",\"position\":4,\"argv\":[\"x\"]}]", 0, 0,
		"12:00:00  0 running, 1 waiting; CPU 0.0%, memory 0 B\n"
		"TASK            STATE                AGE    CPU%     MEMORY   OUTPUT/S   PIDS   "
		"POS  "
		"COMMAND\n"
		"t-1             queued                                                            "
		"4  "
		"x");
}

TEST(every_cause_has_room)
{
	for (int i = 0; i < 2; i++) {
		const char *cause = i ? "timeout_queue" : "output_limit";
		char list[256];
		snprintf(list, sizeof(list),
			"[{\"task\":\"t-1\",\"state\":\"done\",\"cause\":\"%s\",\"argv\":[\"x\"]}]",
			cause);
		auto_free char *text = show(list, 0, 0);
		assert_non_null(strstr(text, cause));
	}
}

TEST(a_narrow_screen_has_fewer_columns)
{
	expect("[" TASK("0123", "") "]", 60, 0,
		"12:00:00  1 running, 0 waiting; CPU 50.0%, memory 1.0 MiB\n"
		"TASK            STATE            CPU%  COMMAND\n"
		"t-0123456789ab  running          50.0  sleep 9");
	expect("[" TASK("0123", "") "]", 20, 0,
		"12:00:00  1 running,\n"
		"TASK            COMM\n"
		"t-0123456789ab  slee");
	expect("[" TASK("0123", "") "]", 3, 0, "12:\nTAS\nt-0");
}

TEST(a_low_screen_says_how_many_are_not_shown)
{
	const char *four =
		"[" TASK("0", "") "," TASK("1", "") "," TASK("2", "") "," TASK("3", "") "]";
	auto_free char *all = show(four, 40, 6), *three = show(four, 40, 5),
		       *two = show(four, 40, 2), *one = show(four, 40, 1);
	assert_null(strstr(all, "more"));
	assert_non_null(strstr(all, "t-3"));
	assert_non_null(strstr(three, "t-1"));
	assert_null(strstr(three, "t-2"));
	assert_non_null(strstr(three, "\n2 more"));
	assert_null(strchr(one, '\n'));
	assert_ptr_equal(strchr(two, '\n'), strrchr(two, '\n'));
}

TEST(j19_it_fits_and_has_no_control_characters_whatever_comes)
{
	const char *evil =
		"[{\"task\":\"\\u001b[2J\\u009b\",\"state\":\"\\u0007run\",\"name\":\""
		"\\u009b2J\",\"argv\":[\"\\u001b]0;x\\u0007\",\"\xc3\xa9\xc3\xa9\xc3\xa9\","
		"\"\\u007f\"],\"created\":\"\\u001b\"}]";
	for (size_t cols = 1; cols < 150; cols++) {
		auto_free char *text = show(evil, cols, 0);
		size_t width = 0;
		assert_true(str_is_utf8(text, strlen(text)));
		for (const char *p = text; *p; p++) {
			width = *p == '\n' ? 0 : width + (((unsigned char)*p & 0xc0) != 0x80);
			assert_true(width <= cols);
			assert_true(*p == '\n' || (unsigned char)*p >= ' ');
			assert_true(*p != 0x7f);
			/* No C1 character either. */
			assert_false((unsigned char)p[0] == 0xc2 && (unsigned char)p[1] < 0xa0);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_whole_table),
		cmocka_unit_test(what_is_not_known_is_left_empty),
		cmocka_unit_test(every_cause_has_room),
		cmocka_unit_test(a_narrow_screen_has_fewer_columns),
		cmocka_unit_test(a_low_screen_says_how_many_are_not_shown),
		cmocka_unit_test(j19_it_fits_and_has_no_control_characters_whatever_comes),
	};
	return RUN_TESTS(tests);
}
