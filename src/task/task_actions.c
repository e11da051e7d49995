/* What a task does on an event: one function per bit of enum task_action. */
#include "task/task_priv.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/units.h"
#include "task/closer.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#define KILL_MS	   1000
#define COLLECT_MS 1000
#define US_PER_S   (NS_PER_S / NS_PER_US)

static void act_unexpected(struct task *t, const struct occurrence *o)
{
	task_log(t, LOG_LEVEL_WARNING, "unexpected %s in state %s", task_event_name(o->event),
		task_state_name(t->state));
}

static void explain_late_setup(struct task *t)
{
	struct err e;
	char time[UNITS_TEXT_SIZE];
	bool has_tars = t->spec->n_tars > 0;
	units_format_duration(*t->host->setup_ms * NS_PER_MS, time);
	err_set(&e, ERR_SETUP, ETIMEDOUT, "the jail was not made within %s%s", time,
		has_tars ? " and the time limit of the task, for its tars" : "");
	err_hint(&e,
		"the host may be overloaded, or a directory %sof the request does not answer; "
		"where it is only slow, set a higher setup_timeout in [daemon] of dayflyd.conf",
		has_tars ? "or tar " : "");
	result_set_error(t->result, &e);
}

static void act_record_kill(struct task *t, const struct occurrence *o)
{
	enum kill_reason reason = kill_reason_from_event(o->event);
	if (!verdict_record_kill(&t->facts, reason, o->from, clock_mono_ns()))
		return;
	if (reason == KILL_REASON_SETUP)
		explain_late_setup(t);
	task_log(t, LOG_LEVEL_DEBUG, "to be stopped: %s", kill_reason_name(reason));
}

/* What the plan could not hold, after what the warden could not. */
static void add_degraded(struct task *t)
{
	struct task_result *r = t->result;
	for (size_t i = 0; i < t->build.n_degraded && r->n_degraded < RESULT_DEGRADED_MAX; i++)
		snprintf(r->degraded[r->n_degraded++], WIRE_DEGRADED_SIZE, "%s",
			t->build.degraded[i]);
}

/* The warden has closed its copies before it tells how a start went. */
static void release_sources(struct task *t)
{
	close_foreign(t->uid, t->sources, t->n_sources);
	t->n_sources = 0;
	if (t->client_fd >= 0)
		close_foreign(t->uid, &t->client_fd, 1);
}

static void act_record_started(struct task *t, const struct occurrence *o)
{
	const uint64_t now_ns = clock_mono_ns(), at_ns = o->wire->started.at_ns;
	t->started_ns = at_ns && at_ns < now_ns ? at_ns : now_ns;
	t->jail_pid = o->wire->started.pid;
	t->facts.started = true;
	release_sources(t);
	t->result->started_ns = clock_real_ns();
	result_set_started(t->result, o->wire);
	add_degraded(t);
	streams_pause_output(&t->streams, false);
}

static void act_record_failure(struct task *t, const struct occurrence *o)
{
	streams_set_final(&t->streams);
	if (!o->wire) {
		t->facts.setup_failed = true;
		return;
	}
	if (o->wire->failed.phase_exec)
		t->facts.exec_failed = true;
	else
		t->facts.setup_failed = true;
	/* What follows from the first failure says less. */
	if (!t->result->has_error)
		result_set_error(t->result, &o->wire->failed.err);
}

static void act_record_exit(struct task *t, const struct occurrence *o)
{
	t->facts.has_status = true;
	t->facts.status = o->wire->exited.status;
	t->facts.exited_mono_ns = o->wire->exited.at_ns;
	t->exited_ns = clock_mono_ns();
	if (t->started_ns && o->wire->exited.at_ns > t->started_ns)
		t->result->run_us = known((o->wire->exited.at_ns - t->started_ns) / NS_PER_US);
	else if (t->started_ns)
		t->result->run_us = known(0);
	streams_set_final(&t->streams);
}

/* Jail init was killed before it could say a word. */
static void explain_silence(struct task *t, int init_status)
{
	struct err e;
	if (t->started_ns || t->facts.kill_reason || t->result->has_error)
		return;
	if (WIFSIGNALED(init_status))
		err_set(&e, ERR_SETUP, 0, "the jail died while it was made: signal %d",
			WTERMSIG(init_status));
	else
		err_set(&e, ERR_SETUP, 0, "the jail died while it was made: status %d",
			WEXITSTATUS(init_status));
	result_set_error(t->result, &e);
}

