/* dayfly top: its options, and plain tables and JSON. The screen: top_screen.c. */
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/units.h"
#include "cli/daemon.h"
#include "cli/json_line.h"
#include "cli/message.h"
#include "cli/output.h"
#include "cli/terminal.h"
#include "cli/top_layout.h"
#include "cli/top_screen.h"
#include "cli/verbs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define INTERVAL_MIN 100
#define INTERVAL_MAX (24ull * 3600 * 1000)

struct top_options {
	const char *interval, *count, *sort, *label, *socket;
	bool all, once, json;
};

static int check_interval(const char *text, struct err *e)
{
	uint64_t ms;
	int r = options_check_duration(text, e);
	if (r < 0)
		return r;
	if (units_parse_duration(text, &ms) == 0 && ms >= INTERVAL_MIN && ms <= INTERVAL_MAX)
		return 0;
	return err_set(e, ERR_OUT_OF_RANGE, 0, "\"%s\" is not between 100ms and 24h", text);
}

static int check_iterations(const char *text, struct err *e)
{
	uint64_t n;
	if (units_parse_uint(text, INT64_MAX, &n) == 0 && n > 0)
		return 0;
	return err_set(e, ERR_BAD_VALUE, 0, "\"%s\" is not a whole number above 0", text);
}

static int check_sort(const char *text, struct err *e)
{
	if (top_sort_from_name(text) != TOP_SORT_COUNT)
		return 0;
	err_set(e, ERR_BAD_VALUE, 0, "\"%s\" is no order", text);
	err_hint(e, "write cpu, memory, output or age");
	return -EINVAL;
}

#define AT(member) offsetof(struct top_options, member)

static const struct option_def options[] = {
	{ OPTION_TEXT, 'd', "interval", "TIME", AT(interval), check_interval, NULL,
		"between two looks; default 1s" },
	{ OPTION_TEXT, 'n', "iterations", "N", AT(count), check_iterations, NULL,
		"print N plain tables, and end" },
	{ OPTION_FLAG, 0, "once", NULL, AT(once), NULL, NULL, "the same as -n 1" },
	{ OPTION_TEXT, 's', "sort", "ORDER", AT(sort), check_sort, NULL,
		"cpu (default), memory, output or age" },
	{ OPTION_FLAG, 'a', "all", NULL, AT(all), NULL, NULL, "finished tasks too" },
	{ OPTION_TEXT, 'l', "label", "KEY[=VALUE]", AT(label), NULL, "label",
		"only tasks with this label" },
	{ OPTION_FLAG, 0, "json", NULL, AT(json), NULL, NULL,
		"print a line of JSON for each look, with no end unless -n says so" },
	OPTION_SOCKET(struct top_options),
};

static const struct command command = {
	.name = "top",
	.operands = "",
	.summary = "Shows the tasks of this user and what they use, until q is pressed. Without a "
		   "terminal it prints\n"
		   "one plain table.",
	.more = "CPU% is 100 for one CPU; OUTPUT/S is what is written to stdout and stderr; PIDS "
		"counts processes and\n"
		"threads; POS tasks start before it. What is not known is left empty. The first "
		"look shows averages\n"
		"since the start of each task, every other one what has been since the last. The "
		"space bar looks at\n"
		"once.\n",
	.options = options,
	.n_options = ARRAY_SIZE(options),
	.usage_status = 2,
	.failure_status = 1,
};

static int print_json(const struct top_model *m)
{
	char at[CLOCK_RFC3339_SIZE];
	clock_format_rfc3339(clock_real_ns(), at);
	json_t *all = top_model_to_json(m, at);
	int r = all ? json_line_print(all, stdout) : -ENOMEM;
	json_decref(all);
	return r;
}

static int print_table(const struct top_model *m, bool is_first)
{
	char clock_text[TOP_CLOCK_SIZE];
	unsigned rows, cols;
	struct buf out;
	terminal_size(&rows, &cols);
	top_clock(clock_text);
	const struct top_screen screen = {
		.cols = isatty(STDOUT_FILENO) ? cols : 0,
		.line_end = "\n",
		.clock_text = clock_text,
	};
	buf_init(&out, 0);
	int r = is_first ? 0 : buf_add_str(&out, "\n");
	if (r == 0)
		r = top_layout(m, &screen, &out);
	if (r == 0)
		r = buf_add_str(&out, "\n");
	if (r == 0 && (fwrite(buf_data(&out), 1, buf_len(&out), stdout) != buf_len(&out) ||
			      fflush(stdout) != 0))
		r = -errno;
	buf_finish(&out);
	return r;
}

/* One look. Returns 0 or the exit status. */
static int look(const struct top_options *o, struct dayfly_client *c, struct top_model *m)
{
	struct dayfly_error e;
	uint64_t request = 0;
	int made = dayfly_list_usage(c, o->all, o->label, &request, &e);
	struct dayfly_event *ev = daemon_answer(&command, c, made, request, &e);
	if (!ev)
		return command.failure_status;
	json_t *answer = json_loads(dayfly_event_result_json(ev), JSON_DECODE_ANY, NULL);
	dayfly_event_free(ev);
	if (!answer || top_model_update(m, answer) < 0) {
		message_error("no memory for the list");
		return command.failure_status;
	}
	return 0;
}

/* count 0: without end. Returns the exit status. */
static int print_looks(const struct top_options *o, struct dayfly_client *c, struct top_model *m,
	uint64_t count, uint64_t interval_ms)
{
	const struct timespec pause = {
		.tv_sec = (time_t)(interval_ms / 1000),
		.tv_nsec = (long)(interval_ms % 1000 * NS_PER_MS),
	};
	for (uint64_t i = 0; !count || i < count; i++) {
		if (i)
			nanosleep(&pause, NULL);
		int status = look(o, c, m);
		if (status)
			return status;
		int r = o->json ? print_json(m) : print_table(m, i == 0);
		if (r < 0)
			return output_failed(r, command.failure_status);
	}
	return 0;
}

static int run(const struct top_options *o, struct dayfly_client *c, struct top_model *m)
{
	uint64_t interval_ms = 1000, count = 0;
	bool has_screen = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
	if (o->interval)
		units_parse_duration(o->interval, &interval_ms);
	if (o->count)
		units_parse_uint(o->count, INT64_MAX, &count);
	if (o->once)
		count = 1;
	if (has_screen && !count && !o->json)
		return top_screen_run(&command, c, m, interval_ms, o->all, o->label);
	return print_looks(o, c, m, count || o->json ? count : 1, interval_ms);
}

int verb_top(int argc, char **argv)
{
	struct top_options o = { 0 };
	struct top_model m;
	auto_free char **operands = NULL;
	int status = options_begin(&command, argc, argv, &o, &operands);
	if (status >= 0)
		return status;
	top_model_init(&m, o.sort ? top_sort_from_name(o.sort) : TOP_SORT_CPU);
	struct dayfly_client *c = daemon_connect(&command, o.socket, 0);
	status = c ? run(&o, c, &m) : command.failure_status;
	dayfly_client_free(c);
	top_model_finish(&m);
	return status;
}
