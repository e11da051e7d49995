#include "harness.h"

#include "cli/canned_cli.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define RUN(c, ...)                                                                                \
	canned_cli_run((c), (const char *const[]){ "run", "--socket", "SOCKET", __VA_ARGS__, NULL })

TEST(output_goes_to_its_streams_and_the_exit_code_is_the_tasks)
{
	struct canned_cli c = { .replies = { CANNED_ACCEPTED CANNED_RUNNING CANNED_OUTPUT(
					"stdout", 6, "he\nllo") CANNED_OUTPUT("stderr", 3, "err")
						CANNED_EXIT(7) } };
	RUN(&c, "--", "sh", "-c", "exit 7");
	assert_int_equal(c.status, 7);
	assert_string_equal(c.out, "he\nllo");
	assert_string_equal(c.err, "err");
	assert_string_equal(c.sent, "{\"op\":\"run\",\"framing\":\"raw\",\"task\":{\"argv\":["
				    "\"sh\",\"-c\",\"exit 7\"]},\"id\":\"1\"}\n");
}

TEST(what_fails_before_the_task_exits_125_and_sends_nothing)
{
	static const char *const bad[][4] = {
		{ "--workspace", "/nonexistent", "ls" },
		{ "--workspace", ".:cwo", "ls" },
		{ "--mount", "/etc:cwo", "ls" },
		{ "--memory", "much", "ls" },
		{ "--timeout", "soon", "ls" },
		{ "--env", "=x", "ls" },
		{ "-d", "-i", "ls" },
		{ "-d", "--json", "ls" },
		{ "--nope", "ls" },
		{ "--name", "\xff", "ls" },
		{ "--tty" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct canned_cli c = { .replies = { CANNED_EXIT(0) } };
		RUN(&c, bad[i][0], bad[i][1], bad[i][2]);
		assert_int_equal(c.status, 125);
		assert_string_equal(c.sent, "");
		assert_string_equal(c.out, "");
		assert_memory_equal(c.err, "dayfly: ", 8);
	}
}

TEST(a_refused_task_is_told_by_its_option)
{
	struct canned_cli c = {
		.replies = { CANNED_ERROR(
			"\"code\":\"limit_unenforceable\",\"message\":\"cannot be held\","
			"\"field\":\"task.limits.memory\",\"hint\":\"leave it out\"") }
	};
	RUN(&c, "-m", "1g", "ls");
	assert_int_equal(c.status, 125);
	assert_string_equal(c.err, "dayfly: --memory: cannot be held\n  fix: leave it out\n");
}

TEST(a_failed_step_is_told_with_its_reason)
{
	struct canned_cli c = { .replies = { CANNED_RESULT(
					"{\"outcome\":\"error\",\"cause\":\"setup\",\"error\":{"
					"\"code\":\"setup_failed\","
					"\"message\":\"mount overlay: Permission "
					"denied\",\"step\":\"overlay-root\",\"errno\":13}}") } };
	RUN(&c, "ls");
	assert_int_equal(c.status, 125);
	assert_string_equal(c.err, "dayfly: mount overlay: Permission denied\n  why: the step "
				   "overlay-root of making the jail failed\n");
}

TEST(a_timeout_is_told_and_exits_124)
{
	struct canned_cli c = { .replies = {
					CANNED_RESULT("{\"outcome\":\"killed\",\"cause\":\"timeout_"
						      "wall\",\"exit\":{\"signal\":9}}") } };
	RUN(&c, "ls");
	assert_int_equal(c.status, 124);
	assert_string_equal(c.err, "dayfly: the task was ended by its time limit\n");
}

TEST(missing_output_is_told_where_it_is_missing)
{
	struct canned_cli c = {
		.replies = { CANNED_OUTPUT("stdout", 2,
			"a\n") "{\"id\":\"1\",\"event\":\"output\",\"seq\":2,\"stream\":\"stdout\","
			       "\"truncated\":2048}\n" CANNED_EXIT(0) }
	};
	RUN(&c, "ls");
	assert_int_equal(c.status, 0);
	assert_string_equal(c.out, "a\n");
	assert_string_equal(c.err, "dayfly: 2.0 KiB of stdout are missing here\n");
}

TEST(a_daemon_that_goes_away_exits_125)
{
	struct canned_cli c = { .replies = { CANNED_ACCEPTED CANNED_RUNNING CANNED_OUTPUT(
					"stdout", 2, "a\n") },
		.closes_after = 1 };
	RUN(&c, "ls");
	assert_int_equal(c.status, 125);
	assert_string_equal(c.out, "a\n");
	assert_non_null(strstr(c.err, "dayfly: the daemon closed the connection\n"));
}

TEST(a_refused_connection_is_told)
{
	struct canned_cli c = { .replies = { "{\"id\":null,\"event\":\"error\",\"error\":{\"code\":"
					     "\"not_allowed\",\"message\":\"you may not\"}}\n" },
		.closes_after = 1 };
	RUN(&c, "ls");
	assert_int_equal(c.status, 125);
	assert_string_equal(c.err, "dayfly: you may not\n");
}

TEST(a_daemon_that_talks_nonsense_exits_125)
{
	struct canned_cli c = { .replies = { "hello\n" } };
	RUN(&c, "ls");
	assert_int_equal(c.status, 125);
	assert_non_null(strstr(c.err, "no JSON object"));
}

TEST(json_prints_the_events_and_nothing_else)
{
	struct canned_cli c = { .replies = { CANNED_ACCEPTED
					"{\"id\":\"1\",\"event\":\"output\",\"seq\":1,\"stream\":"
					"\"stderr\",\"text\":\"x\"}\n" CANNED_EXIT(3) } };
	RUN(&c, "--json", "ls");
	assert_int_equal(c.status, 3);
	assert_string_equal(c.out, c.replies[0]);
	assert_string_equal(c.err, "");
	assert_non_null(strstr(c.sent, "\"framing\":\"json\""));
}

TEST(the_record_is_written_to_a_file)
{
	char dir[] = "/tmp/dayfly-test-XXXXXX", path[64], text[256] = "";
	struct canned_cli c = { .replies = { CANNED_EXIT(5) } };
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/result.json", dir);
	RUN(&c, "--result", path, "ls");
	assert_int_equal(c.status, 5);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(read(fd, text, sizeof(text) - 1) > 0);
	close(fd);
	assert_string_equal(
		text, "{\"outcome\":\"failed\",\"cause\":\"exit\",\"exit\":{\"code\":5}}\n");
	unlink(path);
	/* Nothing else was left there. */
	assert_int_equal(rmdir(dir), 0);
	struct canned_cli lost = { .replies = { CANNED_EXIT(0) } };
	RUN(&lost, "--result", "/nonexistent/x", "ls");
	assert_int_equal(lost.status, 125);
	assert_non_null(strstr(lost.err, "--result /nonexistent/x: No such file"));
}

TEST(detach_prints_the_id)
{
	struct canned_cli c = { .replies = { CANNED_ACCEPTED CANNED_RESULT(
					"{\"task\":\"" CANNED_TASK "\",\"state\":\"queued\"}") } };
	RUN(&c, "-d", "ls");
	assert_int_equal(c.status, 0);
	assert_string_equal(c.out, CANNED_TASK "\n");
	assert_non_null(strstr(c.sent, "\"detach\":true"));
}

TEST(a_closed_stdout_ends_with_141)
{
	int ends[2];
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	close(ends[0]);
	struct canned_cli c = { .replies = { CANNED_ACCEPTED CANNED_OUTPUT("stdout", 1, "x") },
		.stdout_fd = ends[1] };
	RUN(&c, "yes");
	assert_int_equal(c.status, 141);
	assert_string_equal(c.err, "");
	close(ends[1]);
}

TEST(a_full_disk_is_told)
{
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	struct canned_cli c = { .replies = { CANNED_OUTPUT("stdout", 1, "x") CANNED_EXIT(0) },
		.stdout_fd = full };
	RUN(&c, "ls");
	assert_int_equal(c.status, 125);
	assert_string_equal(c.err, "dayfly: write output: No space left on device\n");
	close(full);
}

int main(void)
{
	unsetenv("TERM");
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(output_goes_to_its_streams_and_the_exit_code_is_the_tasks),
		cmocka_unit_test(what_fails_before_the_task_exits_125_and_sends_nothing),
		cmocka_unit_test(a_refused_task_is_told_by_its_option),
		cmocka_unit_test(a_failed_step_is_told_with_its_reason),
		cmocka_unit_test(a_timeout_is_told_and_exits_124),
		cmocka_unit_test(missing_output_is_told_where_it_is_missing),
		cmocka_unit_test(a_daemon_that_goes_away_exits_125),
		cmocka_unit_test(a_refused_connection_is_told),
		cmocka_unit_test(a_daemon_that_talks_nonsense_exits_125),
		cmocka_unit_test(json_prints_the_events_and_nothing_else),
		cmocka_unit_test(the_record_is_written_to_a_file),
		cmocka_unit_test(detach_prints_the_id),
		cmocka_unit_test(a_closed_stdout_ends_with_141),
		cmocka_unit_test(a_full_disk_is_told),
	};
	return RUN_TESTS(tests);
}
