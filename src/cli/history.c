/* dayfly history. */
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/str.h"
#include "base/units.h"
#include "cli/daemon.h"
#include "cli/history_filter.h"
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
#define LIMIT_DEFAULT 50
/* Of one answer. */
#define PAGE_MAX 1000

struct history_options {
	struct history_wish wish;
	const char *limit, *socket;
	bool json, quiet, no_trunc;
};

#define AT(member) offsetof(struct history_options, member)

static const struct option_def options[] = {
	{ OPTION_TEXT, 0, "outcome", "WORD", AT(wish.outcome), NULL, "outcome",
		"only tasks with this outcome: ok, failed, killed, lost..." },
	{ OPTION_TEXT, 0, "cause", "WORD", AT(wish.cause), NULL, "cause",
		"only tasks with this cause: exit, signal, oom, timeout_wall..." },
	{ OPTION_TEXT, 0, "state", "WORD", AT(wish.state), NULL, "state",
		"done, or active: tasks that are not done and older than a second" },
	{ OPTION_TEXT, 'l', "label", "KEY[=VALUE]", AT(wish.label), NULL, "label",
		"only tasks with this label" },
	{ OPTION_TEXT, 0, "name", "NAME", AT(wish.name), NULL, "name",
		"only tasks that had this name" },
	{ OPTION_TEXT, 0, "since", "TIME", AT(wish.since), history_check_time, "since",
		"accepted since: 2026-01-31T09:05:00Z, 2026-01-31 or 2h (ago)" },
	{ OPTION_TEXT, 0, "until", "TIME", AT(wish.until), history_check_time, "until",
		"accepted before that" },
	{ OPTION_TEXT, 'u', "user", "USER", AT(wish.user), history_check_user, "uid",
		"root and the daemon's own user: tasks of this user, by name or id" },
	{ OPTION_FLAG, 'a', "all-users", NULL, AT(wish.all), NULL, "all",
		"root and the daemon's own user: tasks of every user" },
	{ OPTION_TEXT, 'n', "limit", "N", AT(limit), options_check_count, "limit",
		"at most so many, the newest (default 50)" },
	{ OPTION_FLAG, 'q', "quiet", NULL, AT(quiet), NULL, NULL, "print the ids only" },
	{ OPTION_FLAG, 0, "no-trunc", NULL, AT(no_trunc), NULL, NULL,
		"print ids and commands in full" },
	{ OPTION_FLAG, 0, "json", NULL, AT(json), NULL, NULL, "print JSON" },
	OPTION_SOCKET(struct history_options),
};

static const struct command command = {
	.name = "history",
	.operands = "[TASK]",
	.max_operands = 1,
	.summary = "Lists the tasks that the daemon remembers, the newest first: also those from "
		   "before its start.\n"
		   "With TASK prints all about that one, as JSON.",
	.options = options,
	.n_options = ARRAY_SIZE(options),
	.usage_status = 2,
	.failure_status = 1,
};

/* ---- asking ---- */

/* One answer; NULL: what went wrong was said. */
static json_t *ask(struct dayfly_client *c, const struct history_options *o, uint64_t limit,
	const char *before, const char *task)
{
	struct dayfly_error e;
	uint64_t request = 0;
	char **filters =
		history_filters(&o->wish, limit < PAGE_MAX ? limit : PAGE_MAX, before, task);
	if (!filters) {
		message_error("no memory");
		return NULL;
	}
	int made = dayfly_history(c, (const char *const *)filters, &request, &e);
	struct dayfly_event *ev = daemon_answer(&command, c, made, request, &e);
	json_t *answer =
		ev ? json_loads(dayfly_event_result_json(ev), JSON_DECODE_ANY, NULL) : NULL;
	strv_free(filters);
	dayfly_event_free(ev);
	return answer;
}

