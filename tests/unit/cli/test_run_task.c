#include "harness.h"

#include "cli/canned_cli.h"
#include "cli/run_priv.h"
#include "client/client_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RUN(c, ...)                                                                                \
	canned_cli_run((c), (const char *const[]){ "run", "--socket", "SOCKET", __VA_ARGS__, NULL })

/* The task as it would be sent. */
static void expect_task(const struct run_options *o, const char *json)
{
	char *argv[] = { (char *)"ls", NULL };
	int fds[LIMIT_REQUEST_FDS];
	size_t n_fds;
	struct dayfly_error e;
	json_t *want = json_loads(json, 0, NULL), *got = NULL;
	struct dayfly_task *t = run_task_make(o, argv, NULL);
	assert_non_null(t);
	assert_int_equal(task_to_json(t, &got, fds, &n_fds, &e), 0);
	if (!json_equal(want, got))
		fail_msg("made %s, not %s", json_dumps(got, 0), json);
	json_decref(want);
	json_decref(got);
	dayfly_task_free(t);
}

TEST(lists_come_apart_and_words_stand_for_what_they_mean)
{
	char *effort[] = { strdup("memory,,cpus,"), strdup("pids"), NULL };
	char *labels[] = { (char *)"a=b=c", (char *)"flag", (char *)"e=", NULL };
	struct run_options o = { .best_effort = effort, .labels = labels };
	expect_task(&o, "{\"argv\":[\"ls\"],\"best_effort\":[\"memory\",\"cpus\",\"pids\"],"
			"\"labels\":{\"a\":\"b=c\",\"flag\":\"\",\"e\":\"\"}}");
	free(effort[0]);
	free(effort[1]);
	struct run_options key = { .concurrency = "k", .priority = "-3" };
	expect_task(&key, "{\"argv\":[\"ls\"],\"priority\":-3,\"concurrency\":{"
			  "\"key\":\"k\",\"mode\":\"queue\"}}");
	struct run_options newest = { .concurrency = "k:supersede", .no_queue = true };
	expect_task(&newest, "{\"argv\":[\"ls\"],\"queue\":false,\"concurrency\":{"
			     "\"key\":\"k\",\"mode\":\"supersede\"}}");
}

TEST(a_terminal_has_the_name_of_ours)
{
	struct run_options o = { .tty = true };
	setenv("TERM", "vt52", 1);
	expect_task(&o, "{\"argv\":[\"ls\"],\"tty\":true,\"env\":{\"TERM\":\"vt52\"}}");
	/* Which says nothing that could be sent. */
	setenv("TERM", "\xff", 1);
	expect_task(&o, "{\"argv\":[\"ls\"],\"tty\":true}");
	unsetenv("TERM");
}

TEST(an_image_is_a_name_or_a_path_that_is_made_absolute)
{
	struct run_options name = { .image = "host" };
	expect_task(&name, "{\"argv\":[\"ls\"],\"image\":\"host\"}");
	struct run_options absolute = { .image = "/no/such" };
	expect_task(&absolute, "{\"argv\":[\"ls\"],\"image\":\"/no/such\"}");
	assert_int_equal(chdir("/usr"), 0);
	struct run_options relative = { .image = "./bin/.." };
	expect_task(&relative, "{\"argv\":[\"ls\"],\"image\":\"/usr\"}");
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

TEST(artifacts_that_are_sent_on_have_their_time_too)
{
	struct canned_cli c = { .replies = { CANNED_EXIT(0) } };
	RUN(&c, "--artifact", "x", "--upload", "t/p/", "--artifacts-timeout", "90s",
		"--artifacts-size", "1m", "ls");
	assert_non_null(strstr(c.sent, "\"timeout\":\"90s\""));
	assert_non_null(strstr(c.sent, "\"upload\":{\"target\":\"t\",\"prefix\":\"p/\"}"));
	assert_non_null(strstr(c.sent, "\"limits\":{\"artifacts\":\"1m\"}"));
}

int main(void)
{
	unsetenv("TERM");
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_come_apart_and_words_stand_for_what_they_mean),
		cmocka_unit_test(a_terminal_has_the_name_of_ours),
		cmocka_unit_test(an_image_is_a_name_or_a_path_that_is_made_absolute),
		cmocka_unit_test(options_fill_the_fields_of_the_request),
		cmocka_unit_test(no_directory_is_shown_unless_asked_for),
		cmocka_unit_test(artifacts_that_are_sent_on_have_their_time_too),
	};
	return RUN_TESTS(tests);
}
