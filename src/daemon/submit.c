/* Taking in a task: see submit.h. */
#include "daemon/submit.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/id.h"
#include "base/log.h"
#include "base/str.h"
#include "daemon/jobs.h"
#include "daemon/recovery.h"
#include "daemon/server.h"
#include "daemon/stream.h"
#include "daemon/submit_priv.h"
#include "daemon/subscription.h"
#include "plan/build.h"
#include "proto/schema.h"
#include "task/closer.h"
#include "task/foreign.h"
#include "task/inputs.h"
#include "task/outputs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Where the directory of an ssh agent is among the descriptors; NULL: there is none. */
static int *agent_place(const struct task_spec *spec, struct connection *c)
{
	const int64_t nth = spec->has_source ? spec->source.git.agent : -1;
	return nth >= 0 && (uint64_t)nth < c->n_fds ? &c->fds[nth] : NULL;
}

/* Those of uploads are the daemon's, and go no further. */
static int check_credentials(const struct task_spec *spec, struct connection *c, struct err *e)
{
	const struct spec_upload *u = &spec->artifacts.upload;
	if (!spec->has_artifacts || !spec->artifacts.has_upload)
		return 0;
	if (u->credentials_fd >= 0 && (uint64_t)u->credentials_fd < c->n_fds) {
		int *place = &c->fds[u->credentials_fd];
		fd_close(place); /* a file in memory: that takes no time */
		*place = open("/dev/null", O_PATH | O_CLOEXEC);
		if (*place < 0)
			return err_set(e, ERR_BUSY, errno, "read the credentials of the upload");
	}
	return uploads_check_credentials(&c->server->uploads, u, e);
}

static int check_agent(const struct task_spec *spec, struct connection *c, struct err *e)
{
	static const char field[] = "task.source.git.agent";
	struct statx sx;
	const int *place = agent_place(spec, c);
	if (!spec->has_source || spec->source.git.agent < 0)
		return 0;
	if (!place)
		return err_set_field(e, ERR_BAD_VALUE, field,
			"descriptor %lld was not sent: %zu came with the request",
			(long long)spec->source.git.agent, c->n_fds);
	if (statx(*place, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &sx) == 0 &&
		S_ISDIR(sx.stx_mode))
		return 0;
	err_set_field(e, ERR_BAD_VALUE, field, "it is no directory");
	err_hint(e, "send an open directory in which agent.sock is the agent's socket");
	return -ENOTDIR;
}

/* The agent is the fetch's and not the task's, which gets nothing in its place. */
static int create_task(struct connection *c, struct request *rq, struct task_origin *origin,
	struct build *build, struct task **ret, struct err *e)
{
	int *agent = agent_place(rq->spec, c), held = agent ? fd_take(agent) : -1;
	if (agent)
		*agent = open("/dev/null", O_PATH | O_CLOEXEC);
	int r = task_create(&c->server->host, origin, take_ptr(rq->spec), build, ret);
	if (agent)
		*agent = held;
	return r < 0 ? err_set(e, r == -EMFILE || r == -ENFILE ? ERR_BUSY : ERR_INTERNAL, -r,
			       "make the task")
		     : 0;
}

/* What came with the request is read, looked at, and becomes a plan. */
static int build_plan(
	struct connection *c, struct request *rq, const char *id, struct build *ret, struct err *e)
{
	const struct server *s = c->server;
	const struct policy *policy = &s->options->policy;
	bool is_bound = submit_client_kind(c) != POLICY_CLIENT_ROOT;
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
	int r = inputs_read(rq->spec, c->fds, c->n_fds, e);
	if (r == 0)
		r = check_credentials(rq->spec, c, e);
	if (r == 0)
		r = check_agent(rq->spec, c, e);
	if (r == 0)
		r = outputs_check(rq->spec, c->fds, c->n_fds, e);
	if (r == 0)
		r = plan_build(rq->spec, &in, ret, e);
	return r;
}

