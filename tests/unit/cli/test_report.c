#include "harness.h"

#include "cli/report.h"
#include "client/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct dayfly_event *result_event(const char *record)
{
	char line[1024];
	struct dayfly_event *ev = NULL;
	size_t missing = 0;
	snprintf(line, sizeof(line), "{\"event\":\"result\",\"result\":%s}", record);
	assert_int_equal(event_parse(line, strlen(line), &ev, &missing, NULL), 0);
	return ev;
}

TEST(the_last_line_says_what_is_known)
{
	static const struct {
		const char *record, *line;
	} cases[] = {
		{ "{\"cause\":\"exit\",\"exit\":{\"code\":1},\"time\":{\"run\":8200000},\"memory\":"
		  "{\"peak\":432013312},"
		  "\"changes\":{\"added\":1,\"modified\":2,\"deleted\":0}}",
			"exit 1, 8.2 s, peak 412 MiB, 3 files changed" },
		{ "{\"cause\":\"exit\",\"exit\":{\"code\":0},\"time\":{\"run\":1500},\"changes\":{"
		  "\"added\":1,\"modified\":null}}",
			"exit 0, 2 ms, 1 file changed" },
		{ "{\"cause\":\"exit\",\"exit\":{\"code\":0},\"time\":{\"run\":null},\"memory\":{"
		  "\"peak\":null}}",
			"exit 0" },
		{ "{\"cause\":\"signal\",\"exit\":{\"code\":null,\"signal\":11}}", "SIGSEGV" },
		{ "{\"cause\":\"timeout_wall\",\"exit\":{\"signal\":9},\"time\":{\"run\":1000000}}",
			"timeout, 1.0 s" },
		{ "{\"cause\":\"of_tomorrow\"}", "of_tomorrow" },
		{ "{}", "" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char line[REPORT_LINE_SIZE];
		struct dayfly_event *ev = result_event(cases[i].record);
		report_line(ev, false, line, sizeof(line));
		assert_string_equal(line, cases[i].line);
		report_line(ev, false, line, 8);
		assert_true(strlen(line) < 8);
		dayfly_event_free(ev);
	}
}

TEST(the_parts_stand_apart_as_the_terminal_allows)
{
	char line[REPORT_LINE_SIZE];
	struct dayfly_event *ev = result_event(
		"{\"cause\":\"exit\",\"exit\":{\"code\":0},\"time\":{\"run\":2000000}}");
	report_line(ev, true, line, sizeof(line));
	assert_string_equal(line, "exit 0 \302\267 2.0 s");
	dayfly_event_free(ev);
}

static char dir[] = "/tmp/dayfly-test-XXXXXX";

static void expect_file(const char *path, const char *want)
{
	char text[128] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_true(read(fd, text, sizeof(text) - 1) >= 0);
	close(fd);
	assert_string_equal(text, want);
}

TEST(a_record_is_not_mixed_with_output)
{
	struct err e;
	assert_int_equal(report_check_file("-", &e), -EINVAL);
	assert_non_null(strstr(e.hint, "--json"));
	assert_true(report_check_file("", &e) < 0);
	assert_int_equal(report_check_file("./-", &e), 0);
}

TEST(the_record_takes_the_place_of_an_old_one)
{
	char path[64], link[64];
	struct stat st;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/r", dir);
	snprintf(link, sizeof(link), "%s/l", dir);
	umask(022);
	assert_int_equal(report_write(path, "{\"a\":1}"), 0);
	expect_file(path, "{\"a\":1}\n");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0644);
	assert_int_equal(symlink(path, link), 0);
	assert_int_equal(report_write(link, "{}"), 0);
	expect_file(path, "{}\n");
	assert_int_equal(lstat(link, &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	unlink(link);
	unlink(path);
	assert_int_equal(rmdir(dir), 0);
}

TEST(what_is_no_file_is_written_to)
{
	int ends[2];
	char path[32], text[16] = "";
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", ends[1]);
	assert_int_equal(report_write(path, "{}"), 0);
	assert_int_equal(read(ends[0], text, sizeof(text)), 3);
	assert_int_equal(report_write("/dev/full", "{}"), -ENOSPC);
	assert_int_equal(report_write("/nonexistent/r", "{}"), -ENOENT);
	close(ends[0]);
	close(ends[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_last_line_says_what_is_known),
		cmocka_unit_test(the_parts_stand_apart_as_the_terminal_allows),
		cmocka_unit_test(a_record_is_not_mixed_with_output),
		cmocka_unit_test(the_record_takes_the_place_of_an_old_one),
		cmocka_unit_test(what_is_no_file_is_written_to),
	};
	return RUN_TESTS(tests);
}
