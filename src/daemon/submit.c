/* Taking in a task: see submit.h. */
#include "daemon/submit.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/id.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/str.h"
#include "base/units.h"
#include "daemon/describe.h"
#include "daemon/jobs.h"
#include "daemon/policy.h"
#include "daemon/recovery.h"
#include "daemon/reload.h"
#include "daemon/server.h"
#include "daemon/stream.h"
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

/* Of retry_after_ms. */
#define RETRY_MIN_MS 100u
#define RETRY_MAX_MS 60000u
/* So many tasks that waited end in one turn of the loop. */
#define SUPERSEDED_AT_ONCE 32
/* When draining ends is a person's decision. */
#define DRAIN_RETRY_MS 10000u

static enum policy_client client_kind(const struct connection *c)
{
	if (c->uid == 0)
		return POLICY_CLIENT_ROOT;
	return c->server->start->is_root_mode ? POLICY_CLIENT_OTHER : POLICY_CLIENT_OWNER;
}

/* What tasks make us hold: those that are not done, and those whose clients do not read. */
struct holding {
	uint64_t bytes, fds; /* of requests; descriptors */
	struct jobs_kept unread;
};

static struct holding sum_holding(const struct jobs *js, const uid_t *uid)
{
	const struct jobs_load load = jobs_load(js, uid);
	const struct jobs_kept unread = jobs_unread(js, uid);
	/* Of one that is done only the file of its output is open. */
	return (struct holding){
		.bytes = load.spec_bytes + unread.spec_bytes,
		.fds = load.fds + unread.count,
		.unread = unread,
	};
}

/* As far as one user may go who has the nth part of all. */
static int check_sum(
	const struct connection *c, const uid_t *uid, size_t line_len, unsigned part, struct err *e)
{
	const struct holding h = sum_holding(&c->server->jobs, uid);
	const char *whose = uid ? " of this user" : "";
	const uint64_t most_bytes = JOBS_PENDING_SPEC_BYTES / part;
	const uint64_t most_fds = c->server->start->open_files_hard / 2 / part;
	if (h.bytes + line_len > most_bytes)
		return err_set(e, ERR_BUSY, 0,
			"the requests%s that wait already take %llu bytes; at most %llu may", whose,
			(unsigned long long)h.bytes, (unsigned long long)most_bytes);
	if (h.fds + JOBS_HOLD_FDS + c->n_fds > most_fds)
		return err_set(e, ERR_BUSY, 0,
			"the tasks%s that wait already hold %llu descriptors; at most %llu may",
			whose, (unsigned long long)h.fds, (unsigned long long)most_fds);
	if (h.unread.count < JOBS_UNREAD_COUNT / part &&
		h.unread.log_bytes <= JOBS_UNREAD_LOG_BYTES / part)
		return 0;
	err_set(e, ERR_BUSY, 0,
		"the clients of %llu finished tasks%s do not read what they asked for, %llu bytes "
		"of output in all",
		(unsigned long long)h.unread.count, whose, (unsigned long long)h.unread.log_bytes);
	err_hint(e, "read the answers on the other connections, or close them");
	return -EBUSY;
}

/* Where there are other users, one has half of all at most. */
static int check_holding(struct connection *c, size_t line_len, struct err *e)
{
	/* Somebody may have stopped listening just now. */
	jobs_expire(&c->server->jobs, clock_boot_ns());
	int r = check_sum(c, NULL, line_len, 1, e);
	if (r == 0 && options_has_others(c->server->options))
		r = check_sum(c, &c->uid, line_len, 2, e);
	return r;
}

static int check_admission(
	struct connection *c, const struct request *rq, size_t line_len, struct err *e)
{
	struct server *s = c->server;
	const struct task_spec *spec = rq->spec;
	const bool is_detached = rq->detach;
	if (s->state != SERVER_RUNNING)
		return err_set(e, ERR_SHUTDOWN, 0, "the daemon is stopping");
	if (s->takes_none) {
		err_set(e, ERR_DRAINING, 0, "the daemon takes no new tasks for now");
		e->retry_ms = DRAIN_RETRY_MS;
		err_hint(e, "try again later; root and the daemon's own user can end that: dayfly "
			    "drain --off");
		return -EBUSY;
	}
	int r = policy_check(&s->options->policy, spec, client_kind(c), e);
	if (r < 0)
		return r;
	if (spec->has_source)
		r = git_source_check(&s->git, spec, e);
	if (r < 0)
		return r;
	r = webhooks_check(s, spec, e);
	if (r < 0)
		return r;
	if (spec->has_artifacts && spec->artifacts.has_upload)
		r = uploads_check(&s->uploads, &spec->artifacts.upload, e);
	if (r < 0)
		return r;
	if (is_detached && spec->has_artifacts && spec->artifacts.to == ARTIFACTS_TO_EVENTS)
		return err_set_field(e, ERR_BAD_VALUE, "task.artifacts.to",
			"nobody is here to take the events of a task that is detached");
	if (spec->name && jobs_find_active_name(&s->jobs, c->uid, spec->name))
		return err_set_field(e, ERR_DUPLICATE, "task.name",
			"a task with the name \"%s\" is not done yet", spec->name);
	return check_holding(c, line_len, e);
}

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

