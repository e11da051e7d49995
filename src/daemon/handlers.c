/* The operations: see handlers.h. */
#include "daemon/handlers.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/id.h"
#include "base/log.h"
#include "base/str.h"
#include "daemon/describe.h"
#include "daemon/jobs.h"
#include "daemon/past.h"
#include "daemon/policy.h"
#include "daemon/recovery.h"
#include "daemon/server.h"
#include "daemon/stream.h"
#include "daemon/submit.h"
#include "daemon/subscription.h"
#include "daemon/usage.h"
#include "plan/build.h"
#include "proto/answer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

/* ---- on one task ---- */

static int find(struct connection *c, const struct request *rq, struct job **ret, struct err *e)
{
	return jobs_find(&c->server->jobs, c->uid, rq->task, ret, e);
}

static bool is_unknown(int r, struct connection *c)
{
	return r == -ENOENT && past_is_there(&c->server->past);
}

static int handle_follow(struct connection *c, struct request *rq, size_t line_len, struct err *e)
{
	struct job *j;
	int r = find(c, rq, &j, e);
	if (is_unknown(r, c))
		return past_find(c, rq, e);
	if (r == 0)
		r = stream_check_room(c, e);
	if (r < 0)
		return r;
	r = stream_create(c, j, rq);
	return r < 0 ? err_set(e, ERR_INTERNAL, -r, "follow the task") : 0;
}

static int handle_resize(struct connection *c, struct request *rq, size_t line_len, struct err *e)
{
	struct job *j;
	int r = find(c, rq, &j, e);
	if (r == 0)
		r = task_resize(j->task, rq->rows, rq->cols, e);
	if (r == 0)
		connection_send_result(c, rq->id, NULL, json_object());
	return r;
}

static int handle_signal(struct connection *c, struct request *rq, size_t line_len, struct err *e)
{
	struct job *j;
	int signo = signal_number(rq->signal);
	int r = find(c, rq, &j, e);
	if (r == 0 && signo < 0)
		r = err_set_field(
			e, ERR_BAD_VALUE, "signal", "there is no signal \"%s\"", rq->signal);
	if (r == 0)
		r = task_signal(j->task, signo, e);
	if (r == 0)
		connection_send_result(c, rq->id, NULL, json_object());
	return r;
}

static int handle_cancel(struct connection *c, struct request *rq, size_t line_len, struct err *e)
{
	struct job *j;
	int r = find(c, rq, &j, e);
	if (r < 0)
		return r;
	task_handle(j->task, EVENT_CANCEL);
	connection_send_result(c, rq->id, NULL, describe_task_state(j->task));
	return 0;
}

static int handle_inspect(struct connection *c, struct request *rq, size_t line_len, struct err *e)
{
	struct job *j;
	int r = find(c, rq, &j, e);
	/* Of a task of an earlier daemon the history knows more. */
	if (is_unknown(r, c) || (r == 0 && j->is_recovered && past_is_there(&c->server->past)))
		return past_find(c, rq, e);
	if (r == 0)
		connection_send_result(c, rq->id, NULL, describe_job(c->server, j));
	return r;
}

/* ---- on all ---- */

static int handle_list(struct connection *c, struct request *rq, size_t line_len, struct err *e)
{
	if (rq->usage)
		return usage_list(c, rq, e);
	connection_send_result(
		c, rq->id, NULL, describe_list(c->server, c->uid, rq->all, rq->label, false));
	return 0;
}

static int handle_info(struct connection *c, struct request *rq, size_t line_len, struct err *e)
{
	connection_send_result(c, rq->id, NULL, describe_server(c->server, c->uid));
	return 0;
}

static int handle_ping(struct connection *c, struct request *rq, size_t line_len, struct err *e)
{
	connection_send_result(c, rq->id, NULL, describe_version());
	return 0;
}

int handlers_check_owner(const struct connection *c, struct err *e)
{
	uid_t owner = c->server->start->is_root_mode ? 0 : geteuid();
	if (c->uid == 0 || c->uid == owner)
		return 0;
	return err_set(e, ERR_NOT_ALLOWED, 0, "only root and the daemon's own user may do that");
}

static int handle_stats(struct connection *c, struct request *rq, size_t line_len, struct err *e)
{
	int r = handlers_check_owner(c, e);
	if (r == 0)
		connection_send_result(c, rq->id, NULL, describe_stats(c->server));
	return r;
}

static int handle_events(struct connection *c, struct request *rq, size_t line_len, struct err *e)
{
	struct job *only = NULL;
	int r = rq->all ? handlers_check_owner(c, e) : 0;
	if (r == 0 && rq->all && rq->task)
		return err_set_field(e, ERR_BAD_VALUE, "all", "is not allowed beside \"task\"");
	if (r == 0 && rq->task)
		r = find(c, rq, &only, e);
	return r < 0 ? r : subscription_create(c, rq, only, e);
}

static int handle_unsubscribe(
	struct connection *c, struct request *rq, size_t line_len, struct err *e)
{
	int r = subscription_end(c, rq->request, e);
	if (r == 0)
		connection_send_result(c, rq->id, NULL, json_object());
	return r;
}

static int handle_drain(struct connection *c, struct request *rq, size_t line_len, struct err *e)
{
	struct server *s = c->server;
	int r = handlers_check_owner(c, e);
	if (r < 0)
		return r;
	if (s->takes_none != rq->on)
		log_info("uid %u: %s", (unsigned)c->uid,
			rq->on ? "no new tasks are taken" : "new tasks are taken again");
	s->takes_none = rq->on;
	connection_send_result(c, rq->id, NULL,
		json_pack("{s:b, s:I, s:I}", "draining", s->takes_none, "running",
			(json_int_t)s->sched.n_running, "waiting", (json_int_t)s->sched.n_ready));
	return 0;
}

static int handle_history(struct connection *c, struct request *rq, size_t line_len, struct err *e)
{
	return past_list(c, rq, e);
}

static int handle_uploads(struct connection *c, struct request *rq, size_t line_len, struct err *e)
{
	return uploads_handle(c, rq, e);
}

static int (*const handlers[OP_COUNT])(
	struct connection *c, struct request *rq, size_t line_len, struct err *e) = {
	[OP_RUN] = submit_run,
	[OP_ATTACH] = handle_follow,
	[OP_RESIZE] = handle_resize,
	[OP_SIGNAL] = handle_signal,
	[OP_CANCEL] = handle_cancel,
	[OP_LIST] = handle_list,
	[OP_INSPECT] = handle_inspect,
	[OP_WAIT] = handle_follow,
	[OP_LOGS] = handle_follow,
	[OP_INFO] = handle_info,
	[OP_PING] = handle_ping,
	[OP_DRAIN] = handle_drain,
	[OP_STATS] = handle_stats,
	[OP_EVENTS] = handle_events,
	[OP_UNSUBSCRIBE] = handle_unsubscribe,
	[OP_HISTORY] = handle_history,
	[OP_UPLOADS] = handle_uploads,
};

int handle_request(struct connection *c, struct request *rq, size_t line_len, struct err *e)
{
	if ((unsigned)rq->op >= OP_COUNT || !handlers[rq->op])
		return err_set(e, ERR_UNKNOWN_OP, 0, "the operation is not known");
	return handlers[rq->op](c, rq, line_len, e);
}
