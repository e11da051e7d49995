/* dayfly run: its options are in run_options.c, what is asked for with them in run_task.c. */
#include "base/cleanup.h"
#include "base/err.h"
#include "cli/artifacts.h"
#include "cli/changes.h"
#include "cli/daemon.h"
#include "cli/git_agent.h"
#include "cli/message.h"
#include "cli/report.h"
#include "cli/run_priv.h"
#include "cli/stream.h"
#include "cli/verbs.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* So many are asked, one after the other, while each says that it stops. */
#define DAEMONS_MAX 10

/*
 * A daemon that stops takes no task, and says so. Where a service manager holds the socket, the
 * next daemon can be asked; elsewhere nobody listens now. NULL: that is how it stays.
 */
static struct dayfly_client *next_daemon(
	const struct run_options *o, const struct dayfly_error *refusal)
{
	struct dayfly_client *c = NULL;
	struct dayfly_error e;
	if (strcmp(refusal->code, err_code_name(ERR_SHUTDOWN)) != 0)
		return NULL;
	return dayfly_connect(o->socket, 0, &c, &e) == 0 ? c : NULL;
}

static int detach(const struct run_options *o, struct dayfly_client *c, const struct dayfly_task *t,
	struct dayfly_client **ret_next)
{
	struct dayfly_error e;
	uint64_t request = 0;
	struct dayfly_event *ev = NULL;
	int r = dayfly_run(c, t, DAYFLY_RUN_DETACH, &request, &e);
	if (r == 0)
		r = dayfly_await(c, request, DAEMON_ANSWER_MS, &ev, &e);
	if (r < 0 && ret_next && (*ret_next = next_daemon(o, &e)))
		return STATUS_FAILURE;
	daemon_report(&run_command, c, r, &e);
	if (!ev)
		return STATUS_FAILURE;
	int status = daemon_print(&run_command, dayfly_event_result_text(ev, "task"));
	dayfly_event_free(ev);
	return status;
}

static int write_result(const struct run_options *o, struct dayfly_event *last)
{
	if (!o->result)
		return 0;
	const char *json = dayfly_event_result_json(last);
	auto_free char *refused = NULL;
	/* No task, no record: what the daemon said instead is inside the event. */
	if (!json && asprintf(&refused, "{\"outcome\":\"rejected\",\"answer\":%s}",
			     dayfly_event_json(last)) < 0)
		refused = NULL;
	int r = json || refused ? report_write(o->result, json ? json : refused) : -ENOMEM;
	if (r < 0)
		message_error("--result %s: %s", o->result, strerror(-r));
	return r;
}

/* What is to be kept of the task beside its result, and what was lent to it. */
struct takings {
	struct changes changes;
	struct artifacts_out artifacts;
	struct git_agent *agent;
};

/* Whoever sees an empty directory is to know why. */
static void tell_submodules(const struct run_options *o, const struct dayfly_event *last)
{
	char text[120];
	int64_t n;
	if (!o->git.where || o->git.submodules || o->json ||
		dayfly_event_result_number(last, "source.submodules", &n) < 0 || n <= 0)
		return;
	snprintf(text, sizeof(text),
		"%" PRId64 " submodule%s %s not there (--git-submodules fetches them)", n,
		n == 1 ? "" : "s", n == 1 ? "is" : "are");
	message_plain(text);
}

static void on_running(void *agent)
{
	git_agent_end(agent);
}

