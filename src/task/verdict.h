/*
 * How a task ended: from recorded facts to outcome, cause, phase and exit. Pure. The first rule
 * that fits decides:
 *
 *    1  the daemon crashed while the task was not done        lost       daemon_crash
 *    2  a kill was decided, and the main process had not      by reason, see below
 *       ended before the decision
 *    3  the exec failed                                       failed     exec
 *    4  the setup failed, or the plan could not be handed     error      setup
 *       over
 *    5  main status known: SIGKILL and oom_kill rose          killed     oom
 *    6                     SIGSYS                             killed     seccomp
 *    7                     SIGXCPU, or SIGKILL a second      killed     timeout_cpu
 *                          later, and a process's limit of
 *                          CPU time was used up
 *    8                     a signal, or a code above 0,
 *                          and its disk was full              failed     disk_limit
 *    9                     another signal                     failed     signal
 *   10                     code 0, and a required artifact
 *                          is not there                       failed     artifacts
 *   11                     code 0                             ok         exit
 *   12                     another code                       failed     exit
 *   13  the warden was lost                                   lost       warden_lost
 *   14  the jail went away without a word: before the start   error      setup
 *   15                                     after the start    error      internal
 *
 *   kill reason    outcome    cause          |  kill reason    outcome    cause
 *   wall           killed     timeout_wall   |  client_gone    cancelled  client_gone
 *   queue          rejected   timeout_queue  |  output_limit   killed     output_limit
 *   setup          error      setup          |  shutdown       killed     shutdown
 *   cancel         cancelled  cancel         |  ... in the queue: rejected, shutdown
 *   idle           killed     timeout_idle   |  cpu_time       killed     timeout_cpu
 *
 * The cause never comes from the exit code: a task that exits with 137 has exited. `exit` is filled
 * whenever the main process's status is known, also for a killed task. `phase` is where the task
 * was when its end was decided.
 */
#ifndef DAYFLY_TASK_VERDICT_H
#define DAYFLY_TASK_VERDICT_H

#include "task/state.h"

#include <stdbool.h>
#include <stdint.h>

enum outcome {
	OUTCOME_OK,
	OUTCOME_FAILED,
	OUTCOME_KILLED,
	OUTCOME_CANCELLED,
	OUTCOME_REJECTED,
	OUTCOME_ERROR,
	OUTCOME_LOST,
	OUTCOME_COUNT
};
const char *outcome_name(enum outcome o);

enum cause {
	CAUSE_EXIT,
	CAUSE_SIGNAL,
	CAUSE_OOM,
	CAUSE_TIMEOUT_WALL,
	CAUSE_TIMEOUT_CPU,
	CAUSE_TIMEOUT_IDLE,
	CAUSE_TIMEOUT_QUEUE,
	CAUSE_OUTPUT_LIMIT,
	CAUSE_DISK_LIMIT,
	CAUSE_ARTIFACTS,
	CAUSE_SECCOMP,
	CAUSE_CANCEL,
	CAUSE_CLIENT_GONE,
	CAUSE_SHUTDOWN,
	CAUSE_EXEC,
	CAUSE_SETUP,
	CAUSE_INTERNAL,
	CAUSE_DAEMON_CRASH,
	CAUSE_WARDEN_LOST,
	CAUSE_COUNT
};
const char *cause_name(enum cause c);

enum phase { PHASE_QUEUE, PHASE_SETUP, PHASE_EXEC, PHASE_RUN, PHASE_COLLECT, PHASE_COUNT };
const char *phase_name(enum phase p); /* "queue" "setup" "exec" "run" "collect" */

enum kill_reason {
	KILL_REASON_NONE,
	KILL_REASON_WALL,
	KILL_REASON_QUEUE,
	KILL_REASON_SETUP,
	KILL_REASON_CANCEL,
	KILL_REASON_CLIENT_GONE,
	KILL_REASON_OUTPUT_LIMIT,
	KILL_REASON_SHUTDOWN,
	KILL_REASON_IDLE,
	KILL_REASON_CPU_TIME,
	KILL_REASON_COUNT
};
const char *kill_reason_name(enum kill_reason r);
/* The reason that an event with ACTION_RECORD_KILL stands for; NONE for any other event. */
enum kill_reason kill_reason_from_event(enum task_event ev);

/* What is known. Zero-initialised it says: nothing happened yet. */
struct verdict_facts {
	enum kill_reason kill_reason; /* the first decision; set by verdict_record_kill() only */
	enum task_state kill_state;   /* the state in which it was taken */
	uint64_t kill_mono_ns;	      /* when */
	bool started;		      /* WIRE_STARTED came */
	bool exec_failed;	      /* WIRE_FAILED with phase_exec */
	bool setup_failed;	      /* WIRE_FAILED without, or START could not be sent */
	bool has_status;	      /* WIRE_EXITED came */
	int status;		      /* as from waitpid */
	uint64_t exited_mono_ns;      /* 0: unknown */
	bool jail_gone;		      /* WIRE_GONE came */
	bool warden_lost;
	bool daemon_crash;    /* found by the next daemon */
	bool used_soft_cpu;   /* as much CPU time as the limit of each process (RLIMIT_CPU) */
	bool used_hard_cpu;   /* likewise, as the one at which the kernel sends SIGKILL */
	bool disk_is_full;    /* no byte or no inode was free when the main process ended */
	bool lacks_artifacts; /* one that is required was not taken */
	uint64_t oom_kills;   /* by how much the jail's oom_kill counter rose; 0 when not known */
};

/*
 * Keeps the first decision; later ones change nothing. Call it before any signal is sent. Returns
 * whether it was the first.
 */
bool verdict_record_kill(
	struct verdict_facts *f, enum kill_reason reason, enum task_state state, uint64_t mono_ns);

struct task_exit {
	bool has_code, has_signal;
	int code;
	int signal;
	bool core;
};

struct verdict {
	enum outcome outcome;
	enum cause cause;
	enum phase phase;
	struct task_exit exit; /* of the main process */
};

struct verdict verdict_decide(const struct verdict_facts *f);

#endif
