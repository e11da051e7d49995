#include "harness.h"

#include "cli/canned_cli.h"
#include "cli/run_priv.h"
#include "proto/schema.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RUN(c, ...)                                                                                \
	canned_cli_run((c), (const char *const[]){ "run", "--socket", "SOCKET", __VA_ARGS__, NULL })

/* A line of options, without "run" and with a command behind it, and what is said of it; NULL: it
 * is good. */
static void expect_parsed(const char *option, const char *msg)
{
	char word[80];
	char *argv[] = { (char *)"run", word, (char *)"ls", NULL };
	struct run_options o = { 0 };
	struct err e = { 0 };
	auto_free char **operands = NULL;
	snprintf(word, sizeof(word), "%s", option);
	int r = options_parse(&run_command, 3, argv, &o, &operands, &e);
	options_finish(&run_command, &o);
	if (r != (msg ? -EINVAL : OPTIONS_OK) || (msg && strcmp(e.msg, msg) != 0))
		fail_msg("%s: %d, %s", option, r, e.msg);
}

TEST(each_value_is_checked_when_it_is_read)
{
	static const char *const cases[][2] = {
		{ "--env=A", NULL },
		{ "--env=A=", NULL },
		{ "--env==x", "--env: \"=x\" is not NAME=VALUE or NAME" },
		{ "--env=", "--env: \"\" is not NAME=VALUE or NAME" },
		{ "--label=k", NULL },
		{ "--label==v", "--label: \"=v\" is not KEY=VALUE or KEY" },
		{ "--priority=-10", NULL },
		{ "--priority=10", NULL },
		{ "--priority=11", "--priority: \"11\" is not a whole number from -10 to 10" },
		{ "--priority=1x", "--priority: \"1x\" is not a whole number from -10 to 10" },
		{ "--priority=", "--priority: \"\" is not a whole number from -10 to 10" },
		{ "--concurrency=k", NULL },
		{ "--concurrency=k:queue", NULL },
		{ "--concurrency=k:supersede", NULL },
		{ "--concurrency=:queue",
			"--concurrency: \":queue\" is not KEY, KEY:queue or KEY:supersede" },
		{ "--concurrency=k:",
			"--concurrency: \"k:\" is not KEY, KEY:queue or KEY:supersede" },
		{ "--cpus=1.5", NULL },
		{ "--pids=x", "--pids: \"x\" is not a whole number" },
		{ "--timeout=soon",
			"--timeout: \"soon\" is not a time (such as 90, 10m or 1h30m)" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		expect_parsed(cases[i][0], cases[i][1]);
}

/* Errors of the daemon are told by the option whose field is that of the request. */
TEST(each_field_is_one_of_a_request)
{
	size_t n = 0;
	for (size_t i = 0; i < run_command.n_options; i++) {
		const char *field = run_command.options[i].field;
		const struct schema_object *object = &schema_task;
		if (!field)
			continue;
		n++;
		assert_memory_equal(field, "task.", 5);
		for (const char *at = field + 5; *at;) {
			size_t len = strcspn(at, ".");
			const struct schema_field *f = NULL;
			for (size_t k = 0; !f && object && k < object->n_fields; k++)
				if (strlen(object->fields[k].name) == len &&
					!memcmp(object->fields[k].name, at, len))
					f = &object->fields[k];
			if (!f)
				fail_msg("no request has %s", field);
			object = f->object;
			at += len + (at[len] == '.');
		}
	}
	assert_true(n > 50);
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

/* {the options, what is said}. */
TEST(what_is_wrong_is_told_by_its_option_and_with_the_fix)
{
	static const char *const bad[][4] = {
		{ "--image=./nowhere", "--name=x",
			"dayfly: --image ./nowhere: No such file or directory\n" },
		{ "--image=nowhere", "--name=x",
			"dayfly: --image: there is no image \"nowhere\"\n  fix: write host, or "
			"the path of a directory that holds a root file system: /srv/image, or "
			"./image for one that is here\n" },
		{ "--name=\xff", "--tty", "dayfly: --name: not UTF-8\n" },
		{ "--webhook=\xff", "--tty", "dayfly: --webhook: not UTF-8\n" },
		{ "--git=https://h/x", "--workspace=/usr",
			"dayfly: --git and --workspace: a task has one workspace\n  fix: " },
		{ "--git=https://h/x", "--apply",
			"dayfly: --git and --apply: there is no directory to write back to\n"
			"  fix: take the changes with --changes FILE\n" },
		{ "-d", "--result=x",
			"dayfly: --detach and --result: there is no result yet\n  fix: " },
		{ "-d", "--json",
			"dayfly: --detach and --json: there are no events to print\n  "
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

/* Those that name files of ours, whose names may be any bytes, are looked at when they are opened.
 */
static bool is_of_our_files(const char *name)
{
	static const char *const names[] = { "workspace", "git-credentials", "git-key", "git-agent",
		"git-known-hosts", "git-ca", "mount", "image", "changes", "upload-credentials" };
	bool is_one = false;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		is_one = is_one || !strcmp(names[i], name);
	return is_one;
}

TEST(what_cannot_be_told_to_the_daemon_is_told_by_its_option)
{
	static const char *const texts[] = { "\xff", "/\xff=x", "x=\xff" };
	for (size_t i = 0; i < run_command.n_options; i++) {
		const struct option_def *o = &run_command.options[i];
		if (!o->field || o->kind == OPTION_FLAG || is_of_our_files(o->name))
			continue;
		bool is_of_text = false;
		for (size_t k = 0; k < ARRAY_SIZE(texts); k++) {
			char word[100], head[100];
			snprintf(word, sizeof(word), "--%s=%s", o->name, texts[k]);
			snprintf(head, sizeof(head), "dayfly: --%s: ", o->name);
			struct canned_cli c = { .replies = { CANNED_EXIT(0) } };
			RUN(&c, word, "--artifact=x", "--upload=t", "--git=https://h/x", "ls");
			if (c.status != 125 || strncmp(c.err, head, strlen(head)) != 0)
				fail_msg("%s is told by %s", word, c.err);
			is_of_text = is_of_text || strstr(c.err, "not UTF-8");
			/* A number, a size or a time is no text whatever its bytes. */
			is_of_text = is_of_text || (o->check && strstr(c.err, " is not a "));
		}
		if (!is_of_text)
			fail_msg("--%s takes any bytes", o->name);
	}
}

TEST(the_option_that_was_given_is_named_where_artifacts_have_two_places)
{
	static const char *const given[][2] = { { "--upload=t", "dayfly: --upload and --art" },
		{ "--upload-url=https://h/x", "dayfly: --upload-url and --art" } };
	for (size_t i = 0; i < ARRAY_SIZE(given); i++) {
		struct canned_cli c = { .replies = { CANNED_EXIT(0) } };
		RUN(&c, "--artifact=x", "--artifacts-to=d", given[i][0], "ls");
		assert_int_equal(c.status, 125);
		assert_string_equal(c.sent, "");
		if (strncmp(c.err, given[i][1], strlen(given[i][1])) != 0)
			fail_msg("%s is told by %s", given[i][0], c.err);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_value_is_checked_when_it_is_read),
		cmocka_unit_test(each_field_is_one_of_a_request),
		cmocka_unit_test(what_would_count_for_nothing_is_refused),
		cmocka_unit_test(what_is_wrong_is_told_by_its_option_and_with_the_fix),
		cmocka_unit_test(what_cannot_be_told_to_the_daemon_is_told_by_its_option),
		cmocka_unit_test(
			the_option_that_was_given_is_named_where_artifacts_have_two_places),
		cmocka_unit_test(what_the_address_of_a_repository_has_no_use_for_is_refused),
	};
	return RUN_TESTS(tests);
}
