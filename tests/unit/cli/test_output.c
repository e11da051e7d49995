#include "harness.h"

#include "cli/output.h"

#include "cli/canned_cli.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

TEST(a_reader_that_has_gone_is_no_news)
{
	assert_int_equal(output_failed(-EPIPE, 1), OUTPUT_STATUS_EPIPE);
	assert_int_equal(output_failed(-ENOSPC, 1), 1);
	assert_int_equal(output_failed(-ENOSPC, 125), 125);
}

static const char list[] =
	CANNED_RESULT("{\"tasks\":[{\"task\":\"" CANNED_TASK "\",\"state\":\"done\"}],"
		      "\"metrics\":[{\"name\":\"a\",\"value\":1}]}");

/* Each prints in a way of its own. */
static const char *const verbs[][3] = {
	{ "ps" },
	{ "ps", "--json" },
	{ "ps", "-q" },
	{ "info" },
	{ "drain" },
	{ "stats" },
	{ "stats", "--format=prometheus" },
	{ "uploads" },
	{ "version" },
	{ "run", "--help" },
};

static void run_verb(size_t i, int fd, struct canned_cli *c)
{
	const char *const *v = verbs[i];
	const char *const talks[] = { v[0], "--socket", "SOCKET", v[1], NULL };
	const char *const silent[] = { v[0], v[1], NULL };
	bool is_silent = !strcmp(v[0], "version") || !strcmp(v[0], "run");
	*c = (struct canned_cli){ .replies = { list }, .stdout_fd = fd };
	canned_cli_run(c, is_silent ? silent : talks);
}

TEST(every_verb_ends_in_silence_when_nobody_reads)
{
	struct canned_cli c;
	int ends[2];
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	close(ends[0]);
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		run_verb(i, ends[1], &c);
		if (c.status != 141 || *c.err)
			fail_msg("%s ends with %d: %s", verbs[i][0], c.status, c.err);
	}
	close(ends[1]);
}

TEST(every_verb_tells_of_a_full_disk)
{
	struct canned_cli c;
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		run_verb(i, full, &c);
		if (!c.status || c.status == 141)
			fail_msg("%s ends with %d", verbs[i][0], c.status);
		assert_string_equal(c.err, "dayfly: write output: No space left on device\n");
	}
	close(full);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_reader_that_has_gone_is_no_news),
		cmocka_unit_test(every_verb_ends_in_silence_when_nobody_reads),
		cmocka_unit_test(every_verb_tells_of_a_full_disk),
	};
	return RUN_TESTS(tests);
}
