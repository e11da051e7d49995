#include "harness.h"

#include "cli/canned_cli.h"

#include <string.h>

#define CLI(c, ...) canned_cli_run((c), (const char *const[]){ __VA_ARGS__, NULL })

static const char *const verbs[] = { "run", "ps", "logs", "attach", "wait", "kill", "inspect",
	"doctor", "info", "config", "version" };

TEST(help_lists_every_verb)
{
	static const char *const words[] = { "--help", "-h", "help" };
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		struct canned_cli c = { 0 };
		CLI(&c, words[i]);
		assert_int_equal(c.status, 0);
		assert_string_equal(c.err, "");
		for (size_t v = 0; v < ARRAY_SIZE(verbs); v++)
			assert_non_null(strstr(c.out, verbs[v]));
	}
}

TEST(every_verb_has_help)
{
	for (size_t v = 0; v < ARRAY_SIZE(verbs); v++) {
		struct canned_cli c = { 0 };
		CLI(&c, verbs[v], "--help");
		assert_int_equal(c.status, 0);
		assert_memory_equal(c.out, "Usage: dayfly ", 14);
		assert_memory_equal(c.out + 14, verbs[v], strlen(verbs[v]));
	}
}

TEST(help_takes_a_verb)
{
	struct canned_cli c = { 0 };
	CLI(&c, "help", "ps");
	assert_int_equal(c.status, 0);
	assert_memory_equal(c.out, "Usage: dayfly ps [OPTION]...\n", 29);
	CLI(&c, "help", "rnu");
	assert_int_equal(c.status, 125);
	assert_non_null(strstr(c.err, "did you mean dayfly run?"));
	CLI(&c, "ps", "x");
	assert_non_null(strstr(c.err, "usage: dayfly ps [OPTION]...\n"));
}

TEST(every_verb_refuses_an_unknown_option)
{
	for (size_t v = 0; v < ARRAY_SIZE(verbs); v++) {
		struct canned_cli c = { 0 };
		CLI(&c, verbs[v], "--no-such-option");
		assert_true(c.status == 2 || c.status == 125);
		assert_memory_equal(c.err, "dayfly: unknown option --no-such-option\n", 40);
		assert_string_equal(c.out, "");
	}
}

TEST(a_wrong_verb_gets_the_nearest)
{
	struct canned_cli c = { 0 };
	CLI(&c, "rnu", "ls");
	assert_int_equal(c.status, 125);
	assert_string_equal(
		c.err, "dayfly: unknown verb \"rnu\"\n  fix: did you mean dayfly run?\n");
	CLI(&c, "make");
	assert_non_null(strstr(c.err, "dayfly run -- COMMAND"));
	CLI(&c, "--socket", "x");
	assert_non_null(strstr(c.err, "options come after the verb"));
}

TEST(version_is_one_line)
{
	struct canned_cli c = { 0 };
	CLI(&c, "version");
	assert_int_equal(c.status, 0);
	assert_string_equal(c.out, "dayfly " DAYFLY_VERSION " (protocol 1)\n");
	CLI(&c, "--version");
	assert_string_equal(c.out, "dayfly " DAYFLY_VERSION " (protocol 1)\n");
}

TEST(no_daemon_is_told_with_what_to_do)
{
	for (size_t v = 0; v < ARRAY_SIZE(verbs); v++) {
		struct canned_cli c = { 0 };
		if (!strcmp(verbs[v], "version") || !strcmp(verbs[v], "doctor"))
			continue;
		bool has_operand = strcmp(verbs[v], "ps") && strcmp(verbs[v], "info");
		const char *operand = !strcmp(verbs[v], "config") ? "show" : "x";
		CLI(&c, verbs[v], "--socket", "/nonexistent/sock", has_operand ? operand : NULL);
		assert_true(c.status == 1 || c.status == 125);
		assert_non_null(strstr(c.err, "dayfly: connect to the daemon at /nonexistent/sock: "
					      "No such file or directory\n  fix: "));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(help_lists_every_verb),
		cmocka_unit_test(every_verb_has_help),
		cmocka_unit_test(help_takes_a_verb),
		cmocka_unit_test(every_verb_refuses_an_unknown_option),
		cmocka_unit_test(a_wrong_verb_gets_the_nearest),
		cmocka_unit_test(version_is_one_line),
		cmocka_unit_test(no_daemon_is_told_with_what_to_do),
	};
	return RUN_TESTS(tests);
}
