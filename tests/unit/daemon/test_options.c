/* The command line of dayflyd. */
#include "harness.h"

#include "base/log.h"
#include "daemon/options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PARSE(o, e, ...) parse(o, e, (const char *const[]){ "dayflyd", __VA_ARGS__, NULL })

static int parse(struct options *o, struct err *e, const char *const *argv)
{
	int n = 0;
	while (argv[n])
		n++;
	memset(e, 0, sizeof(*e));
	/* Not this machine's own configuration. */
	setenv("XDG_CONFIG_HOME", "/nonexistent", 1);
	return options_parse(o, n, (char **)argv, e);
}

TEST(what_is_not_given_has_its_default)
{
	struct options o;
	struct err e;
	setenv("XDG_RUNTIME_DIR", "/run/user/7", 1);
	assert_int_equal(PARSE(&o, &e, "--foreground"), 0);
	assert_int_equal(o.action, OPTIONS_RUN);
	assert_int_equal(o.max_tasks, 64);
	assert_int_equal(o.max_queue, 1024);
	assert_int_equal(o.idle_exit_ms, 0);
	assert_int_equal(o.ready_fd, -1);
	assert_int_equal(o.log_level, LOG_LEVEL_INFO);
	assert_string_equal(options_upper_name(o.upper), "auto");
	assert_false(o.allow_all);
	assert_string_equal(o.socket_path,
		geteuid() == 0 ? "/run/dayfly/dayfly.sock" : "/run/user/7/dayfly/dayfly.sock");
	options_finish(&o);
}

TEST(a_relative_path_is_made_absolute)
{
	struct options o;
	struct err e;
	assert_int_equal(chdir("/tmp"), 0);
	assert_int_equal(PARSE(&o, &e, "--runtime-dir", "x", "--warden", "y"), 0);
	assert_string_equal(o.socket_path, "/tmp/x/dayfly.sock");
	assert_string_equal(o.warden_path, "/tmp/y");
	options_finish(&o);
	assert_int_equal(PARSE(&o, &e, "--socket", "x/y.sock"), 0);
	assert_string_equal(o.socket_path, "/tmp/x/y.sock");
	options_finish(&o);
}

TEST(values_are_taken_over)
{
	struct options o;
	struct err e;
	assert_int_equal(PARSE(&o, &e, "--max-tasks=3", "--max-queue", "5", "--idle-exit", "60",
				 "--log-level", "debug", "--upper", "disk", "--allow-uid", "12",
				 "--allow-uid", "root", "--allow-gid", "34", "--allow-all",
				 "--allow-host-network", "--allow-root-user", "--max-wall", "1h",
				 "--ready-fd", "1"),
		0);
	assert_int_equal(o.max_tasks, 3);
	assert_int_equal(o.max_queue, 5);
	assert_int_equal(o.idle_exit_ms, 60000);
	assert_int_equal(o.log_level, LOG_LEVEL_DEBUG);
	assert_string_equal(options_upper_name(o.upper), "disk");
	assert_int_equal(o.allow_uids.n, 2);
	assert_int_equal(o.allow_uids.id[0], 12);
	assert_int_equal(o.allow_uids.id[1], 0);
	assert_int_equal(o.allow_gids.id[0], 34);
	assert_true(o.allow_all);
	assert_true(o.policy.allow_host_network);
	assert_true(o.policy.allow_root_user);
	assert_int_equal(o.policy.ceiling.wall_ms, 3600000);
	assert_int_equal(o.ready_fd, 1);
	options_finish(&o);
}

TEST(a_bad_value_is_refused_with_the_name_of_its_option)
{
	static const char *const bad[][2] = {
		{ "--max-tasks", "0" },
		{ "--max-tasks", "-1" },
		{ "--max-queue", "many" },
		{ "--idle-exit", "soon" },
		{ "--ready-fd", "1000" },
		{ "--log-level", "loud" },
		{ "--upper", "paper" },
		{ "--allow-uid", "nobody-has-this-name" },
		{ "--allow-gid", "nobody-has-this-name" },
		{ "--max-disk", "0" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct options o;
		struct err e;
		assert_int_equal(PARSE(&o, &e, bad[i][0], bad[i][1]), -EINVAL);
		assert_non_null(strstr(e.msg, bad[i][0]));
		options_finish(&o);
	}
}

TEST(an_unknown_option_or_a_word_is_refused)
{
	struct options o;
	struct err e;
	assert_int_equal(PARSE(&o, &e, "--nonsense"), -EINVAL);
	assert_non_null(strstr(e.msg, "--nonsense"));
	options_finish(&o);
	assert_int_equal(PARSE(&o, &e, "word"), -EINVAL);
	assert_non_null(strstr(e.msg, "word"));
	options_finish(&o);
	assert_int_equal(PARSE(&o, &e, "--socket"), -EINVAL);
	options_finish(&o);
}

TEST(the_first_question_is_answered_and_nothing_else_is_looked_at)
{
	struct options o;
	struct err e;
	assert_int_equal(PARSE(&o, &e, "--version", "--nonsense"), 0);
	assert_int_equal(o.action, OPTIONS_VERSION);
	options_finish(&o);
	assert_int_equal(PARSE(&o, &e, "--help"), 0);
	assert_int_equal(o.action, OPTIONS_HELP);
	options_finish(&o);
	assert_int_equal(PARSE(&o, &e, "--print-protocol"), 0);
	assert_int_equal(o.action, OPTIONS_PROTOCOL);
	options_finish(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_not_given_has_its_default),
		cmocka_unit_test(a_relative_path_is_made_absolute),
		cmocka_unit_test(values_are_taken_over),
		cmocka_unit_test(a_bad_value_is_refused_with_the_name_of_its_option),
		cmocka_unit_test(an_unknown_option_or_a_word_is_refused),
		cmocka_unit_test(the_first_question_is_answered_and_nothing_else_is_looked_at),
	};
	return RUN_TESTS(tests);
}
