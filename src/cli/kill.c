/* dayfly kill. */
#include "base/cleanup.h"
#include "cli/daemon.h"
#include "cli/verbs.h"

#include <stdlib.h>

struct kill_options {
	const char *signal, *socket;
};

static const struct option_def options[] = {
	{ OPTION_TEXT, 's', "signal", "SIGNAL", offsetof(struct kill_options, signal), NULL,
		"signal", "only send this signal (TERM, SIGUSR1, 15)" },
	OPTION_SOCKET(struct kill_options),
};

static const struct command command = {
	.name = "kill",
	.operands = "TASK...",
	.summary = "Ends tasks: SIGTERM, the grace time, SIGKILL. TASK is an id, the beginning of "
		   "one, or a name.",
	.options = options,
	.n_options = ARRAY_SIZE(options),
	.min_operands = 1,
	.max_operands = -1,
	.usage_status = 2,
	.failure_status = 1,
};

static int end_task(struct dayfly_client *c, const struct kill_options *o, const char *task)
{
	struct dayfly_error e;
	uint64_t request = 0;
	int made = o->signal ? dayfly_signal(c, task, o->signal, &request, &e)
			     : dayfly_cancel(c, task, &request, &e);
	struct dayfly_event *ev = daemon_answer(&command, c, made, request, &e);
	dayfly_event_free(ev);
	return ev ? 0 : command.failure_status;
}

int verb_kill(int argc, char **argv)
{
	struct kill_options o = { 0 };
	auto_free char **tasks = NULL;
	int status = options_begin(&command, argc, argv, &o, &tasks);
	if (status >= 0)
		return status;
	struct dayfly_client *c = daemon_connect(&command, o.socket, 0);
	status = c ? 0 : command.failure_status;
	for (char **task = tasks; c && *task; task++)
		if (end_task(c, &o, *task) != 0)
			status = command.failure_status;
	dayfly_client_free(c);
	return status;
}
