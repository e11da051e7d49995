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
#include "daemon/policy.h"
#include "daemon/recovery.h"
#include "daemon/server.h"
#include "daemon/stream.h"
#include "plan/build.h"
#include "proto/answer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

/* A task's own descriptors while it waits: its output's file and its client's connection. */
#define HOLD_FDS 2

/* ---- run ---- */

static enum policy_client client_kind(const struct connection *c)
{
	if (c->uid == 0)
		return POLICY_CLIENT_ROOT;
	return c->server->start->is_root_mode ? POLICY_CLIENT_OTHER : POLICY_CLIENT_OWNER;
}

/*
 * What tasks that are not done make us hold, in requests and in descriptors. Where there are other
 * users, one has half of that at most.
 */
static int check_holding(const struct connection *c, size_t line_len, struct err *e)
{
	const struct server *s = c->server;
	bool has_others = s->sched.caps.max_ready_uid < s->sched.caps.max_ready;
	uint64_t bytes = line_len, fds = HOLD_FDS + c->n_fds;
	uint64_t own_bytes = bytes, own_fds = fds, max_fds = s->start->open_files_hard / 2;
	list_for_each (pos, &s->jobs.active) {
		const struct job *j = list_entry(pos, struct job, link);
		bool is_own = j->task->uid == c->uid || !has_others;
		size_t n = HOLD_FDS + j->task->n_sources;
		bytes += j->spec_bytes;
		fds += n;
		own_bytes += is_own ? j->spec_bytes : 0;
		own_fds += is_own ? n : 0;
	}
	if (bytes > JOBS_PENDING_SPEC_BYTES ||
		(has_others && own_bytes > JOBS_PENDING_SPEC_BYTES / 2))
		return err_set(e, ERR_BUSY, 0, "the requests that wait already take %llu bytes",
			(unsigned long long)(bytes - line_len));
	if (fds > max_fds || (has_others && own_fds > max_fds / 2))
		return err_set(e, ERR_BUSY, 0, "the tasks that wait already hold %llu descriptors",
			(unsigned long long)(fds - HOLD_FDS - c->n_fds));
	return 0;
}

static int check_admission(
	struct connection *c, const struct task_spec *spec, size_t line_len, struct err *e)
{
	struct server *s = c->server;
	if (s->state != SERVER_RUNNING)
		return err_set(e, ERR_SHUTDOWN, 0, "the daemon is stopping");
	int r = policy_check(&s->options->policy, spec, client_kind(c), e);
	if (r < 0)
		return r;
	if (spec->name && jobs_find_active_name(&s->jobs, c->uid, spec->name))
		return err_set_field(e, ERR_DUPLICATE, "task.name",
			"a task with the name \"%s\" is not done yet", spec->name);
	return check_holding(c, line_len, e);
}

static int build_task(struct connection *c, struct request *rq, struct task **ret, struct err *e)
{
	struct server *s = c->server;
	struct build build;
	char id[ID_TASK_SIZE];
	int r = id_make_task(id);
	if (r < 0)
		return err_set(e, ERR_INTERNAL, -r, "make an id");
	const struct policy *policy = &s->options->policy;
	bool is_bound = client_kind(c) != POLICY_CLIENT_ROOT;
	const struct build_input in = {
		.task_id = id,
		.n_fds = c->n_fds,
		.ceiling = &policy->ceiling,
		.defaults = &policy->defaults,
		.image_roots = is_bound ? policy->image_roots : NULL,
		.workspace_roots = is_bound ? policy->workspace_roots : NULL,
		.has_roots = is_bound,
		.open_files_hard = s->start->task_open_files,
		.controllers = s->warden.hello.hello.controllers,
		.no_cgroup = s->warden.hello.hello.no_cgroup,
		.is_upper_on_disk = s->warden.hello.hello.upper_on_disk != 0,
	};
	r = plan_build(rq->spec, &in, &build, e);
	if (r < 0)
		return r;
	struct task_origin origin = {
		.id = id,
		.uid = c->uid,
		.take_client_fd = fcntl(c->fd, F_DUPFD_CLOEXEC, 3),
		.take_sources = c->fds,
		.n_sources = plan_source_count(build.plan),
	};
	if (origin.take_client_fd < 0) {
		r = err_set(e, ERR_BUSY, errno, "hold the connection");
		build_finish(&build);
		return r;
	}
	r = task_create(&s->host, &origin, take_ptr(rq->spec), &build, ret);
	return r < 0 ? err_set(e, r == -EMFILE || r == -ENFILE ? ERR_BUSY : ERR_INTERNAL, -r,
			       "make the task")
		     : 0;
}

static int busy(enum sched_verdict v, size_t depth, struct err *e)
{
	err_set(e, ERR_BUSY, 0,
		v == SCHED_BUSY_UID ? "%zu tasks of this user wait already"
				    : "%zu tasks wait already",
		depth);
	err_hint(e, "try again later, or start dayflyd with a higher --max-queue");
	return -EBUSY;
}

