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

TEST(options_fill_the_fields_of_the_request)
{
	struct canned_cli c = { .replies = { CANNED_EXIT(0) } };
	setenv("DAYFLY_TEST_OURS", "mine", 1);
	RUN(&c, "-e", "A=1=2", "--env=DAYFLY_TEST_OURS", "-eDAYFLY_TEST_ABSENT", "-l", "k=v",
		"--label", "flag", "-w", "/w", "--name", "n", "--network=host", "--image", "/img",
		"--user", "root", "--profile", "strict", "--timeout", "1h30m", "-m", "512m",
		"--cpus", "1.5", "--pids", "64", "--disk", "1GiB", "--output-limit", "1k",
		"--best-effort", "memory,pids", "--keep", "ls", "--all");
	assert_int_equal(c.status, 0);
	static const char *const parts[] = {
		"\"argv\":[\"ls\",\"--all\"]",
		"\"env\":{\"A\":\"1=2\",\"DAYFLY_TEST_OURS\":\"mine\"}",
		"\"labels\":{\"k\":\"v\",\"flag\":\"\"}",
		"\"cwd\":\"/w\"",
		"\"name\":\"n\"",
		"\"network\":\"host\"",
		"\"image\":\"/img\"",
		"\"user\":\"root\"",
		"\"profile\":\"strict\"",
		"\"limits\":{\"wall\":\"1h30m\",\"memory\":\"512m\",\"cpus\":\"1.5\",\"pids\":64,"
		"\"disk\":\"1GiB\",\"output\":\"1k\"}",
		"\"best_effort\":[\"memory\",\"pids\"]",
		"\"on_disconnect\":\"keep\"",
	};
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		if (!strstr(c.sent, parts[i]))
			fail_msg("%s is not in %s", parts[i], c.sent);
	assert_null(strstr(c.sent, "DAYFLY_TEST_ABSENT"));
}

