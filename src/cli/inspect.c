/* dayfly inspect. */
#include "base/cleanup.h"
#include "cli/daemon.h"
#include "cli/verbs.h"

#include <stdlib.h>

struct inspect_options {
	const char *socket;
};

static const struct option_def options[] = {
	OPTION_SOCKET(struct inspect_options),
};

static const struct command command = {
	.name = "inspect",
	.operands = "TASK...",
	.summary = "Prints everything known of a task, as JSON: what was asked for, its state, and "
		   "its result when it is\n"
		   "done.",
	.options = options,
	.n_options = ARRAY_SIZE(options),
	.min_operands = 1,
	.max_operands = -1,
	.usage_status = 2,
	.failure_status = 1,
};

static int inspect(struct dayfly_client *c, const char *task)
{
	struct dayfly_error e;
	uint64_t request = 0;
	int made = dayfly_inspect(c, task, &request, &e);
	struct dayfly_event *ev = daemon_answer(&command, c, made, request, &e);
	if (!ev)
		return command.failure_status;
	json_t *all = json_loads(dayfly_event_result_json(ev), JSON_DECODE_ANY, NULL);
	auto_free char *text = json_dumps(all, JSON_INDENT(2) | JSON_ENCODE_ANY);
	json_decref(all);
	dayfly_event_free(ev);
	return daemon_print(&command, text);
}

int verb_inspect(int argc, char **argv)
{
	struct inspect_options o = { 0 };
	auto_free char **tasks = NULL;
	int status = options_begin(&command, argc, argv, &o, &tasks);
	if (status >= 0)
		return status;
	struct dayfly_client *c = daemon_connect(&command, o.socket, 0);
	status = c ? 0 : command.failure_status;
	for (char **task = tasks; c && *task; task++)
		if (inspect(c, *task) != 0)
			status = command.failure_status;
	dayfly_client_free(c);
	return status;
}
