/* dayfly ps. */
#include "base/cleanup.h"
#include "base/str.h"
#include "base/units.h"
#include "cli/daemon.h"
#include "cli/message.h"
#include "cli/table.h"
#include "cli/task_text.h"
#include "cli/verbs.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static void add_row(struct table *t, const struct ps_options *o, const json_t *task)
{
	char id[64], text[1024];
	snprintf(id, sizeof(id), "%.*s", o->no_trunc ? (int)sizeof(id) - 1 : TASK_TEXT_SHORT_ID,
		task_text_of(task, "task"));
	table_add(t, id, 0);
	table_add(t, task_text_of(task, "name"), o->no_trunc ? 0 : NAME_WIDTH);
	task_text_state(task, text, sizeof(text));
	table_add(t, text, 0);
	task_text_age(task_text_of(task, "created"), text);
	table_add(t, text, 0);
	task_text_command(task, text, sizeof(text));
	table_add(t, text, o->no_trunc ? 0 : COMMAND_WIDTH);
}

static int print_table(const struct ps_options *o, const json_t *tasks)
{
	static const char *const heads[] = { "TASK", "NAME", "STATE", "AGE", "COMMAND" };
	struct table t;
	size_t i;
	json_t *task;
	table_begin(&t, heads, ARRAY_SIZE(heads));
	json_array_foreach ((json_t *)tasks, i, task)
		add_row(&t, o, task);
	return table_show(&t, command.failure_status);
}

static int print_tasks(const struct ps_options *o, struct dayfly_event *ev)
{
	if (o->json)
		return daemon_print(&command, dayfly_event_result_json(ev));
	json_t *answer = json_loads(dayfly_event_result_json(ev), JSON_DECODE_ANY, NULL);
	const json_t *tasks = json_object_get(answer, "tasks");
	int status = o->quiet ? task_text_print_ids(tasks, command.failure_status)
			      : print_table(o, tasks);
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