/* want: gets the limits that are in effect. */
static int build_task(struct connection *c, struct request *rq, struct sched_want *want,
	struct task **ret, struct err *e)
{
	struct build build;
	char id[ID_TASK_SIZE];
	int r = id_make_task(id);
	if (r < 0)
		return err_set(e, ERR_INTERNAL, -r, "make an id");
	r = build_plan(c, rq, id, &build, e);
	if (r < 0)
		return r;
	/* The tree is not there yet. */
	size_t n_sent = plan_source_count(build.plan);
	if (rq->spec->has_source) {
		n_sent = c->n_fds;
		c->fds[n_sent] = -1;
	}
	r = foreign_check(rq->spec, c->fds, n_sent, e);
	if (r < 0) {
		build_finish(&build);
		return r;
	}
	want->memory_bytes = build.memory_bytes;
	want->cpu_millis = build.cpu_millis;
	struct task_origin origin = {
		.id = id,
		.uid = c->uid,
		.take_client_fd = fcntl(c->fd, F_DUPFD_CLOEXEC, 3),
		.take_sources = c->fds,
		.n_sources = plan_source_count(build.plan),
		.take_inputs_fd = -1,
	};
	r = origin.take_client_fd < 0 ? -errno : inputs_seal(rq->spec, &origin.take_inputs_fd);
	if (r < 0) {
		err_set(e, ERR_BUSY, -r, "hold the connection and what came with the request");
		close_foreign(c->uid, &origin.take_client_fd, 1);
		build_finish(&build);
		return r;
	}
	return create_task(c, rq, &origin, &build, ret, e);
}

/* ---- its place ---- */

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

static void note_kept(struct job *j)
{
	if (--j->n_waits)
		return;
	j->is_accepted = true;
	webhooks_on_accepted(j->task->host->owner, j);
	stream_on_accepted(j);
}

/* It is in the journal, or could not be brought there for good. */
static void on_journaled(struct journal_wait *w, int errnum)
{
	struct job *j = list_entry(w, struct job, accept_wait);
	struct err e;
	if (!errnum) {
		note_kept(j);
		return;
	}
	syncer_forget(&j->promise_wait);
	webhooks_take_back(j->task->host->owner, j);
	j->is_accepted = true;
	err_set(&e, ERR_INTERNAL, errnum, "write down the task");
	stream_on_refused(j, &e);
	task_handle(j->task, EVENT_CANCEL);
}

/* That no webhook may come of it is no reason not to run a task. */
static void on_promised(struct syncer_wait *w, int errnum)
{
	struct job *j = list_entry(w, struct job, promise_wait);
	if (errnum)
		log_task(LOG_LEVEL_WARNING, j->task->id,
			"if the machine dies before its end, nobody is told of that: %s",
			strerror(errnum));
	note_kept(j);
}

/*
 * Who dies with its client's connection need not outlive the machine: after that the client is gone
 * too. For others the journal, and the promise to tell of their end, have to be on the disk before
 * they count as accepted; their jails are made meanwhile.
 */
static void accept_job(struct server *s, struct job *j, bool dies_with_client)
{
	j->accept_wait.fn = on_journaled;
	j->promise_wait.fn = on_promised;
	j->n_waits = 1;
	if (webhooks_promise(s, j) && !dies_with_client)
		j->n_waits += syncer_wait(s->webhooks.outbox.syncer, &j->promise_wait);
	if (dies_with_client || !journal_wait(&s->start->journal, &j->accept_wait))
		on_journaled(&j->accept_wait, 0);
}

