/* Asking the daemon: see daemon.h. */
#include "cli/daemon.h"

#include "base/cleanup.h"
#include "base/str.h"
#include "cli/message.h"
#include "cli/output.h"

#include <errno.h>
#include <stdio.h>

struct dayfly_client *daemon_connect(const struct command *cmd, const char *socket, unsigned flags)
{
	struct dayfly_client *c = NULL;
	struct dayfly_error e;
	if (dayfly_connect(socket, flags, &c, &e) == 0)
		return c;
	message_report(cmd, &e);
	return NULL;
}

void daemon_report(const struct command *cmd, const struct dayfly_client *c, int answered,
	const struct dayfly_error *e)
{
	if (answered < 0)
		message_report(cmd, e);
	else if (answered == 0)
		message_error("the daemon at %s does not answer", dayfly_client_path(c));
}

struct dayfly_event *daemon_answer(const struct command *cmd, struct dayfly_client *c, int made,
	uint64_t request, struct dayfly_error *e)
{
	struct dayfly_event *ev = NULL;
	int r = made < 0 ? made : dayfly_await(c, request, DAEMON_ANSWER_MS, &ev, e);
	daemon_report(cmd, c, r, e);
	return ev;
}

int daemon_print(const struct command *cmd, const char *text)
{
	auto_free char *safe = text ? str_escape_json(text) : NULL;
	if (!safe)
		return output_failed(-ENOMEM, cmd->failure_status);
	puts(safe);
	return output_end(cmd->failure_status);
}
