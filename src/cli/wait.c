/* dayfly wait. */
#include "base/cleanup.h"
#include "cli/daemon.h"
#include "cli/message.h"
#include "cli/report.h"
#include "cli/stream.h"
#include "cli/verbs.h"

#include <stdlib.h>
#include <string.h>

struct wait_options {
	const char *result, *socket;
	bool json;
};

static const struct option_def options[] = {
	{ OPTION_FLAG, 0, "json", NULL, offsetof(struct wait_options, json), NULL, NULL,
		"print the record of the finished task" },
	{ OPTION_TEXT, 0, "result", "FILE", offsetof(struct wait_options, result),
		report_check_file, NULL, "write the record of the finished task there, as JSON" },
	OPTION_SOCKET(struct wait_options),
};

static const struct command command = {
	.name = "wait",
	.operands = "TASK",
	.summary = "Waits for the end of a task and exits as dayfly run would have done.",
	.options = options,
	.n_options = ARRAY_SIZE(options),
	.min_operands = 1,
	.max_operands = 1,
	.usage_status = 125,
	.failure_status = 125,
};

static int finish(const struct wait_options *o, struct dayfly_event *last)
{
	int status = report_end(&command, last, o->json);
	const char *json = dayfly_event_result_json(last);
	int r = o->result && json ? report_write(o->result, json) : 0;
	if (r < 0)
		message_error("--result %s: %s", o->result, strerror(-r));
	if (o->json && json)
		r = daemon_print(&command, json) == 0 ? r : -1;
	return r < 0 && status == 0 ? command.failure_status : status;
}

static int wait_for(const struct wait_options *o, struct dayfly_client *c, const char *task)
{
	struct stream s = { .client = c, .command = &command, .signals = STREAM_SIGNALS_LEAVE };
	struct dayfly_event *last = NULL;
	struct dayfly_error e;
	int status = stream_begin(&s);
	/* The first answer is the last one: it may take as long as the task. */
	s.answer_deadline_ns = UINT64_MAX;
	if (status == 0 && dayfly_wait(c, task, &s.request, &e) < 0) {
		stream_finish(&s);
		message_report(&command, &e);
		return command.failure_status;
	}
	if (status == 0)
		status = stream_run(&s, &last);
	if (last)
		status = finish(o, last);
	dayfly_event_free(last);
	return status;
}

int verb_wait(int argc, char **argv)
{
	struct wait_options o = { 0 };
	auto_free char **operands = NULL;
	int status = options_begin(&command, argc, argv, &o, &operands);
	if (status >= 0)
		return status;
	struct dayfly_client *c = daemon_connect(&command, o.socket, 0);
	status = c ? wait_for(&o, c, operands[0]) : command.failure_status;
	dayfly_client_free(c);
	return status;
}