/* Gives the task its job, its place in the queue and its line in the journal. */
static int admit(struct connection *c, struct task *t, struct sched_want *want, size_t line_len,
	struct job **ret, struct err *e)
{
	struct server *s = c->server;
	size_t depth = 0;
	struct job *j = jobs_add(&s->jobs, t, line_len);
	if (!j)
		return err_set(e, ERR_INTERNAL, ENOMEM, "make the task");
	want->at_ns = clock_boot_ns();
	want->priority = (int)t->spec->priority;
	want->groups = submit_label_groups(s->options, t->spec);
	want->key = t->spec->has_concurrency ? t->spec->concurrency.key : NULL;
	want->supersedes = want->key && t->spec->concurrency.mode == CONCURRENCY_SUPERSEDE;
	want->at_once = !t->spec->may_queue;
	if (t->spec->idempotency_key)
		j->digest = schema_digest(&schema_task, t->spec);
	bool is_ready;
	int r = git_source_begin(&s->git, c, j, &is_ready, e);
	if (r < 0) {
		git_source_end(&s->git, j);
		jobs_drop(&s->jobs, j);
		return r;
	}
	want->is_held = !is_ready;
	r = sched_submit(&s->sched, &j->sched, c->uid, want, &depth);
	if (r != SCHED_OK) {
		git_source_end(&s->git, j);
		jobs_drop(&s->jobs, j);
		return r < 0 ? err_set(e, ERR_INTERNAL, -r, "queue the task")
			     : submit_refuse(s, (enum sched_verdict)r, want, depth, e);
	}
	r = recovery_note_accepted(s, j, e);
	if (r < 0) {
		sched_remove(&s->sched, &j->sched);
		git_source_end(&s->git, j);
		jobs_drop(&s->jobs, j);
		return r;
	}
	waiting_note(&s->waiting);
	*ret = j;
	return 0;
}

/* ---- the request ---- */

/* Its key stands for a task already. Returns 1 when that is the answer, 0 when there is none, or
 * -errno with *e. */
static int answer_known(struct connection *c, const struct request *rq, struct err *e)
{
	const char *key = rq->spec->idempotency_key;
	struct job *j = key ? jobs_find_key(&c->server->jobs, c->uid, key) : NULL;
	if (!j)
		return 0;
	if (j->digest != schema_digest(&schema_task, rq->spec)) {
		err_set_field(e, ERR_DUPLICATE, "task.idempotency_key",
			"task %s has this key, and was another request", j->task->id);
		err_hint(e, "use a new key for a new task");
		return -EINVAL;
	}
	/* Without output and result to wait for, it is answered at once and follows nothing. */
	int r = rq->detach && j->is_accepted ? 0 : stream_check_room(c, e);
	if (r < 0)
		return r;
	r = stream_create(c, j, rq);
	if (r < 0)
		return err_set(e, ERR_INTERNAL, -r, "follow the task");
	if (j->is_accepted)
		stream_on_accepted(j);
	return 1;
}

static int submit(struct connection *c, struct request *rq, size_t line_len, struct err *e)
{
	struct server *s = c->server;
	struct sched_want want = { 0 };
	struct task *t = NULL;
	struct job *j = NULL;
	const bool rq_has_source = rq->spec->has_source;
	bool dies_with_us = !rq->detach && rq->spec->on_disconnect == ON_DISCONNECT_KILL;
	int r = answer_known(c, rq, e);
	if (r == 1)
		metrics_add(&s->metrics, METRIC_REPEATED, 1);
	if (r != 0)
		return r < 0 ? r : 0;
	r = submit_check(c, rq, line_len, e);
	if (r == 0)
		r = build_task(c, rq, &want, &t, e);
	if (r == 0)
		r = admit(c, t, &want, line_len, &j, e);
	if (r < 0)
		return r;
	log_accepted(t);
	past_note_accepted(&s->past);
	metrics_add(&s->metrics, METRIC_ACCEPTED, 1);
	subscription_on_state(s, j);
	r = stream_create(c, j, rq);
	if (r < 0) {
		err_set(e, ERR_INTERNAL, -r, "follow the task");
		task_handle(t, EVENT_CANCEL);
		return r;
	}
	if (dies_with_us)
		list_append(&c->jobs, &j->conn_link);
	accept_job(s, j, dies_with_us);
	submit_supersede(s, j);
	if (rq_has_source)
		git_sources_update(&s->git);
	server_schedule(s);
	return 0;
}

int submit_run(struct connection *c, struct request *rq, size_t line_len, struct err *e)
{
	int r = submit(c, rq, line_len, e);
	if (r >= 0)
		return r;
	metrics_add(&c->server->metrics, METRIC_REFUSED, 1);
	/* Whatever is short, the end of a task may help. */
	if (e->code == ERR_BUSY && !e->retry_ms) {
		e->depth = (unsigned)c->server->sched.n_ready;
		e->retry_ms = submit_retry_ms(&c->server->sched);
	}
	return r;
}