/* want: gets the limits that are in effect. */
static int build_task(struct connection *c, struct request *rq, struct sched_want *want,
	struct task **ret, struct err *e)
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
	r = inputs_read(rq->spec, c->fds, c->n_fds, e);
	if (r == 0)
		r = check_credentials(rq->spec, c, e);
	if (r == 0)
		r = check_agent(rq->spec, c, e);
	if (r == 0)
		r = outputs_check(rq->spec, c->fds, c->n_fds, e);
	if (r == 0)
		r = plan_build(rq->spec, &in, &build, e);
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

/* ---- the queue ---- */

/* When it is worth another try: about when one of those who run ends. */
static unsigned retry_ms(const struct sched *s)
{
	uint64_t ms = sched_wait_us(s, 0) / 1000;
	if (ms < RETRY_MIN_MS)
		return RETRY_MIN_MS;
	return ms < RETRY_MAX_MS ? (unsigned)ms : RETRY_MAX_MS;
}

/* It is more than all tasks, or those of one user, may have together. */
static int refuse_too_much(
	const struct sched *s, enum sched_verdict v, const struct sched_want *want, struct err *e)
{
	bool is_own = v == SCHED_TOO_MUCH_MEMORY_UID || v == SCHED_TOO_MANY_CPUS_UID;
	bool is_memory = v == SCHED_TOO_MUCH_MEMORY || v == SCHED_TOO_MUCH_MEMORY_UID;
	const struct sched_caps *caps = &s->caps;
	char has[UNITS_TEXT_SIZE], may[UNITS_TEXT_SIZE];
	if (is_memory) {
		units_format_size(want->memory_bytes, has);
		units_format_size(is_own ? caps->memory_bytes_uid : caps->memory_bytes, may);
	} else {
		uint64_t most = is_own ? caps->cpu_millis_uid : caps->cpu_millis;
		snprintf(has, sizeof(has), "%g CPUs", (double)want->cpu_millis / 1000);
		snprintf(may, sizeof(may), "%g", (double)most / 1000);
	}
	err_set_field(e, ERR_NOT_ALLOWED, is_memory ? "task.limits.memory" : "task.limits.cpus",
		"%s is more than %s may have together: %s", has,
		is_own ? "the tasks of one user" : "all tasks", may);
	err_hint(e, "ask for less, or set a higher %s%s in [daemon] of dayflyd.conf",
		is_memory ? "admit_memory" : "admit_cpus", is_own ? "_per_user" : "");
	return -EINVAL;
}

static int refuse(const struct server *s, enum sched_verdict v, const struct sched_want *want,
	size_t depth, struct err *e)
{
	const struct sched_caps *caps = &s->sched.caps;
	switch (v) {
	case SCHED_TOO_MUCH_MEMORY:
	case SCHED_TOO_MANY_CPUS:
	case SCHED_TOO_MUCH_MEMORY_UID:
	case SCHED_TOO_MANY_CPUS_UID:
		return refuse_too_much(&s->sched, v, want, e);
	case SCHED_WOULD_WAIT:
		err_set_field(e, ERR_BUSY, "task.queue",
			"it cannot start at once: %zu tasks run and %zu wait", s->sched.n_running,
			s->sched.n_ready);
		err_hint(e, "try again later, or let it wait (leave \"queue\" out)");
		break;
	case SCHED_BUSY_UID:
		err_set(e, ERR_BUSY, 0, "%zu tasks of this user wait already; at most %zu may",
			depth, caps->max_ready_uid);
		err_hint(e, "try again later, or set a higher max_queue_per_user in [daemon] of "
			    "dayflyd.conf");
		break;
	default:
		err_set(e, ERR_BUSY, 0, "%zu tasks wait already; at most %zu may", depth,
			caps->max_ready);
		err_hint(e, "try again later, or start dayflyd with a higher --max-queue");
		break;
	}
	e->depth = (unsigned)depth;
	e->retry_ms = retry_ms(&s->sched);
	return -EBUSY;
}