/* {"tasks","next"} of as many answers as it takes. */
static json_t *ask_all(struct dayfly_client *c, const struct history_options *o, uint64_t limit)
{
	json_t *all = ask(c, o, limit, NULL, NULL);
	json_t *tasks = json_object_get(all, "tasks");
	const char *next;
	while (all && (next = json_string_value(json_object_get(all, "next"))) &&
		json_array_size(tasks) < limit) {
		json_t *more = ask(c, o, limit - json_array_size(tasks), next, NULL);
		bool is_good = more && json_array_size(json_object_get(more, "tasks")) &&
			       json_array_extend(tasks, json_object_get(more, "tasks")) == 0 &&
			       json_object_set(all, "next", json_object_get(more, "next")) == 0;
		json_decref(more);
		if (is_good)
			continue;
		json_decref(all);
		return NULL;
	}
	return all;
}

/* All about one task. */
static int print_one(struct dayfly_client *c, const struct history_options *o, const char *task)
{
	json_t *all = ask(c, o, 1, NULL, task);
	auto_free char *text = all ? json_dumps(all, JSON_INDENT(2)) : NULL;
	json_decref(all);
	return text ? daemon_print(&command, text) : command.failure_status;
}

/* ---- printing ---- */

static void add_id(struct table *t, const struct history_options *o, const json_t *task)
{
	char id[64];
	snprintf(id, sizeof(id), "%.*s", o->no_trunc ? (int)sizeof(id) - 1 : TASK_TEXT_SHORT_ID,
		task_text_of(task, "task"));
	table_add(t, id, 0);
}

static void add_row(struct table *t, const struct history_options *o, const json_t *task)
{
	char text[1024];
	add_id(t, o, task);
	if (o->wish.all) {
		history_user_name(task, text, sizeof(text));
		table_add(t, text, NAME_WIDTH);
	}
	table_add(t, task_text_of(task, "name"), o->no_trunc ? 0 : NAME_WIDTH);
	task_text_state(task, text, sizeof(text));
	table_add(t, text, 0);
	task_text_age(task_text_of(task, "created"), text);
	table_add(t, text, 0);
	history_took(task, text);
	table_add(t, text, 0);
	task_text_command(task, text, sizeof(text));
	table_add(t, text, o->no_trunc ? 0 : COMMAND_WIDTH);
}

static int print_table(const struct history_options *o, const json_t *tasks)
{
	static const char *const heads[] = { "TASK", "USER", "NAME", "STATE", "AGE", "TOOK",
		"COMMAND" };
	struct table t;
	size_t i;
	json_t *task;
	table_init(&t, ARRAY_SIZE(heads) - !o->wish.all);
	for (size_t h = 0; h < ARRAY_SIZE(heads); h++)
		if (h != 1 || o->wish.all)
			table_add(&t, heads[h], 0);
	json_array_foreach ((json_t *)tasks, i, task)
		add_row(&t, o, task);
	return table_show(&t, command.failure_status);
}

static int print_answer(const struct history_options *o, const json_t *answer)
{
	const json_t *tasks = json_object_get(answer, "tasks");
	if (!o->json)
		return o->quiet ? task_text_print_ids(tasks, command.failure_status)
				: print_table(o, tasks);
	auto_free char *text = json_dumps(answer, JSON_COMPACT);
	if (text)
		return daemon_print(&command, text);
	message_error("no memory");
	return command.failure_status;
}

int verb_history(int argc, char **argv)
{
	struct history_options o = { 0 };
	auto_free char **operands = NULL;
	uint64_t limit = LIMIT_DEFAULT;
	int status = options_begin(&command, argc, argv, &o, &operands);
	if (status >= 0)
		return status;
	if (o.limit)
		units_parse_uint(o.limit, INT64_MAX, &limit);
	status = command.failure_status;
	struct dayfly_client *c = daemon_connect(&command, o.socket, 0);
	bool is_one = operands && operands[0];
	json_t *answer = c && !is_one ? ask_all(c, &o, limit ? limit : 1) : NULL;
	if (c && is_one)
		status = print_one(c, &o, operands[0]);
	if (answer)
		status = print_answer(&o, answer);
	json_decref(answer);
	dayfly_client_free(c);
	return status;
}