/* The filter ends a task for nothing but a call of a foreign ABI. */
static void explain_forbidden_call(struct task *t, const char *call)
{
	struct err e;
	if (!call[0] || t->result->has_error)
		return;
	err_set(&e, ERR_FORBIDDEN_CALL, 0, "the system call %s is not allowed", call);
	err_hint(&e, "programs must be built for the native ABI of this machine");
	result_set_error(t->result, &e);
}

/*
 * A task can send itself any signal: that of a limit counts where the limit may have been reached.
 * The kernel counts ticks for the one and real time for what was used, which may be less: it need
 * not be all of it.
 */
static void note_cpu_rlimit(struct task *t)
{
	const struct task_result *r = t->result;
	const uint64_t soft_us = t->cpu_rlimit_s * US_PER_S, hard_us = soft_us + US_PER_S;
	bool is_known = r->cpu_user_us.is_known && r->cpu_sys_us.is_known;
	uint64_t used_us = r->cpu_user_us.value + r->cpu_sys_us.value;
	t->facts.used_soft_cpu = soft_us && (!is_known || used_us >= soft_us / 2);
	t->facts.used_hard_cpu = soft_us && is_known && used_us >= hard_us / 4 * 3;
}

static void act_record_gone(struct task *t, const struct occurrence *o)
{
	t->facts.jail_gone = true;
	t->facts.oom_kills = o->wire->gone.usage.oom_kills;
	t->facts.disk_is_full = o->wire->gone.has_disk && o->wire->gone.disk_is_full;
	explain_silence(t, o->wire->gone.init_status);
	explain_forbidden_call(t, o->wire->gone.forbidden_call);
	t->gone_ns = clock_mono_ns();
	if (t->exited_ns)
		t->result->destroy_us = known((t->gone_ns - t->exited_ns) / NS_PER_US);
	result_set_gone(t->result, o->wire);
	note_cpu_rlimit(t);
	streams_set_final(&t->streams);
}

static void act_record_lost(struct task *t, const struct occurrence *o)
{
	struct err e;
	t->facts.warden_lost = true;
	t->gone_ns = clock_mono_ns();
	if (!t->result->has_error) {
		err_set(&e, ERR_WARDEN, 0, "the warden ended while the task was %s",
			t->started_ns ? "running" : "starting");
		result_set_error(t->result, &e);
	}
	streams_set_final(&t->streams);
}

static void act_unqueue(struct task *t, const struct occurrence *o)
{
	t->host->on_unqueue(t->host->owner, t);
}

/* As the last of the sources. Returns 0 or -errno. */
static int open_spool(struct task *t)
{
	struct plan *p = t->build.plan;
	if (!t->spec->has_artifacts || !artifacts_want_spool(&t->spec->artifacts))
		return 0;
	struct err e;
	t->spool_fd = t->host->open_spool(t->host->owner, t, &p->artifacts_bytes, &e);
	if (t->spool_fd < 0) {
		result_set_error(t->result, &e);
		return t->spool_fd;
	}
	p->artifacts_fd_index = (int)t->n_sources;
	return 0;
}

static int seal_plan(const struct task *t)
{
	struct buf bytes;
	buf_init(&bytes, LIMIT_PLAN_BYTES);
	int fd = plan_encode(t->build.plan, &bytes);
	if (fd == 0)
		fd = fd_sealed_memfd("dayfly-plan", buf_data(&bytes), buf_len(&bytes));
	buf_finish(&bytes);
	return fd;
}

/* START and its descriptors, in the order of wire.h. Only what is the daemon's own is closed here.
 */
