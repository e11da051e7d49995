/* dayfly drain. */
#include "base/cleanup.h"
#include "base/str.h"
#include "cli/daemon.h"
#include "cli/message.h"
#include "cli/output.h"
#include "cli/verbs.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct drain_options {
	const char *socket;
	bool off, json;
};

static const struct option_def options[] = {
	{ OPTION_FLAG, 0, "off", NULL, offsetof(struct drain_options, off), NULL, NULL,
		"take new tasks again" },
	{ OPTION_FLAG, 0, "json", NULL, offsetof(struct drain_options, json), NULL, NULL,
		"print JSON" },
	OPTION_SOCKET(struct drain_options),
};

static const struct command command = {
	.name = "drain",
	.operands = "",
	.summary = "Lets the daemon take no new tasks. What runs and what waits goes on. For root "
		   "and the daemon's\nown user.",
	.options = options,
	.n_options = ARRAY_SIZE(options),
	.usage_status = 2,
	.failure_status = 1,
};

static int print_drain(const struct drain_options *o, struct dayfly_event *ev)
{
	int64_t is_on = 0, running = 0, waiting = 0;
	if (o->json)
		return daemon_print(&command, dayfly_event_result_json(ev));
	dayfly_event_result_number(ev, "draining", &is_on);
	dayfly_event_result_number(ev, "running", &running);
	dayfly_event_result_number(ev, "waiting", &waiting);
	printf("%s; %" PRId64 " running, %" PRId64 " waiting\n",
		is_on ? "takes no new tasks" : "takes new tasks", running, waiting);
	return output_end(command.failure_status);
}

int verb_drain(int argc, char **argv)
{
	struct drain_options o = { 0 };
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
		int made = dayfly_drain(c, !o.off, &request, &e);
		ev = daemon_answer(&command, c, made, request, &e);
	}
	if (ev)
		status = print_drain(&o, ev);
	dayfly_event_free(ev);
	dayfly_client_free(c);
	return status;
}
