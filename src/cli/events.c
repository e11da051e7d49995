/* dayfly events. */
#include "base/cleanup.h"
#include "base/str.h"
#include "cli/daemon.h"
#include "cli/json_line.h"
#include "cli/message.h"
#include "cli/output.h"
#include "cli/task_text.h"
#include "cli/verbs.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX 512

struct events_options {
	const char *label, *socket;
	bool all, snapshot, json;
};

#define AT(member) offsetof(struct events_options, member)

static const struct option_def options[] = {
	{ OPTION_FLAG, 'a', "all", NULL, AT(all), NULL, "all",
		"tasks of every user; for root and the daemon's own user" },
	{ OPTION_TEXT, 'l', "label", "KEY[=VALUE]", AT(label), NULL, "label",
		"only tasks with this label" },
	{ OPTION_FLAG, 's', "snapshot", NULL, AT(snapshot), NULL, NULL,
		"begin with the tasks that are not done" },
	{ OPTION_FLAG, 0, "json", NULL, AT(json), NULL, NULL, "print the events as lines of JSON" },
	OPTION_SOCKET(struct events_options),
};

static const struct command command = {
	.name = "events",
	.operands = "[TASK]",
	.summary =
		"Prints a line for each change of state of this user's tasks, as it comes: time, "
		"task, state, name,\n"
		"labels, and of a finished task how it ended. With TASK only of that one, until "
		"it is done.",
	.options = options,
	.n_options = ARRAY_SIZE(options),
	.max_operands = 1,
	.usage_status = 2,
	.failure_status = 1,
};

static void print_padded(const char *text, int width)
{
	char safe[TEXT_MAX];
	str_escape(text, strlen(text), safe, sizeof(safe));
	printf("%-*s", width, safe);
}

static void print_labels(const json_t *labels)
{
	const char *key;
	json_t *value;
	json_object_foreach ((json_t *)labels, key, value) {
		const char *text = json_string_value(value);
		fputs("  ", stdout);
		print_padded(key, 0);
		putchar('=');
		print_padded(text ? text : "?", 0);
	}
}

static void print_end(const json_t *event)
{
	const json_t *code = json_object_get(event, "code");
	fputs("  ", stdout);
	print_padded(task_text_of(event, "outcome"), 0);
	if (strcmp(task_text_of(event, "cause"), "exit") != 0) {
		fputs(", ", stdout);
		print_padded(task_text_of(event, "cause"), 0);
	} else if (json_is_integer(code)) {
		printf(", exit %" JSON_INTEGER_FORMAT, json_integer_value(code));
	}
}

static int print_task(const json_t *event)
{
	const char *name = task_text_of(event, "name");
	print_padded(task_text_of(event, "at"), 0);
	fputs("  ", stdout);
	printf("%.*s", TASK_TEXT_SHORT_ID, task_text_of(event, "task"));
	fputs("  ", stdout);
	print_padded(task_text_of(event, "state"), *name ? 10 : 0);
	if (*name) {
		fputs("  ", stdout);
		print_padded(name, 0);
	}
	print_labels(json_object_get(event, "labels"));
	if (json_is_string(json_object_get(event, "outcome")))
		print_end(event);
	putchar('\n');
	return fflush(stdout) == 0 ? 0 : -errno;
}

static int print_event(const struct events_options *o, const struct dayfly_event *ev)
{
	enum dayfly_event_type type = dayfly_event_type(ev);
	if (type == DAYFLY_EVENT_MISSED && !o->json) {
		message_error("%" PRIu64 " events are missing here", dayfly_event_missed(ev));
		return 0;
	}
	if (type != DAYFLY_EVENT_TASK && !o->json)
		return 0;
	json_t *event = json_loads(dayfly_event_json(ev), 0, NULL);
	if (!event)
		return -ENOMEM;
	int r = o->json ? json_line_print(event, stdout) : print_task(event);
	json_decref(event);
	return r;
}

/* Until the subscription ends or the connection does. Returns the exit status. */
static int follow(const struct events_options *o, struct dayfly_client *c, struct dayfly_error *e)
{
	for (;;) {
		struct dayfly_event *ev = NULL;
		if (dayfly_next(c, -1, &ev, e) < 0) {
			message_report(&command, e);
			return command.failure_status;
		}
		enum dayfly_event_type type = dayfly_event_type(ev);
		int r = type == DAYFLY_EVENT_ERROR ? 0 : print_event(o, ev);
		if (type == DAYFLY_EVENT_ERROR)
			dayfly_event_error(ev, e);
		dayfly_event_free(ev);
		if (r < 0)
			return output_failed(r, command.failure_status);
		if (type == DAYFLY_EVENT_ERROR) {
			message_report(&command, e);
			return command.failure_status;
		}
		if (type == DAYFLY_EVENT_RESULT)
			return 0;
	}
}

int verb_events(int argc, char **argv)
{
	struct events_options o = { 0 };
	struct dayfly_error e;
	auto_free char **operands = NULL;
	int status = options_begin(&command, argc, argv, &o, &operands);
	if (status >= 0)
		return status;
	status = command.failure_status;
	unsigned flags =
		(o.all ? DAYFLY_EVENTS_ALL_USERS : 0) | (o.snapshot ? DAYFLY_EVENTS_SNAPSHOT : 0);
	struct dayfly_client *c = daemon_connect(&command, o.socket, 0);
	if (c && dayfly_events(c, flags, o.label, operands[0], NULL, &e) < 0)
		message_report(&command, &e);
	else if (c)
		status = follow(&o, c, &e);
	dayfly_client_free(c);
	return status;
}