TEST(no_directory_is_shown_unless_asked_for)
{
	struct canned_cli c = { .replies = { CANNED_EXIT(0) } };
	RUN(&c, "ls");
	assert_null(strstr(c.sent, "workspace"));
	RUN(&c, "--workspace", "/usr:ro", "--mount", "/etc:/data:rw", "ls");
	assert_non_null(
		strstr(c.sent, "\"workspace\":{\"fd\":0,\"mode\":\"ro\",\"path\":\"/usr\"}"));
	assert_non_null(strstr(c.sent,
		"\"mounts\":[{\"fd\":1,\"mode\":\"rw\",\"path\":\"/etc\",\"target\":\"/data\"}]"));
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

/* {the options, what is said}. */
TEST(what_is_wrong_is_told_by_its_option_and_with_the_fix)
{
	static const char *const bad[][4] = {
		{ "--image=./nowhere", "--name=x",
			"dayfly: --image ./nowhere: No such file or directory\n" },
		{ "--name=\xff", "--tty", "dayfly: --name \\xff: not UTF-8\n" },
		{ "--webhook=\xff", "--tty", "dayfly: --webhook \\xff: not UTF-8\n" },
		{ "--git=https://h/x", "--workspace=/usr",
			"dayfly: --git and --workspace: a task has one workspace\n  fix: " },
		{ "--git=https://h/x", "--apply",
			"dayfly: --git and --apply: there is no directory to write back to\n"
			"  fix: take the changes with --changes FILE\n" },
		{ "-d", "--result=x",
			"dayfly: --detach and --result: there is no result yet\n  fix: " },
		{ "-d", "--json", "dayfly: --detach and --json: there are no events to print\n  "
				  "fix: " },
		{ "--apply", "--workspace=/usr:ro",
			"dayfly: --apply: only a workspace of mode cow has changes to be taken\n"
			"  fix: write --workspace DIR, without a mode\n" },
		{ "--apply", "--name=x",
			"dayfly: --apply: only a workspace of mode cow has changes to be taken\n"
			"  fix: add --workspace DIR\n" },
		{ "--changes=x.tar", "--name=x",
			"dayfly: --changes: only a workspace of mode cow has changes to be taken\n"
			"  fix: add --workspace DIR or --git URL\n" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct canned_cli c = { .replies = { CANNED_EXIT(0) } };
		RUN(&c, bad[i][0], bad[i][1], "ls");
		assert_int_equal(c.status, 125);
		assert_string_equal(c.sent, "");
		if (strncmp(c.err, bad[i][2], strlen(bad[i][2])) != 0)
			fail_msg("%s %s: %s", bad[i][0], bad[i][1], c.err);
	}
}

/* {the option, what it is about, an option that stands for that}. */
TEST(what_would_count_for_nothing_is_refused)
{
	static const char *const alone[][3] = {
		{ "--hide-ignored", "--workspace", NULL },
		{ "--no-git-dir", "--workspace", "--workspace=/usr" },
		{ "--git-ref=x", "--git", "--git=https://h/x" },
		{ "--git-full", "--git", "--git=https://h/x" },
		{ "--git-refresh", "--git", "--git=https://h/x" },
		{ "--git-submodules", "--git", "--git=https://h/x" },
		{ "--git-credentials=/dev/null", "--git", "--git=https://h/x" },
		{ "--git-key=/dev/null", "--git", "--git=h:x" },
		{ "--git-agent=/nowhere", "--git", NULL },
		{ "--git-known-hosts=/dev/null", "--git", "--git=h:x" },
		{ "--git-ca=/dev/null", "--git", "--git=https://h/x" },
		{ "--webhook-on=started", "--webhook", "--webhook=https://h/x" },
		{ "--changes-format=tar", "--changes", NULL },
		{ "--changes-branch=b", "--changes", NULL },
		{ "--artifacts-to=d", "--artifact", NULL },
		{ "--artifacts-timeout=1m", "--artifact", "--artifact=x:optional" },
		{ "--artifacts-size=1m", "--artifact", "--artifact=x:optional" },
		{ "--artifact-files=5", "--artifact", "--artifact=x:optional" },
		{ "--upload=t", "--artifact", NULL },
		{ "--upload-url=https://h/x", "--artifact", NULL },
		{ "--upload-credentials=/dev/null", "--upload or --upload-url", NULL },
		{ "--no-wait-upload", "--upload or --upload-url", NULL },
	};
	for (size_t i = 0; i < ARRAY_SIZE(alone); i++) {
		char line[128];
		int len = (int)strcspn(alone[i][0], "=");
		struct canned_cli bad = { .replies = { CANNED_EXIT(0) } };
		struct canned_cli good = { .replies = { CANNED_EXIT(0) } };
		snprintf(line, sizeof(line), "dayfly: %.*s means nothing without %s\n", len,
			alone[i][0], alone[i][1]);
		RUN(&bad, alone[i][0], "ls");
		assert_int_equal(bad.status, 125);
		assert_string_equal(bad.sent, "");
		if (strncmp(bad.err, line, strlen(line)) != 0)
			fail_msg("%s is told by %s", alone[i][0], bad.err);
		assert_non_null(strstr(bad.err, "\n  fix: add --"));
		if (!alone[i][2])
			continue;
		RUN(&good, alone[i][0], alone[i][2], "ls");
		if (!*good.sent)
			fail_msg("%s %s: %s", alone[i][0], alone[i][2], good.err);
	}
}

TEST(what_the_address_of_a_repository_has_no_use_for_is_refused)
{
	static const char *const bad[][4] = {
		{ "--git-key=/nowhere", "https://h/x@main", "git-key",
			"is not of ssh\n  fix: leave --git-key out, or give --git ssh://" },
		{ "--git-agent=/nowhere", "https://h/x", "git-agent", "is not of ssh\n  fix: " },
		{ "--git-agent=/nowhere", "/usr", "git-agent", "is not of ssh\n  fix: " },
		{ "--git-credentials=/nowhere", "git@h:x", "git-credentials",
			"is not of https or http\n  fix: " },
		{ "--git-known-hosts=/nowhere", "https://h/x", "git-known-hosts",
			"is not of ssh and submodules are not asked for\n  fix: " },
		{ "--git-ca=/nowhere", "ssh://h/x", "git-ca",
			"is not of https and submodules are not asked for\n  fix: " },
	};
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		char line[200];
		struct canned_cli c = { .replies = { CANNED_EXIT(0) } };
		snprintf(line, sizeof(line), "dayfly: --%s means nothing where --git %s", bad[i][2],
			bad[i][3]);
		RUN(&c, bad[i][0], "--git", bad[i][1], "ls");
		assert_int_equal(c.status, 125);
		assert_string_equal(c.sent, "");
		if (strncmp(c.err, line, strlen(line)) != 0)
			fail_msg("%s is told by %s", bad[i][0], c.err);
	}
	/* Where submodules lead nobody knows yet. */
	struct canned_cli c = { .replies = { CANNED_EXIT(0) } };
	RUN(&c, "--git=https://h/x", "--git-submodules", "--git-known-hosts=/dev/null", "ls");
	assert_non_null(strstr(c.sent, "\"known_hosts\":\"\""));
}

TEST(artifacts_that_are_sent_on_have_their_time_too)
{
	struct canned_cli c = { .replies = { CANNED_EXIT(0) } };
	RUN(&c, "--artifact", "x", "--upload", "t/p/", "--artifacts-timeout", "90s",
		"--artifacts-size", "1m", "ls");
	assert_non_null(strstr(c.sent, "\"timeout\":\"90s\""));
	assert_non_null(strstr(c.sent, "\"upload\":{\"target\":\"t\",\"prefix\":\"p/\"}"));
	assert_non_null(strstr(c.sent, "\"limits\":{\"artifacts\":\"1m\"}"));
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
		cmocka_unit_test(options_fill_the_fields_of_the_request),
		cmocka_unit_test(no_directory_is_shown_unless_asked_for),
		cmocka_unit_test(what_fails_before_the_task_exits_125_and_sends_nothing),
		cmocka_unit_test(what_is_wrong_is_told_by_its_option_and_with_the_fix),
		cmocka_unit_test(what_would_count_for_nothing_is_refused),
		cmocka_unit_test(what_the_address_of_a_repository_has_no_use_for_is_refused),
		cmocka_unit_test(artifacts_that_are_sent_on_have_their_time_too),
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
