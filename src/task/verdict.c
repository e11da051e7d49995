/* From facts to a verdict: the rules stand in verdict.h. */
#include "task/verdict.h"

#include <signal.h>
#include <sys/wait.h>

static const char *const outcome_names[OUTCOME_COUNT] = {
	[OUTCOME_OK] = "ok",
	[OUTCOME_FAILED] = "failed",
	[OUTCOME_KILLED] = "killed",
	[OUTCOME_CANCELLED] = "cancelled",
	[OUTCOME_REJECTED] = "rejected",
	[OUTCOME_ERROR] = "error",
	[OUTCOME_LOST] = "lost",
};

static const char *const cause_names[CAUSE_COUNT] = {
	[CAUSE_EXIT] = "exit",
	[CAUSE_SIGNAL] = "signal",
	[CAUSE_OOM] = "oom",
	[CAUSE_TIMEOUT_WALL] = "timeout_wall",
	[CAUSE_TIMEOUT_CPU] = "timeout_cpu",
	[CAUSE_TIMEOUT_IDLE] = "timeout_idle",
	[CAUSE_TIMEOUT_QUEUE] = "timeout_queue",
	[CAUSE_OUTPUT_LIMIT] = "output_limit",
	[CAUSE_DISK_LIMIT] = "disk_limit",
	[CAUSE_ARTIFACTS] = "artifacts",
	[CAUSE_SECCOMP] = "seccomp",
	[CAUSE_CANCEL] = "cancel",
	[CAUSE_CLIENT_GONE] = "client_gone",
	[CAUSE_SHUTDOWN] = "shutdown",
	[CAUSE_EXEC] = "exec",
	[CAUSE_SETUP] = "setup",
	[CAUSE_INTERNAL] = "internal",
	[CAUSE_DAEMON_CRASH] = "daemon_crash",
	[CAUSE_WARDEN_LOST] = "warden_lost",
};

static const char *const phase_names[PHASE_COUNT] = {
	[PHASE_QUEUE] = "queue",
	[PHASE_SETUP] = "setup",
	[PHASE_EXEC] = "exec",
	[PHASE_RUN] = "run",
	[PHASE_COLLECT] = "collect",
};

static const struct {
	const char *name;
	enum outcome outcome;
	enum cause cause;
} reasons[KILL_REASON_COUNT] = {
	[KILL_REASON_NONE] = { "none", OUTCOME_ERROR, CAUSE_INTERNAL },
	[KILL_REASON_WALL] = { "wall", OUTCOME_KILLED, CAUSE_TIMEOUT_WALL },
	[KILL_REASON_QUEUE] = { "queue", OUTCOME_REJECTED, CAUSE_TIMEOUT_QUEUE },
	[KILL_REASON_SETUP] = { "setup", OUTCOME_ERROR, CAUSE_SETUP },
	[KILL_REASON_CANCEL] = { "cancel", OUTCOME_CANCELLED, CAUSE_CANCEL },
	[KILL_REASON_CLIENT_GONE] = { "client_gone", OUTCOME_CANCELLED, CAUSE_CLIENT_GONE },
	[KILL_REASON_OUTPUT_LIMIT] = { "output_limit", OUTCOME_KILLED, CAUSE_OUTPUT_LIMIT },
	[KILL_REASON_SHUTDOWN] = { "shutdown", OUTCOME_KILLED, CAUSE_SHUTDOWN },
	[KILL_REASON_IDLE] = { "idle", OUTCOME_KILLED, CAUSE_TIMEOUT_IDLE },
	[KILL_REASON_CPU_TIME] = { "cpu_time", OUTCOME_KILLED, CAUSE_TIMEOUT_CPU },
};

const char *outcome_name(enum outcome o)
{
	return (unsigned)o < OUTCOME_COUNT ? outcome_names[o] : "unknown";
}

const char *cause_name(enum cause c)
{
	return (unsigned)c < CAUSE_COUNT ? cause_names[c] : "unknown";
}

const char *phase_name(enum phase p)
{
	return (unsigned)p < PHASE_COUNT ? phase_names[p] : "unknown";
}

const char *kill_reason_name(enum kill_reason r)
{
	return (unsigned)r < KILL_REASON_COUNT ? reasons[r].name : "unknown";
}

enum kill_reason kill_reason_from_event(enum task_event ev)
{
	static const enum kill_reason by_event[TASK_EVENT_COUNT] = {
		[EVENT_CANCEL] = KILL_REASON_CANCEL,
		[EVENT_CLIENT_GONE] = KILL_REASON_CLIENT_GONE,
		[EVENT_OUTPUT_LIMIT] = KILL_REASON_OUTPUT_LIMIT,
		[EVENT_SHUTDOWN] = KILL_REASON_SHUTDOWN,
		[EVENT_CPU_LIMIT] = KILL_REASON_CPU_TIME,
		[EVENT_DEADLINE_IDLE] = KILL_REASON_IDLE,
		[EVENT_DEADLINE_QUEUE] = KILL_REASON_QUEUE,
		[EVENT_DEADLINE_SETUP] = KILL_REASON_SETUP,
		[EVENT_DEADLINE_WALL] = KILL_REASON_WALL,
	};
	return (unsigned)ev < TASK_EVENT_COUNT ? by_event[ev] : KILL_REASON_NONE;
}