static int send_start(struct task *t)
{
	int fds[2 + 3 + LIMIT_REQUEST_FDS + 2], ends[3] = { -1, -1, -1 };
	size_t n = 0;
	int r = open_spool(t);
	if (r == 0)
		r = t->build.plan->tty ? 0 : streams_open_pipes(&t->streams, ends);
	auto_close int plan_fd = r < 0 ? r : seal_plan(t);
	if (plan_fd < 0) {
		fd_close_many(ends, 3);
		return plan_fd;
	}
	fds[n++] = t->client_fd;
	fds[n++] = plan_fd;
	for (int i = 0; i < r; i++)
		fds[n++] = ends[i];
	for (size_t i = 0; i < t->n_sources; i++)
		fds[n++] = t->sources[i];
	if (t->spool_fd >= 0)
		fds[n++] = t->spool_fd;
	if (t->inputs_fd >= 0)
		fds[n++] = t->inputs_fd;
	t->jail = t->host->new_jail(t->host->owner);
	t->start_sent_ns = clock_mono_ns();
	t->result->queued_us = known((t->start_sent_ns - t->created_ns) / NS_PER_US);

	struct wire_request rq;
	wire_request_init(&rq, WIRE_START, t->jail);
	r = t->host->send(t->host->owner, &rq, fds, n);
	fd_close_many(ends, 3);
	fd_close(&t->inputs_fd);
	return r;
}

static void act_start_jail(struct task *t, const struct occurrence *o)
{
	int r = send_start(t);
	plan_destroy(t->build.plan);
	t->build.plan = NULL;
	if (r == 0) {
		streams_start(&t->streams);
		return;
	}
	struct err e;
	err_set(&e, ERR_INTERNAL, -r, "hand the task to the warden");
	if (!t->result->has_error)
		result_set_error(t->result, &e);
	t->jail = 0;
	task_queue_event(t, EVENT_START_FAILED);
}

static void send_signal(struct task *t, int signo)
{
	struct wire_request rq;
	wire_request_init(&rq, WIRE_SIGNAL, t->jail);
	rq.value = signo;
	int r = t->host->send(t->host->owner, &rq, NULL, 0);
	if (r < 0)
		task_log(t, LOG_LEVEL_WARNING, "signal %d not sent: %s", signo, strerror(-r));
}

static void act_signal_term(struct task *t, const struct occurrence *o)
{
	send_signal(t, SIGTERM);
	/* A stopped process takes SIGTERM only when it goes on. */
	send_signal(t, SIGCONT);
}

void task_kill_jail(struct task *t)
{
	struct wire_request rq;
	if (t->facts.jail_gone || t->facts.warden_lost || !t->jail)
		return;
	wire_request_init(&rq, WIRE_KILL, t->jail);
	int r = t->host->send(t->host->owner, &rq, NULL, 0);
	if (r < 0)
		task_log(t, LOG_LEVEL_WARNING, "kill not sent: %s", strerror(-r));
}

static void act_kill_jail(struct task *t, const struct occurrence *o)
{
	task_kill_jail(t);
}

static void act_close_streams(struct task *t, const struct occurrence *o)
{
	/* While the jail lives its processes may write, and the slot is taken anyhow. */
	if (t->facts.jail_gone || t->facts.warden_lost)
		streams_close_output(&t->streams);
}

static void act_note_stuck(struct task *t, const struct occurrence *o)
{
	if (t->facts.jail_gone || t->facts.warden_lost)
		return;
	/* Asked every second for perhaps a day: said after 1, 2, 4, 8... seconds. */
	t->n_stuck++;
	if ((t->n_stuck & (t->n_stuck - 1)) == 0)
		task_log(t, LOG_LEVEL_WARNING,
			"stuck: its jail (init is process %d) was killed and is not gone",
			t->jail_pid);
}

void task_arm(struct task *t, enum task_event event, uint64_t ms)
{
	t->deadline_event = event;
	deadline_set(t->host->deadlines, &t->deadline, deadline_after_ms(clock_boot_ns(), ms));
}

static void act_arm_setup(struct task *t, const struct occurrence *o)
{
	/* Tars are unpacked meanwhile, at the pace of who writes them. */
	uint64_t ms = *t->host->setup_ms, more = t->spec->n_tars ? t->build.wall_ms : 0;
	task_arm(t, EVENT_DEADLINE_SETUP, more < UINT64_MAX - ms ? ms + more : more);
}

static void act_arm_run(struct task *t, const struct occurrence *o)
{
	uint64_t now = clock_boot_ns();
	t->wall_at_ns = deadline_after_ms(now, t->build.wall_ms);
	t->output_at_ns = now;
	task_arm_run(t);
}

/* One deadline for both limits: what it means is looked at when it fires. */
void task_arm_run(struct task *t)
{
	uint64_t idle_at = UINT64_MAX;
	if (t->build.idle_ms)
		idle_at = deadline_after_ms(t->output_at_ns, t->build.idle_ms);
	t->deadline_event = idle_at < t->wall_at_ns ? EVENT_DEADLINE_IDLE : EVENT_DEADLINE_WALL;
	deadline_set(t->host->deadlines, &t->deadline,
		idle_at < t->wall_at_ns ? idle_at : t->wall_at_ns);
}

