#include "harness.h"

#include "cli/options.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct values {
	bool flag, other;
	const char *text, *size, *when;
	char **list;
};

static int check_when(const char *text, struct err *e)
{
	return strcmp(text, "never") != 0 ? 0 : err_set(e, ERR_BAD_VALUE, 0, "never is no time");
}

static const struct option_def table[] = {
	{ OPTION_HEADING, .help = "Things" },
	{ OPTION_FLAG, 'f', "flag", NULL, offsetof(struct values, flag), NULL, NULL, "a flag" },
	{ OPTION_FLAG, 0, "other-flag", NULL, offsetof(struct values, other), NULL, NULL,
		"another" },
	{ OPTION_TEXT, 't', "text", "TEXT", offsetof(struct values, text), NULL, "task.text",
		"a text" },
	{ OPTION_TEXT, 0, "size", "SIZE", offsetof(struct values, size), options_check_size,
		"task.limits.size", "a size" },
	{ OPTION_LIST, 'l', "list", "ITEM", offsetof(struct values, list), NULL, "task.list",
		"items" },
	{ OPTION_WHEN, 0, "when", "TIME", offsetof(struct values, when), check_when, NULL,
		"a time, or at once" },
};

static const struct command permuting = {
	.name = "verb",
	.operands = "[WORD]...",
	.summary = "Does it.",
	.options = table,
	.n_options = ARRAY_SIZE(table),
	.max_operands = -1,
};

static struct values v;
static char **operands;
static struct err e;

static int parse(const struct command *cmd, const char *line)
{
	static char buf[256];
	char *argv[32] = { "verb" };
	int argc = 1;
	snprintf(buf, sizeof(buf), "%s", line);
	memset(&v, 0, sizeof(v));
	free(operands);
	operands = NULL;
	for (char *word = buf; *word;) {
		char *end = word + strcspn(word, " ");
		argv[argc++] = word;
		word = *end ? end + 1 : end;
		*end = '\0';
	}
	return options_parse(cmd, argc, argv, &v, &operands, &e);
}

static int drop(void **state)
{
	options_finish(&permuting, &v);
	free(operands);
	operands = NULL;
	return 0;
}

TEST(values_come_in_every_form)
{
	assert_int_equal(parse(&permuting, "--text=a --size 2GiB -f"), OPTIONS_OK);
	assert_string_equal(v.text, "a");
	assert_string_equal(v.size, "2GiB");
	assert_true(v.flag);
	assert_false(v.other);
	assert_int_equal(parse(&permuting, "-ftx"), OPTIONS_OK);
	assert_true(v.flag);
	assert_string_equal(v.text, "x");
	assert_int_equal(parse(&permuting, "-t -f --text="), OPTIONS_OK);
	assert_string_equal(v.text, "");
	assert_false(v.flag);
}

TEST(a_value_that_may_be_missing_is_never_the_next_word)
{
	assert_int_equal(parse(&permuting, "-f"), OPTIONS_OK);
	assert_null(v.when);
	assert_int_equal(parse(&permuting, "--when now"), OPTIONS_OK);
	assert_string_equal(v.when, "");
	assert_string_equal(operands[0], "now");
	assert_int_equal(parse(&permuting, "--when=later"), OPTIONS_OK);
	assert_string_equal(v.when, "later");
	assert_int_equal(parse(&permuting, "--when"), OPTIONS_OK);
	assert_string_equal(v.when, "");
}

TEST(a_list_collects)
{
	assert_int_equal(parse(&permuting, "-l a --list=b -lc"), OPTIONS_OK);
	assert_string_equal(v.list[0], "a");
	assert_string_equal(v.list[1], "b");
	assert_string_equal(v.list[2], "c");
	assert_null(v.list[3]);
}

TEST(operands_may_stand_between_options)
{
	assert_int_equal(parse(&permuting, "one -f - two -- -f --x"), OPTIONS_OK);
	static const char *const want[] = { "one", "-", "two", "-f", "--x" };
	for (size_t i = 0; i < ARRAY_SIZE(want); i++)
		assert_string_equal(operands[i], want[i]);
	assert_null(operands[ARRAY_SIZE(want)]);
}