static uint32_t label_groups(const struct options *o, const struct task_spec *spec)
{
	uint32_t groups = 0;
	for (size_t i = 0; i < SCHED_GROUPS_MAX && o->label_caps && o->label_caps[i]; i++) {
		char label[LIMIT_NAME_BYTES + LIMIT_LABEL_BYTES + 2];
		size_t len;
		uint64_t n;
		config_split_label_cap(o->label_caps[i], &len, &n);
		snprintf(label, sizeof(label), "%.*s", (int)len, o->label_caps[i]);
		if (jobs_has_label(spec->labels, label))
			groups |= 1u << i;
	}
	return groups;
}

/* A task ends before its time, and this is why. */
static void cancel_with(struct job *j, const struct err *e)
{
	if (j->task->state <= TASK_STATE_RUNNING && !j->task->result->has_error)
		result_set_error(j->task->result, e);
	task_handle(j->task, EVENT_CANCEL);
}

void submit_check_again(struct server *s)
{
	const struct sched_caps caps = reload_sched_caps(s->options);
	struct err e;
	sched_set_caps(&s->sched, &caps);
	list_for_each_safe (pos, &s->jobs.active) {
		struct job *j = list_entry(pos, struct job, link);
		const struct sched_want *want = &j->sched.want;
		sched_set_groups(&s->sched, &j->sched, label_groups(s->options, j->task->spec));
		enum sched_verdict v = sched_check(&s->sched, want);
		if (j->sched.state != SCHED_READY || v == SCHED_OK)
			continue;
		refuse_too_much(&s->sched, v, want, &e);
		err_wrap(&e, "the configuration has changed while the task waited");
		cancel_with(j, &e);
	}
}

void submit_note_wait_over(struct server *s, struct job *j)
{
	struct task_result *r = j->task->result;
	char waited[UNITS_TEXT_SIZE];
	struct err e;
	if (r->has_error)
		return;
	units_format_duration(clock_boot_ns() - j->sched.want.at_ns, waited);
	if (j->sched.want.is_held) {
		err_set(&e, ERR_BUSY, 0, "it waited %s for its repository, which was not there yet",
			waited);
		err_hint(&e,
			"look whether its server answers, or let it wait longer (limits.queue; "
			"dayfly run --queue-timeout)");
	} else {
		err_set(&e, ERR_BUSY, 0, "it waited %s for its turn; %zu tasks were before it",
			waited, sched_position(&s->sched, &j->sched));
		err_hint(&e, "try again later, or let it wait longer (limits.queue)");
	}
	e.depth = (unsigned)s->sched.n_ready;
	e.retry_ms = retry_ms(&s->sched);
	result_set_error(r, &e);
}

/* Those that wait may be very many: they leave the queue now, and end a part in each turn. */
static void end_rival(struct job *j, const struct job *by)
{
	struct server *s = j->task->host->owner;
	struct err e;
	if (j->is_superseded)
		return;
	j->is_superseded = true;
	err_set(&e, ERR_SUPERSEDED, 0, "task %s with the concurrency key \"%s\" took its place",
		by->task->id, by->task->spec->concurrency.key);
	if (j->sched.state != SCHED_READY) {
		cancel_with(j, &e);
		return;
	}
	if (!j->task->result->has_error)
		result_set_error(j->task->result, &e);
	sched_remove(&s->sched, &j->sched);
	list_append(&s->superseded, &j->over_link);
}

void submit_end_superseded(struct server *s)
{
	for (unsigned n = 0; n < SUPERSEDED_AT_ONCE && !list_empty(&s->superseded); n++) {
		struct job *j = list_entry(s->superseded.next, struct job, over_link);
		list_remove(&j->over_link);
		task_handle(j->task, EVENT_CANCEL);
	}
}

/* The older tasks with the same key make room. */
static void supersede(struct server *s, const struct job *by)
{
	const struct task_spec *own = by->task->spec;
	if (!own->has_concurrency || own->concurrency.mode != CONCURRENCY_SUPERSEDE)
		return;
	jobs_each_rival(&s->jobs, by, end_rival);
	submit_end_superseded(s);
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
	want->groups = label_groups(s->options, t->spec);
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
			     : refuse(s, (enum sched_verdict)r, want, depth, e);
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
	int r = stream_check_room(c, e);
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
	r = check_admission(c, rq, line_len, e);
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
	supersede(s, j);
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
		e->retry_ms = retry_ms(&c->server->sched);
	}
	return r;
}
