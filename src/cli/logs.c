/* dayfly logs. */
#include "base/cleanup.h"
#include "base/units.h"
#include "cli/daemon.h"
#include "cli/message.h"
#include "cli/stream.h"
#include "cli/verbs.h"

#include <stdlib.h>

struct logs_options {
	const char *after, *socket;
	bool follow, json;
};

static const struct option_def options[] = {
	{ OPTION_FLAG, 'f', "follow", NULL, offsetof(struct logs_options, follow), NULL, NULL,
		"go on until the task is done" },
	{ OPTION_TEXT, 0, "after", "SEQ", offsetof(struct logs_options, after), options_check_count,
		"after", "only output after the piece with this number (see --json)" },
	{ OPTION_FLAG, 0, "json", NULL, offsetof(struct logs_options, json), NULL, NULL,
		"print the events as lines of JSON in place of the output" },
	OPTION_SOCKET(struct logs_options),
};

static const struct command command = {
	.name = "logs",
	.operands = "TASK",
	.summary = "Prints what is kept of a task's output: its stdout on stdout, its stderr on "
		   "stderr.",
	.options = options,
	.n_options = ARRAY_SIZE(options),
	.min_operands = 1,
	.max_operands = 1,
	.usage_status = 2,
	.failure_status = 1,
};

static int print_logs(const struct logs_options *o, struct dayfly_client *c, const char *task)
{
	struct stream s = {
		.client = c,
		.command = &command,
		.signals = STREAM_SIGNALS_LEAVE,
		.prints_json = o->json,
	};
	struct dayfly_event *last = NULL;
	struct dayfly_error e;
	uint64_t after = 0;
	if (o->after)
		units_parse_uint(o->after, INT64_MAX, &after);
	if (o->json)
		dayfly_client_set_framing(c, DAYFLY_FRAMING_JSON);
	int status = stream_begin(&s);
	/* A task that says nothing has nothing to follow. */
	if (o->follow)
		s.answer_deadline_ns = UINT64_MAX;
	if (status == 0 && dayfly_logs(c, task, after, o->follow, &s.request, &e) < 0) {
		stream_finish(&s);
		message_report(&command, &e);
		return command.failure_status;
	}
	if (status == 0)
		status = stream_run(&s, &last);
	if (last && dayfly_event_type(last) == DAYFLY_EVENT_ERROR) {
		dayfly_event_error(last, &e);
		message_report(&command, &e);
		status = command.failure_status;
	}
	/* What was asked for was not there. */
	if (status == 0 && s.is_gone)
		status = command.failure_status;
	dayfly_event_free(last);
	return status;
}

int verb_logs(int argc, char **argv)
{
	struct logs_options o = { 0 };
	auto_free char **operands = NULL;
	int status = options_begin(&command, argc, argv, &o, &operands);
	if (status >= 0)
		return status;
	struct dayfly_client *c = daemon_connect(&command, o.socket, 0);
	status = c ? print_logs(&o, c, operands[0]) : command.failure_status;
	dayfly_client_free(c);
	return status;
}