static int run_here(const struct run_options *o, struct dayfly_client *c,
	const struct dayfly_task *t, struct takings *takings, struct dayfly_client **ret_next)
{
	struct stream s = {
		.client = c,
		.command = &run_command,
		.signals = o->keep ? STREAM_SIGNALS_TASK : STREAM_SIGNALS_OWN,
		.prints_json = o->json,
		.wants_input = o->interactive,
		.wants_raw = o->tty,
		.can_detach = o->keep,
		/* What it was fetched with is of no use now, but to make a patch of its changes the
		 * repository may be asked again. */
		.on_running = o->changes_file ? NULL : on_running,
		.owner = takings->agent,
	};
	struct dayfly_event *last = NULL;
	struct dayfly_error e;
	if (o->json)
		dayfly_client_set_framing(c, DAYFLY_FRAMING_JSON);
	int status = stream_begin(&s);
	if (status == 0 && dayfly_run(c, t, 0, &s.request, &e) < 0) {
		stream_finish(&s);
		message_report(&run_command, &e);
		return STATUS_FAILURE;
	}
	if (status == 0)
		status = stream_run(&s, &last);
	if (!last)
		return status;
	/* With --json the refusal is printed already, and for the reader to act upon. */
	if (ret_next && !o->json && dayfly_event_type(last) == DAYFLY_EVENT_ERROR &&
		dayfly_event_error(last, &e) && (*ret_next = next_daemon(o, &e))) {
		dayfly_event_free(last);
		return STATUS_FAILURE;
	}
	status = report_end(&run_command, last, o->json);
	tell_submodules(o, last);
	if (s.end_signal && !strcmp(dayfly_event_cause(last), "cancel"))
		status = 128 + s.end_signal;
	changes_note(&takings->changes, last);
	artifacts_note(&takings->artifacts, last);
	int waited = artifacts_wait(&takings->artifacts, &run_command, c, s.task, o->json);
	status = status ? status : waited;
	if (write_result(o, last) < 0 && status == 0)
		status = STATUS_FAILURE;
	dayfly_event_free(last);
	return status;
}

static int run(const struct run_options *o, char **argv, struct git_agent *agent)
{
	struct takings takings = {
		.changes = {
			.file = o->changes_file,
			.format = o->changes_format,
			.branch = o->changes_branch,
			.workspace = o->workspace,
			.git = o->git.where ? &o->git : NULL,
			.back = { .when = o->apply, .files = o->files, .tty_fd = -1 },
		},
		.artifacts = { .globs = o->artifacts,
			.dir = o->artifacts_to,
			.timeout = o->artifacts_timeout,
			.upload = o->upload,
			.url = o->upload_url,
			.credentials = o->upload_credentials,
			.no_wait = o->no_wait_upload,
			.tar_fd = -1 },
		.agent = agent,
	};
	struct changes *changes = &takings.changes;
	if (changes_check(changes, o->detach, o->keep) < 0 ||
		artifacts_check(&takings.artifacts, o->detach) < 0)
		return STATUS_FAILURE;
	/* The task first: a mistake in it must not start a daemon. */
	struct dayfly_task *t = run_task_make(o, argv, o->apply ? &changes->back : NULL);
	if (!t) {
		write_back_finish(&changes->back);
		return STATUS_FAILURE;
	}
	struct dayfly_client *c = NULL;
	int status = STATUS_FAILURE;
	if (changes_begin(changes, t) == 0 && artifacts_begin(&takings.artifacts, t) == 0)
		c = daemon_connect(
			&run_command, o->socket, o->no_autostart ? 0 : DAYFLY_CONNECT_AUTOSTART);
	for (int i = 1; c; i++) {
		struct dayfly_client *next = NULL, **ret_next = i < DAEMONS_MAX ? &next : NULL;
		status = o->detach ? detach(o, c, t, ret_next)
				   : run_here(o, c, t, &takings, ret_next);
		dayfly_client_free(c);
		c = next;
	}
	dayfly_task_free(t);
	bool failed = artifacts_end(&takings.artifacts, o->json) < 0;
	failed = changes_end(changes, &run_command, o->socket) < 0 || failed;
	if (failed && status == 0)
		status = STATUS_FAILURE;
	return status;
}

/* Before everything else: what stands for the agent must hold no descriptor of the task's. */
static int run_with_agent(struct run_options *o, char **argv)
{
	struct git_agent agent = { 0 };
	struct err e;
	if (o->git.agent && git_agent_begin(&agent, o->git.agent, &e) < 0) {
		message_error("--git-agent: %s", e.msg);
		message_detail("fix", e.hint);
		return STATUS_FAILURE;
	}
	o->git.agent_fd = agent.dir_fd;
	int status = run(o, argv, &agent);
	git_agent_end(&agent);
	return status;
}

int verb_run(int argc, char **argv)
{
	struct run_options o = { 0 };
	auto_free char **operands = NULL;
	int status = options_begin(&run_command, argc, argv, &o, &operands);
	if (status >= 0)
		return status;
	status = run_options_check(&o) == 0 ? run_with_agent(&o, operands) : STATUS_FAILURE;
	options_finish(&run_command, &o);
	return status;
}