static void log_accepted(const struct task *t)
{
	char uid[16];
	snprintf(uid, sizeof(uid), "%u", t->uid);
	const struct log_field fields[] = {
		{ "MESSAGE_ID", LOG_MESSAGE_TASK_ACCEPTED },
		{ "DAYFLY_UID", uid },
	};
	log_task_fields(
		LOG_LEVEL_INFO, t->id, fields, ARRAY_SIZE(fields), "accepted from uid %s", uid);
}

/* It is in the journal, or could not be brought there for good. */
static void on_journaled(struct journal_wait *w, int errnum)
{
	struct job *j = list_entry(w, struct job, accept_wait);
	struct err e;
	j->is_accepted = true;
	if (errnum) {
		err_set(&e, ERR_INTERNAL, errnum, "write down the task");
		stream_on_refused(j, &e);
		task_handle(j->task, EVENT_CANCEL);
		return;
	}
	stream_on_accepted(j);
}

/*
 * Who dies with its client's connection need not outlive the machine: after that the client is gone
 * too. For others the journal has to be on the disk before they count as accepted; their jails are
 * made meanwhile.
 */
static void accept_job(struct server *s, struct job *j, bool dies_with_client)
{
	j->accept_wait.fn = on_journaled;
	if (dies_with_client || !journal_wait(&s->start->journal, &j->accept_wait))
		on_journaled(&j->accept_wait, 0);
}

/* Gives the task its job, its place in the queue and its line in the journal. */
static int admit(
	struct connection *c, struct task *t, size_t line_len, struct job **ret, struct err *e)
{
	struct server *s = c->server;
	size_t depth = 0;
	struct job *j = jobs_add(&s->jobs, t, line_len);
	if (!j)
		return err_set(e, ERR_INTERNAL, ENOMEM, "make the task");
	const struct sched_want want = {
		.at_ns = clock_boot_ns(),
		.memory_bytes = t->spec->limits.memory_bytes,
		.cpu_millis = t->spec->limits.cpu_millis,
	};
	int r = sched_submit(&s->sched, &j->sched, c->uid, &want, &depth);
	if (r != SCHED_OK) {
		jobs_drop(&s->jobs, j);
		return r < 0 ? err_set(e, ERR_INTERNAL, -r, "queue the task")
			     : busy((enum sched_verdict)r, depth, e);
	}
	r = recovery_note_accepted(s, j, e);
	if (r < 0) {
		sched_remove(&s->sched, &j->sched);
		jobs_drop(&s->jobs, j);
		return r;
	}
	*ret = j;
	return 0;
}

static int handle_run(struct connection *c, struct request *rq, size_t line_len, struct err *e)
{
	struct server *s = c->server;
	struct task *t = NULL;
	struct job *j = NULL;
	bool dies_with_us = !rq->detach && rq->spec->on_disconnect == ON_DISCONNECT_KILL;
	int r = check_admission(c, rq->spec, line_len, e);
	if (r == 0)
		r = build_task(c, rq, &t, e);
	if (r == 0)
		r = admit(c, t, line_len, &j, e);
	if (r < 0)
		return r;
	log_accepted(t);
	r = stream_create(c, j, rq);
	if (r < 0) {
		err_set(e, ERR_INTERNAL, -r, "follow the task");
		task_handle(t, EVENT_CANCEL);
		return r;
	}
	if (dies_with_us)
		list_append(&c->jobs, &j->conn_link);
	accept_job(s, j, dies_with_us);
	server_schedule(s);
	return 0;
}

/* ---- on one task ---- */

static int find(struct connection *c, const struct request *rq, struct job **ret, struct err *e)
{
	return jobs_find(&c->server->jobs, c->uid, rq->task, ret, e);
}

static int handle_follow(struct connection *c, struct request *rq, size_t line_len, struct err *e)
{
	struct job *j;
	int r = find(c, rq, &j, e);
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
	if (r == 0)
		connection_send_result(c, rq->id, NULL, describe_job(j));
	return r;
}

/* ---- on all ---- */

static int handle_list(struct connection *c, struct request *rq, size_t line_len, struct err *e)
{
	connection_send_result(
		c, rq->id, NULL, describe_list(&c->server->jobs, c->uid, rq->all, rq->label));
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

static int (*const handlers[OP_COUNT])(
	struct connection *c, struct request *rq, size_t line_len, struct err *e) = {
	[OP_RUN] = handle_run,
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
};

int handle_request(struct connection *c, struct request *rq, size_t line_len, struct err *e)
{
	if ((unsigned)rq->op >= OP_COUNT || !handlers[rq->op])
		return err_set(e, ERR_UNKNOWN_OP, 0, "the operation is not known");
	return handlers[rq->op](c, rq, line_len, e);
}