TEST(a_command_keeps_its_own_options)
{
	struct command running = permuting;
	running.stops_at_operand = true;
	assert_int_equal(parse(&running, "-f ls -l --other-flag --"), OPTIONS_OK);
	assert_true(v.flag);
	assert_false(v.other);
	static const char *const want[] = { "ls", "-l", "--other-flag", "--" };
	for (size_t i = 0; i < ARRAY_SIZE(want); i++)
		assert_string_equal(operands[i], want[i]);
	assert_int_equal(parse(&running, "-- -f"), OPTIONS_OK);
	assert_string_equal(operands[0], "-f");
	assert_false(v.flag);
}

TEST(mistakes_are_told_with_the_way_out)
{
	static const struct {
		const char *line, *msg, *hint;
	} cases[] = {
		{ "--flga", "unknown option --flga", "did you mean --flag?" },
		{ "--zzzzzz=1", "unknown option --zzzzzz", "dayfly verb --help lists the options" },
		{ "-z", "unknown option -z", "dayfly verb --help lists the options" },
		{ "--flag=1", "--flag takes no value", "" },
		{ "--text", "--text needs a value: --text TEXT", "" },
		{ "-t", "--text needs a value: --text TEXT", "" },
		{ "--when=", "--when needs a value: --when=TIME", "" },
		{ "--when=never", "--when: never is no time", "" },
		{ "--size big", "--size: \"big\" is not a size (such as 512MiB or 2g)", "" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(parse(&permuting, cases[i].line), -EINVAL);
		assert_string_equal(e.msg, cases[i].msg);
		assert_string_equal(e.hint, cases[i].hint);
		assert_null(operands);
	}
}

TEST(operands_are_counted)
{
	struct command one = permuting;
	one.operands = "TASK";
	one.min_operands = one.max_operands = 1;
	assert_int_equal(parse(&one, ""), -EINVAL);
	assert_string_equal(e.msg, "TASK is missing");
	assert_int_equal(parse(&one, "a b"), -EINVAL);
	assert_string_equal(e.msg, "one word too many: b");
	assert_string_equal(e.hint, "usage: dayfly verb [OPTION]... TASK");
	assert_int_equal(parse(&one, "a"), OPTIONS_OK);
	/* The first that must be there is named, as --help has it. */
	static const char *const shown[][2] = { { "[--] COMMAND [ARGUMENT]...", "COMMAND" },
		{ "TASK...", "TASK" }, { "TAR [DIR]", "TAR" } };
	for (size_t i = 0; i < ARRAY_SIZE(shown); i++) {
		char wanted[64];
		one.operands = shown[i][0];
		snprintf(wanted, sizeof(wanted), "%s is missing", shown[i][1]);
		assert_int_equal(parse(&one, ""), -EINVAL);
		assert_string_equal(e.msg, wanted);
	}
}

TEST(help_wins_over_what_follows)
{
	assert_int_equal(parse(&permuting, "-f --help --nonsense"), OPTIONS_HELP);
	assert_int_equal(parse(&permuting, "-h"), OPTIONS_HELP);
	assert_null(operands);
}

TEST(help_lists_the_table)
{
	char text[2048] = "";
	FILE *out = fmemopen(text, sizeof(text), "w");
	options_print_help(&permuting, out);
	fclose(out);
	assert_non_null(strstr(text, "Usage: dayfly verb [OPTION]... [WORD]...\n"));
	assert_non_null(strstr(text, "Things:\n"));
	for (size_t i = 1; i < ARRAY_SIZE(table); i++) {
		assert_non_null(strstr(text, table[i].name));
		assert_non_null(strstr(text, table[i].help));
	}
	assert_non_null(strstr(text, "  -t, --text TEXT"));
	assert_non_null(strstr(text, "      --when[=TIME] "));
}

TEST(a_field_leads_to_its_option)
{
	assert_string_equal(options_find_field(&permuting, "task.limits.size")->name, "size");
	assert_string_equal(options_find_field(&permuting, "task.list[3].x")->name, "list");
	assert_string_equal(options_find_field(&permuting, "task.list.KEY")->name, "list");
	assert_null(options_find_field(&permuting, "task.lister"));
	assert_null(options_find_field(&permuting, "task"));
	assert_null(options_find_field(&permuting, ""));
}

TEST(the_most_exact_field_is_the_option)
{
	static const struct option_def known[] = {
		{ OPTION_TEXT, .name = "artifact", .field = "task.artifacts" },
		{ OPTION_TEXT, .name = "upload", .field = "task.artifacts.upload" },
		{ OPTION_TEXT, .name = "upload-url", .field = "task.artifacts.upload.url" },
		{ OPTION_TEXT, .name = "credentials",
			.field = "task.artifacts.upload.credentials" },
		{ OPTION_TEXT, .name = "git", .field = "task.source.git" },
		{ OPTION_TEXT, .name = "git-ref", .field = "task.source.git.ref" },
	};
	static const struct {
		const char *field, *name;
	} cases[] = {
		{ "task.artifacts.files[0].glob", "artifact" },
		{ "task.artifacts.upload.target", "upload" },
		{ "task.artifacts.upload.url", "upload-url" },
		{ "task.artifacts.upload.credentials", "credentials" },
		{ "task.artifacts.upload.credentials_fd", "credentials" },
		{ "task.source.git.url", "git" },
		{ "task.source.git.ref", "git-ref" },
		{ "task.source.git.reference", "git" },
	};
	const struct command cmd = { .options = known, .n_options = ARRAY_SIZE(known) };
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_string_equal(options_find_field(&cmd, cases[i].field)->name, cases[i].name);
}

TEST(an_option_that_means_nothing_alone_is_refused)
{
	static const struct option_def known[] = {
		{ OPTION_FLAG, 0, "flag", NULL, offsetof(struct values, flag), .needs = "list" },
		{ OPTION_LIST, 0, "list", "ITEM", offsetof(struct values, list) },
		{ OPTION_TEXT, 0, "text", "TEXT", offsetof(struct values, text),
			.needs = "size w" },
		{ OPTION_TEXT, 0, "size", "SIZE", offsetof(struct values, size) },
		{ OPTION_WHEN, 'w', "w", "TIME", offsetof(struct values, when) },
		{ OPTION_FLAG, 0, "other", NULL, offsetof(struct values, other), .needs = "flag" },
	};
	const struct command cmd = {
		.name = "verb", .options = known, .n_options = ARRAY_SIZE(known), .max_operands = -1
	};
	static const char *const good[] = { "", "--list a", "--flag --list a", "--list= --flag",
		"--text a --size b", "--w --text a", "--other --flag --list a", "-- --flag" };
	static const struct {
		const char *line, *message, *hint;
	} bad[] = {
		{ "--flag", "--flag means nothing without --list",
			"add --list ITEM, or leave --flag out" },
		{ "--text=a --list b", "--text means nothing without --size or --w",
			"add --size SIZE or --w TIME, or leave --text out" },
		{ "--list b --other", "--other means nothing without --flag",
			"add --flag, or leave --other out" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		assert_int_equal(parse(&cmd, good[i]), OPTIONS_OK);
		options_finish(&cmd, &v);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(parse(&cmd, bad[i].line), -EINVAL);
		assert_string_equal(e.msg, bad[i].message);
		assert_string_equal(e.hint, bad[i].hint);
		assert_null(operands);
		options_finish(&cmd, &v);
	}
}

TEST(checks_know_their_units)
{
	assert_int_equal(options_check_size("1.5g", &e), 0);
	assert_int_equal(options_check_size("-1", &e), -EINVAL);
	assert_int_equal(options_check_duration("1h30m", &e), 0);
	assert_int_equal(options_check_duration("1x", &e), -EINVAL);
	assert_int_equal(options_check_cpus("0.5", &e), 0);
	assert_int_equal(options_check_cpus("two", &e), -EINVAL);
	assert_int_equal(options_check_count("64", &e), 0);
	assert_int_equal(options_check_count("6.4", &e), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(values_come_in_every_form, drop),
		cmocka_unit_test_teardown(a_value_that_may_be_missing_is_never_the_next_word, drop),
		cmocka_unit_test_teardown(a_list_collects, drop),
		cmocka_unit_test_teardown(operands_may_stand_between_options, drop),
		cmocka_unit_test_teardown(a_command_keeps_its_own_options, drop),
		cmocka_unit_test_teardown(mistakes_are_told_with_the_way_out, drop),
		cmocka_unit_test_teardown(operands_are_counted, drop),
		cmocka_unit_test_teardown(help_wins_over_what_follows, drop),
		cmocka_unit_test_teardown(help_lists_the_table, drop),
		cmocka_unit_test_teardown(a_field_leads_to_its_option, drop),
		cmocka_unit_test_teardown(the_most_exact_field_is_the_option, drop),
		cmocka_unit_test_teardown(an_option_that_means_nothing_alone_is_refused, drop),
		cmocka_unit_test_teardown(checks_know_their_units, drop),
	};
	return RUN_TESTS(tests);
}
