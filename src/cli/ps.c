/* dayfly ps. */
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/units.h"
#include "cli/daemon.h"
#include "cli/message.h"
#include "cli/table.h"
#include "cli/verbs.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* "t-" and the first digits: enough to name a task by. */
#define SHORT_ID      14
#define COMMAND_WIDTH 48
#define NAME_WIDTH    20

struct ps_options {
	const char *label, *socket;
	bool all, json, quiet, no_trunc;
};

#define AT(member) offsetof(struct ps_options, member)

static const struct option_def options[] = {
	{ OPTION_FLAG, 'a', "all", NULL, AT(all), NULL, NULL, "finished tasks too" },
	{ OPTION_TEXT, 'l', "label", "KEY[=VALUE]", AT(label), NULL, "label",
		"only tasks with this label" },
	{ OPTION_FLAG, 'q', "quiet", NULL, AT(quiet), NULL, NULL, "print the ids only" },
	{ OPTION_FLAG, 0, "no-trunc", NULL, AT(no_trunc), NULL, NULL,
		"print ids and commands in full" },
	{ OPTION_FLAG, 0, "json", NULL, AT(json), NULL, NULL, "print JSON" },
	OPTION_SOCKET(struct ps_options),
};

static const struct command command = {
	.name = "ps",
	.operands = "",
	.summary = "Lists the tasks of this user that are not done.",
	.options = options,
	.n_options = ARRAY_SIZE(options),
	.usage_status = 2,
	.failure_status = 1,
};

static const char *text_of(const json_t *task, const char *key)
{
	const char *text = json_string_value(json_object_get(task, key));
	return text ? text : "";
}

/* The time between a stamp of RFC 3339 and now; "" if it is none. */
static void format_age(const char *stamp, char out[UNITS_TEXT_SIZE])
{
	struct tm tm = { 0 };
	out[0] = '\0';
	const char *rest = strptime(stamp, "%Y-%m-%dT%H:%M:%S", &tm);
	time_t then = rest ? timegm(&tm) : -1;
	time_t now = (time_t)(clock_real_ns() / NS_PER_S);
	if (then < 0)
		return;
	if (now > then)
		units_format_duration((uint64_t)(now - then) * NS_PER_S, out);
	else
		snprintf(out, UNITS_TEXT_SIZE, "0 s");
}

static void format_command(const json_t *task, char *out, size_t size)
{
	size_t i, len = 0;
	json_t *word;
	out[0] = '\0';
	json_array_foreach (json_object_get(task, "argv"), i, word) {
		const char *text = json_string_value(word);
		int n = snprintf(out + len, size - len, "%s%s", i ? " " : "", text ? text : "?");
		if (n < 0 || (size_t)n >= size - len)
			break;
		len += (size_t)n;
	}
	if (json_is_true(json_object_get(task, "argv_is_cut")) && len + 5 < size)
		memcpy(out + len, " ...", 5);
}

/* The state; of a finished task how it ended. */
static void format_state(const json_t *task, char *out, size_t size)
{
	const json_t *code = json_object_get(task, "code");
	const char *cause = text_of(task, "cause");
	if (!*cause)
		snprintf(out, size, "%s", text_of(task, "state"));
	else if (!strcmp(cause, "exit") && json_is_integer(code))
		snprintf(out, size, "exit %" JSON_INTEGER_FORMAT, json_integer_value(code));
	else
		snprintf(out, size, "%s", cause);
}

static void add_row(struct table *t, const struct ps_options *o, const json_t *task)
{
	char id[64], text[1024];
	snprintf(id, sizeof(id), "%.*s", o->no_trunc ? (int)sizeof(id) - 1 : SHORT_ID,
		text_of(task, "task"));
	table_add(t, id, 0);
	table_add(t, text_of(task, "name"), o->no_trunc ? 0 : NAME_WIDTH);
	format_state(task, text, sizeof(text));
	table_add(t, text, 0);
	format_age(text_of(task, "created"), text);
	table_add(t, text, 0);
	format_command(task, text, sizeof(text));
	table_add(t, text, o->no_trunc ? 0 : COMMAND_WIDTH);
}

static int print_table(const struct ps_options *o, const json_t *tasks)
{
	static const char *const heads[] = { "TASK", "NAME", "STATE", "AGE", "COMMAND" };
	struct table t;
	size_t i;
	json_t *task;
	table_init(&t, ARRAY_SIZE(heads));
	for (size_t h = 0; h < ARRAY_SIZE(heads); h++)
		table_add(&t, heads[h], 0);
	json_array_foreach ((json_t *)tasks, i, task)
		add_row(&t, o, task);
	int r = table_print(&t, stdout);
	table_finish(&t);
	if (r == 0 && fflush(stdout) == 0)
		return 0;
	message_error("write output: %s", strerror(r < 0 ? -r : errno));
	return command.failure_status;
}

static int print_ids(const json_t *tasks)
{
	size_t i;
	json_t *task;
	json_array_foreach ((json_t *)tasks, i, task)
		puts(text_of(task, "task"));
	return fflush(stdout) == 0 ? 0 : command.failure_status;
}

static int print_tasks(const struct ps_options *o, struct dayfly_event *ev)
{
	if (o->json)
		return daemon_print(&command, dayfly_event_result_json(ev));
	json_t *answer = json_loads(dayfly_event_result_json(ev), JSON_DECODE_ANY, NULL);
	const json_t *tasks = json_object_get(answer, "tasks");
	int status = o->quiet ? print_ids(tasks) : print_table(o, tasks);
	json_decref(answer);
	return status;
}

int verb_ps(int argc, char **argv)
{
	struct ps_options o = { 0 };
	struct dayfly_error e;
	uint64_t request = 0;
	auto_free char **operands = NULL;
	int status = options_begin(&command, argc, argv, &o, &operands);
	if (status >= 0)
		return status;
	status = command.failure_status;
	struct dayfly_client *c = daemon_connect(&command, o.socket, 0);
	struct dayfly_event *ev = NULL;
	if (c) {
		int made = dayfly_list(c, o.all, o.label, &request, &e);
		ev = daemon_answer(&command, c, made, request, &e);
	}
	if (ev)
		status = print_tasks(&o, ev);
	dayfly_event_free(ev);
	dayfly_client_free(c);
	return status;
}
