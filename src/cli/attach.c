/* dayfly attach. */
#include "base/cleanup.h"
#include "base/units.h"
#include "cli/daemon.h"
#include "cli/message.h"
#include "cli/report.h"
#include "cli/stream.h"
#include "cli/verbs.h"

#include <stdlib.h>

struct attach_options {
	const char *after, *socket;
	bool interactive, json;
};

static const struct option_def options[] = {
	{ OPTION_FLAG, 'i', "interactive", NULL, offsetof(struct attach_options, interactive), NULL,
		NULL, "send our stdin to the task" },
	{ OPTION_TEXT, 0, "after", "SEQ", offsetof(struct attach_options, after),
		options_check_count, "after",
		"only output after the piece with this number (see --json)" },
	{ OPTION_FLAG, 0, "json", NULL, offsetof(struct attach_options, json), NULL, NULL,
		"print the events as lines of JSON in place of the output" },
	OPTION_SOCKET(struct attach_options),
};

static const struct command command = {
	.name = "attach",
	.operands = "TASK",
	.summary = "Follows a task as if it had been started here: first what is kept of its "
		   "output, then what comes;\n"
		   "exits as dayfly run would have done.",
	.more = "Ctrl-C once sends SIGINT to the task, twice kills it; to look only, use dayfly "
		"logs -f. With -i and\n"
		"a task that has a terminal, Ctrl-P Ctrl-Q leaves it alone again.\n",
	.options = options,
	.n_options = ARRAY_SIZE(options),
	.min_operands = 1,
	.max_operands = 1,
	.usage_status = 125,
	.failure_status = 125,
};

/* Whether the task has a terminal; -1 after a message. */
static int has_terminal(struct dayfly_client *c, const char *task)
{
	struct dayfly_error e;
	uint64_t request = 0;
	int64_t has_tty = 0;
	int made = dayfly_inspect(c, task, &request, &e);
	struct dayfly_event *ev = daemon_answer(&command, c, made, request, &e);
	if (!ev)
		return -1;
	dayfly_event_result_number(ev, "spec.tty", &has_tty);
	dayfly_event_free(ev);
	return has_tty != 0;
}

static int attach(const struct attach_options *o, struct dayfly_client *c, const char *task)
{
	struct dayfly_event *last = NULL;
	struct dayfly_error e;
	uint64_t after = 0;
	int is_raw = o->interactive && !o->json ? has_terminal(c, task) : 0;
	if (is_raw < 0)
		return command.failure_status;
	struct stream s = {
		.client = c,
		.command = &command,
		.signals = STREAM_SIGNALS_TASK,
		.prints_json = o->json,
		.wants_input = o->interactive,
		.wants_raw = is_raw,
		.can_detach = true,
	};
	if (o->after)
		units_parse_uint(o->after, INT64_MAX, &after);
	if (o->json)
		dayfly_client_set_framing(c, DAYFLY_FRAMING_JSON);
	int status = stream_begin(&s);
	if (status == 0 && dayfly_attach(c, task, after, &s.request, &e) < 0) {
		stream_finish(&s);
		message_report(&command, &e);
		return command.failure_status;
	}
	if (status == 0)
		status = stream_run(&s, &last);
	if (last)
		status = report_end(&command, last, o->json);
	dayfly_event_free(last);
	return status;
}

int verb_attach(int argc, char **argv)
{
	struct attach_options o = { 0 };
	auto_free char **operands = NULL;
	int status = options_begin(&command, argc, argv, &o, &operands);
	if (status >= 0)
		return status;
	struct dayfly_client *c = daemon_connect(&command, o.socket, 0);
	status = c ? attach(&o, c, operands[0]) : command.failure_status;
	dayfly_client_free(c);
	return status;
}