bool verdict_record_kill(
	struct verdict_facts *f, enum kill_reason reason, enum task_state state, uint64_t mono_ns)
{
	if (f->kill_reason != KILL_REASON_NONE || reason == KILL_REASON_NONE)
		return false;
	f->kill_reason = reason;
	f->kill_state = state;
	f->kill_mono_ns = mono_ns;
	return true;
}

static enum phase phase_of_state(enum task_state s)
{
	static const enum phase phases[TASK_STATE_COUNT] = {
		[TASK_STATE_QUEUED] = PHASE_QUEUE,
		[TASK_STATE_STARTING] = PHASE_SETUP,
		[TASK_STATE_RUNNING] = PHASE_RUN,
		[TASK_STATE_STOPPING] = PHASE_RUN,
		[TASK_STATE_COLLECTING] = PHASE_COLLECT,
		[TASK_STATE_DONE] = PHASE_COLLECT,
	};
	return (unsigned)s < TASK_STATE_COUNT ? phases[s] : PHASE_COLLECT;
}

static struct verdict verdict_of(enum outcome outcome, enum cause cause, enum phase phase)
{
	return (struct verdict){ .outcome = outcome, .cause = cause, .phase = phase };
}

static struct task_exit exit_of_status(int status)
{
	struct task_exit x = { 0 };
	if (WIFSIGNALED(status)) {
		x.has_signal = true;
		x.signal = WTERMSIG(status);
		x.core = WCOREDUMP(status);
	} else {
		x.has_code = true;
		x.code = WEXITSTATUS(status);
	}
	return x;
}

/* It had ended by itself, and the news was still on its way when the kill was decided. */
static bool ended_before_kill(const struct verdict_facts *f)
{
	return f->has_status && f->exited_mono_ns && f->exited_mono_ns < f->kill_mono_ns;
}

static struct verdict decide_kill(const struct verdict_facts *f)
{
	struct verdict v = verdict_of(reasons[f->kill_reason].outcome,
		reasons[f->kill_reason].cause, phase_of_state(f->kill_state));
	if (f->kill_reason == KILL_REASON_SHUTDOWN && f->kill_state == TASK_STATE_QUEUED)
		v.outcome = OUTCOME_REJECTED;
	return v;
}

static struct verdict decide_status(const struct verdict_facts *f, const struct task_exit *x)
{
	if (x->has_code && x->code == 0 && f->lacks_artifacts)
		return verdict_of(OUTCOME_FAILED, CAUSE_ARTIFACTS, PHASE_COLLECT);
	if (x->has_code && x->code == 0)
		return verdict_of(OUTCOME_OK, CAUSE_EXIT, PHASE_RUN);
	if (x->has_signal && x->signal == SIGKILL && f->oom_kills)
		return verdict_of(OUTCOME_KILLED, CAUSE_OOM, PHASE_RUN);
	if (x->has_signal && x->signal == SIGSYS)
		return verdict_of(OUTCOME_KILLED, CAUSE_SECCOMP, PHASE_RUN);
	if (x->has_signal && ((x->signal == SIGXCPU && f->used_soft_cpu) ||
				     (x->signal == SIGKILL && f->used_hard_cpu)))
		return verdict_of(OUTCOME_KILLED, CAUSE_TIMEOUT_CPU, PHASE_RUN);
	if (f->disk_is_full)
		return verdict_of(OUTCOME_FAILED, CAUSE_DISK_LIMIT, PHASE_RUN);
	return verdict_of(OUTCOME_FAILED, x->has_code ? CAUSE_EXIT : CAUSE_SIGNAL, PHASE_RUN);
}

struct verdict verdict_decide(const struct verdict_facts *f)
{
	/* The status of a child that never became the task says nothing about the task. */
	bool has_exit = f->has_status && !f->exec_failed && !f->setup_failed;
	struct task_exit x = { 0 };
	if (has_exit)
		x = exit_of_status(f->status);
	enum phase phase = f->started ? PHASE_RUN : PHASE_SETUP;

	struct verdict v;
	if (f->daemon_crash)
		v = verdict_of(OUTCOME_LOST, CAUSE_DAEMON_CRASH, phase);
	else if (f->kill_reason != KILL_REASON_NONE && !ended_before_kill(f))
		v = decide_kill(f);
	else if (f->exec_failed)
		v = verdict_of(OUTCOME_FAILED, CAUSE_EXEC, PHASE_EXEC);
	else if (f->setup_failed)
		v = verdict_of(OUTCOME_ERROR, CAUSE_SETUP, PHASE_SETUP);
	else if (has_exit)
		v = decide_status(f, &x);
	else if (f->warden_lost)
		v = verdict_of(OUTCOME_LOST, CAUSE_WARDEN_LOST, phase);
	else
		v = verdict_of(OUTCOME_ERROR, f->started ? CAUSE_INTERNAL : CAUSE_SETUP, phase);
	v.exit = x;
	return v;
}