static void act_arm_grace(struct task *t, const struct occurrence *o)
{
	task_arm(t, EVENT_GRACE_OVER, t->build.grace_ms);
}

static void act_arm_kill(struct task *t, const struct occurrence *o)
{
	task_arm(t, EVENT_KILL_OVER, KILL_MS);
}

static void act_arm_collect(struct task *t, const struct occurrence *o)
{
	/* When that is over there is no more of it. */
	uint64_t extra_ms = t->build.collect_ms;
	t->build.collect_ms = 0;
	task_arm(t, EVENT_COLLECT_OVER, COLLECT_MS + extra_ms);
}

static void act_check_collected(struct task *t, const struct occurrence *o)
{
	if ((t->facts.jail_gone || t->facts.warden_lost) && t->streams.is_drained)
		task_queue_event(t, EVENT_COLLECTED);
}

void task_release_start(struct task *t)
{
	release_sources(t);
	fd_close(&t->inputs_fd);
	build_finish(&t->build);
}

static void log_done(const struct task *t)
{
	const char *outcome = outcome_name(t->result->verdict.outcome);
	const char *cause = cause_name(t->result->verdict.cause);
	char uid[16];
	if (t->host->part) {
		task_log(t, LOG_LEVEL_DEBUG, "done: %s, %s", outcome, cause);
		return;
	}
	snprintf(uid, sizeof(uid), "%u", t->uid);
	const struct log_field fields[] = {
		{ "MESSAGE_ID", LOG_MESSAGE_TASK_DONE },
		{ "DAYFLY_UID", uid },
		{ "DAYFLY_OUTCOME", outcome },
		{ "DAYFLY_CAUSE", cause },
	};
	log_task_fields(
		LOG_LEVEL_INFO, t->id, fields, ARRAY_SIZE(fields), "done: %s, %s", outcome, cause);
}

static void act_finish(struct task *t, const struct occurrence *o)
{
	struct task_result *r = t->result;
	uint64_t now = clock_mono_ns();
	deadline_cancel(t->host->deadlines, &t->deadline);
	streams_finish(&t->streams);
	task_release_start(t);
	output_log_end(t->log);
	if (t->gone_ns)
		r->collect_us = known((now - t->gone_ns) / NS_PER_US);
	if (!r->queued_us.is_known)
		r->queued_us = known((now - t->created_ns) / NS_PER_US);
	r->finished_ns = clock_real_ns();
	t->facts.lacks_artifacts = result_lacks_artifacts(r);
	r->verdict = verdict_decide(&t->facts);
	result_set_output(r, t->log);
	log_done(t);
	t->host->on_done(t->host->owner, t);
}

#define AT(action) [__builtin_ctz(action)]
const task_action_fn task_actions[ACTION_BITS] = {
	AT(ACTION_UNEXPECTED) = act_unexpected,
	AT(ACTION_RECORD_KILL) = act_record_kill,
	AT(ACTION_RECORD_STARTED) = act_record_started,
	AT(ACTION_RECORD_FAILURE) = act_record_failure,
	AT(ACTION_RECORD_EXIT) = act_record_exit,
	AT(ACTION_RECORD_GONE) = act_record_gone,
	AT(ACTION_RECORD_LOST) = act_record_lost,
	AT(ACTION_UNQUEUE) = act_unqueue,
	AT(ACTION_ARM_SETUP) = act_arm_setup,
	AT(ACTION_ARM_RUN) = act_arm_run,
	AT(ACTION_ARM_GRACE) = act_arm_grace,
	AT(ACTION_ARM_KILL) = act_arm_kill,
	AT(ACTION_ARM_COLLECT) = act_arm_collect,
	AT(ACTION_SIGNAL_TERM) = act_signal_term,
	AT(ACTION_KILL_JAIL) = act_kill_jail,
	AT(ACTION_CLOSE_STREAMS) = act_close_streams,
	AT(ACTION_NOTE_STUCK) = act_note_stuck,
	AT(ACTION_START_JAIL) = act_start_jail,
	AT(ACTION_CHECK_COLLECTED) = act_check_collected,
	AT(ACTION_FINISH) = act_finish,
};
