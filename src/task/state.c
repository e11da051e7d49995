/* The state table: see state.h. */
#include "task/state.h"

#include "base/cleanup.h"

#include <assert.h>

static const char *const state_names[TASK_STATE_COUNT] = {
	[TASK_STATE_QUEUED] = "queued",
	[TASK_STATE_STARTING] = "starting",
	[TASK_STATE_RUNNING] = "running",
	[TASK_STATE_STOPPING] = "stopping",
	[TASK_STATE_COLLECTING] = "collecting",
	[TASK_STATE_DONE] = "done",
};

static const char *const event_names[TASK_EVENT_COUNT] = {
	[EVENT_SLOT_FREE] = "slot_free",
	[EVENT_START_FAILED] = "start_failed",
	[EVENT_WARDEN_STARTED] = "warden_started",
	[EVENT_WARDEN_FAILED] = "warden_failed",
	[EVENT_MAIN_EXITED] = "main_exited",
	[EVENT_JAIL_GONE] = "jail_gone",
	[EVENT_STREAMS_DRAINED] = "streams_drained",
	[EVENT_COLLECTED] = "collected",
	[EVENT_CANCEL] = "cancel",
	[EVENT_CLIENT_GONE] = "client_gone",
	[EVENT_OUTPUT_LIMIT] = "output_limit",
	[EVENT_CPU_LIMIT] = "cpu_limit",
	[EVENT_SHUTDOWN] = "shutdown",
	[EVENT_WARDEN_LOST] = "warden_lost",
	[EVENT_DEADLINE_QUEUE] = "deadline_queue",
	[EVENT_DEADLINE_SETUP] = "deadline_setup",
	[EVENT_DEADLINE_WALL] = "deadline_wall",
	[EVENT_DEADLINE_IDLE] = "deadline_idle",
	[EVENT_GRACE_OVER] = "grace_over",
	[EVENT_KILL_OVER] = "kill_over",
	[EVENT_COLLECT_OVER] = "collect_over",
};

static const char *const action_names[ACTION_BITS] = {
	"unexpected",
	"record_kill",
	"record_started",
	"record_failure",
	"record_exit",
	"record_gone",
	"record_lost",
	"unqueue",
	"arm_setup",
	"arm_run",
	"arm_grace",
	"arm_kill",
	"arm_collect",
	"signal_term",
	"kill_jail",
	"close_streams",
	"note_stuck",
	"start_jail",
	"check_collected",
	"finish",
};

/* clang-format off */
#define TO(state, actions) { TASK_STATE_##state, (actions) }

/* Never ran: the decision is the end. */
#define REFUSE TO(DONE, ACTION_RECORD_KILL | ACTION_UNQUEUE | ACTION_FINISH)
/* There is no task to be asked yet, or it is not known: the jail dies at once. */
#define ABORT  TO(STOPPING, ACTION_RECORD_KILL | ACTION_ARM_KILL | ACTION_KILL_JAIL)
#define STOP   TO(STOPPING, ACTION_RECORD_KILL | ACTION_ARM_GRACE | ACTION_SIGNAL_TERM)
#define FAILED TO(COLLECTING, ACTION_RECORD_FAILURE | ACTION_ARM_COLLECT)
#define EXITED TO(COLLECTING, ACTION_RECORD_EXIT | ACTION_ARM_COLLECT)
#define GONE   TO(COLLECTING, ACTION_RECORD_GONE | ACTION_ARM_COLLECT | ACTION_CHECK_COLLECTED)
#define LOST   TO(COLLECTING, ACTION_RECORD_LOST | ACTION_ARM_COLLECT | ACTION_CHECK_COLLECTED)
/* A race that is part of the design: an end that was already decided, a second cancel, an early end of file. */
#define IGNORE(state) TO(state, 0)
#define NEVER(state)  TO(state, ACTION_UNEXPECTED)

static const struct state_decision table[TASK_STATE_COUNT][TASK_EVENT_COUNT] = {
	[TASK_STATE_QUEUED] = {
		[EVENT_SLOT_FREE]       = TO(STARTING, ACTION_ARM_SETUP | ACTION_START_JAIL),
		/* What it waits for cannot be had. */
		[EVENT_START_FAILED]    = TO(DONE, ACTION_RECORD_FAILURE | ACTION_UNQUEUE | ACTION_FINISH),
		[EVENT_WARDEN_STARTED]  = NEVER(QUEUED),
		[EVENT_WARDEN_FAILED]   = NEVER(QUEUED),
		[EVENT_MAIN_EXITED]     = NEVER(QUEUED),
		[EVENT_JAIL_GONE]       = NEVER(QUEUED),
		[EVENT_STREAMS_DRAINED] = NEVER(QUEUED),
		[EVENT_COLLECTED]       = NEVER(QUEUED),
		[EVENT_CANCEL]          = REFUSE,
		[EVENT_CLIENT_GONE]     = REFUSE,
		[EVENT_OUTPUT_LIMIT]    = NEVER(QUEUED),
		[EVENT_CPU_LIMIT]       = NEVER(QUEUED),
		[EVENT_SHUTDOWN]        = REFUSE,
		/* The next warden will run it. */
		[EVENT_WARDEN_LOST]     = IGNORE(QUEUED),
		[EVENT_DEADLINE_QUEUE]  = REFUSE,
		[EVENT_DEADLINE_SETUP]  = NEVER(QUEUED),
		[EVENT_DEADLINE_WALL]   = NEVER(QUEUED),
		[EVENT_DEADLINE_IDLE]   = NEVER(QUEUED),
		[EVENT_GRACE_OVER]      = NEVER(QUEUED),
		[EVENT_KILL_OVER]       = NEVER(QUEUED),
		[EVENT_COLLECT_OVER]    = NEVER(QUEUED),
	},
	[TASK_STATE_STARTING] = {
		[EVENT_SLOT_FREE]       = NEVER(STARTING),
		[EVENT_START_FAILED]    = TO(DONE, ACTION_RECORD_FAILURE | ACTION_FINISH),
		[EVENT_WARDEN_STARTED]  = TO(RUNNING, ACTION_RECORD_STARTED | ACTION_ARM_RUN),
		[EVENT_WARDEN_FAILED]   = FAILED,
		[EVENT_MAIN_EXITED]     = EXITED,
		[EVENT_JAIL_GONE]       = GONE,
		[EVENT_STREAMS_DRAINED] = IGNORE(STARTING),
		[EVENT_COLLECTED]       = NEVER(STARTING),
		[EVENT_CANCEL]          = ABORT,
		[EVENT_CLIENT_GONE]     = ABORT,
		/* Output may be read before the warden's record. */
		[EVENT_OUTPUT_LIMIT]    = ABORT,
		[EVENT_CPU_LIMIT]       = ABORT,
		[EVENT_SHUTDOWN]        = ABORT,
		[EVENT_WARDEN_LOST]     = LOST,
		[EVENT_DEADLINE_QUEUE]  = NEVER(STARTING),
		[EVENT_DEADLINE_SETUP]  = ABORT,
		[EVENT_DEADLINE_WALL]   = NEVER(STARTING),
		[EVENT_DEADLINE_IDLE]   = NEVER(STARTING),
		[EVENT_GRACE_OVER]      = NEVER(STARTING),
		[EVENT_KILL_OVER]       = NEVER(STARTING),
		[EVENT_COLLECT_OVER]    = NEVER(STARTING),
	},
	[TASK_STATE_RUNNING] = {
		[EVENT_SLOT_FREE]       = NEVER(RUNNING),
		[EVENT_START_FAILED]    = NEVER(RUNNING),
		[EVENT_WARDEN_STARTED]  = NEVER(RUNNING),
		/* A failed exec may be told after the start. */
		[EVENT_WARDEN_FAILED]   = FAILED,
		[EVENT_MAIN_EXITED]     = EXITED,
		[EVENT_JAIL_GONE]       = GONE,
		[EVENT_STREAMS_DRAINED] = IGNORE(RUNNING),
		[EVENT_COLLECTED]       = NEVER(RUNNING),
		[EVENT_CANCEL]          = STOP,
		[EVENT_CLIENT_GONE]     = STOP,
		[EVENT_OUTPUT_LIMIT]    = STOP,
		[EVENT_CPU_LIMIT]       = STOP,
		[EVENT_SHUTDOWN]        = STOP,
		[EVENT_WARDEN_LOST]     = LOST,
		[EVENT_DEADLINE_QUEUE]  = NEVER(RUNNING),
		[EVENT_DEADLINE_SETUP]  = NEVER(RUNNING),
		[EVENT_DEADLINE_WALL]   = STOP,
		[EVENT_DEADLINE_IDLE]   = STOP,
		[EVENT_GRACE_OVER]      = NEVER(RUNNING),
		[EVENT_KILL_OVER]       = NEVER(RUNNING),
		[EVENT_COLLECT_OVER]    = NEVER(RUNNING),
	},
	[TASK_STATE_STOPPING] = {
		[EVENT_SLOT_FREE]       = NEVER(STOPPING),
		[EVENT_START_FAILED]    = NEVER(STOPPING),
		/* Crossed our KILL on its way. */
		[EVENT_WARDEN_STARTED]  = TO(STOPPING, ACTION_RECORD_STARTED),
		[EVENT_WARDEN_FAILED]   = FAILED,
		[EVENT_MAIN_EXITED]     = EXITED,
		[EVENT_JAIL_GONE]       = GONE,
		[EVENT_STREAMS_DRAINED] = IGNORE(STOPPING),
		[EVENT_COLLECTED]       = NEVER(STOPPING),
		[EVENT_CANCEL]          = IGNORE(STOPPING),
		[EVENT_CLIENT_GONE]     = IGNORE(STOPPING),
		[EVENT_OUTPUT_LIMIT]    = IGNORE(STOPPING),
		[EVENT_CPU_LIMIT]       = IGNORE(STOPPING),
		[EVENT_SHUTDOWN]        = IGNORE(STOPPING),
		[EVENT_WARDEN_LOST]     = LOST,
		[EVENT_DEADLINE_QUEUE]  = NEVER(STOPPING),
		[EVENT_DEADLINE_SETUP]  = NEVER(STOPPING),
		[EVENT_DEADLINE_WALL]   = NEVER(STOPPING),
		[EVENT_DEADLINE_IDLE]   = NEVER(STOPPING),
		[EVENT_GRACE_OVER]      = TO(STOPPING, ACTION_ARM_KILL | ACTION_KILL_JAIL),
		/* A process in an uninterruptible sleep: say so, and try again for as long as it takes. */
		[EVENT_KILL_OVER]       = TO(STOPPING, ACTION_ARM_KILL | ACTION_KILL_JAIL | ACTION_NOTE_STUCK),
		[EVENT_COLLECT_OVER]    = NEVER(STOPPING),
	},
	[TASK_STATE_COLLECTING] = {
		[EVENT_SLOT_FREE]       = NEVER(COLLECTING),
		[EVENT_START_FAILED]    = NEVER(COLLECTING),
		[EVENT_WARDEN_STARTED]  = NEVER(COLLECTING),
		/* The status of a child whose exec failed, in either order. */
		[EVENT_WARDEN_FAILED]   = TO(COLLECTING, ACTION_RECORD_FAILURE),
		[EVENT_MAIN_EXITED]     = TO(COLLECTING, ACTION_RECORD_EXIT),
		[EVENT_JAIL_GONE]       = TO(COLLECTING, ACTION_RECORD_GONE | ACTION_CHECK_COLLECTED),
		[EVENT_STREAMS_DRAINED] = TO(COLLECTING, ACTION_CHECK_COLLECTED),
		[EVENT_COLLECTED]       = TO(DONE, ACTION_FINISH),
		[EVENT_CANCEL]          = IGNORE(COLLECTING),
		[EVENT_CLIENT_GONE]     = IGNORE(COLLECTING),
		[EVENT_OUTPUT_LIMIT]    = IGNORE(COLLECTING),
		[EVENT_CPU_LIMIT]       = IGNORE(COLLECTING),
		[EVENT_SHUTDOWN]        = IGNORE(COLLECTING),
		[EVENT_WARDEN_LOST]     = TO(COLLECTING, ACTION_RECORD_LOST | ACTION_CHECK_COLLECTED),
		[EVENT_DEADLINE_QUEUE]  = NEVER(COLLECTING),
		[EVENT_DEADLINE_SETUP]  = NEVER(COLLECTING),
		[EVENT_DEADLINE_WALL]   = NEVER(COLLECTING),
		[EVENT_DEADLINE_IDLE]   = NEVER(COLLECTING),
		[EVENT_GRACE_OVER]      = NEVER(COLLECTING),
		[EVENT_KILL_OVER]       = NEVER(COLLECTING),
		[EVENT_COLLECT_OVER]    = TO(COLLECTING, ACTION_ARM_COLLECT | ACTION_KILL_JAIL |
						ACTION_CLOSE_STREAMS | ACTION_NOTE_STUCK | ACTION_CHECK_COLLECTED),
	},
	[TASK_STATE_DONE] = {
		[EVENT_SLOT_FREE]       = NEVER(DONE),
		[EVENT_START_FAILED]    = NEVER(DONE),
		[EVENT_WARDEN_STARTED]  = NEVER(DONE),
		[EVENT_WARDEN_FAILED]   = NEVER(DONE),
		[EVENT_MAIN_EXITED]     = NEVER(DONE),
		[EVENT_JAIL_GONE]       = NEVER(DONE),
		[EVENT_STREAMS_DRAINED] = IGNORE(DONE),
		[EVENT_COLLECTED]       = IGNORE(DONE),
		[EVENT_CANCEL]          = IGNORE(DONE),
		[EVENT_CLIENT_GONE]     = IGNORE(DONE),
		[EVENT_OUTPUT_LIMIT]    = IGNORE(DONE),
		[EVENT_CPU_LIMIT]       = IGNORE(DONE),
		[EVENT_SHUTDOWN]        = IGNORE(DONE),
		[EVENT_WARDEN_LOST]     = IGNORE(DONE),
		[EVENT_DEADLINE_QUEUE]  = NEVER(DONE),
		[EVENT_DEADLINE_SETUP]  = NEVER(DONE),
		[EVENT_DEADLINE_WALL]   = NEVER(DONE),
		[EVENT_DEADLINE_IDLE]   = NEVER(DONE),
		[EVENT_GRACE_OVER]      = NEVER(DONE),
		[EVENT_KILL_OVER]       = NEVER(DONE),
		[EVENT_COLLECT_OVER]    = NEVER(DONE),
	},
};
/* clang-format on */

#define BIT(state) (1u << TASK_STATE_##state)
static const uint32_t allowed[TASK_STATE_COUNT] = {
	[TASK_STATE_QUEUED] = BIT(STARTING) | BIT(DONE),
	[TASK_STATE_STARTING] = BIT(RUNNING) | BIT(STOPPING) | BIT(COLLECTING) | BIT(DONE),
	[TASK_STATE_RUNNING] = BIT(STOPPING) | BIT(COLLECTING),
	[TASK_STATE_STOPPING] = BIT(COLLECTING),
	[TASK_STATE_COLLECTING] = BIT(DONE),
	[TASK_STATE_DONE] = 0,
};

static_assert(ARRAY_SIZE(action_names) == ACTION_BITS, "every action has a name");
static_assert(ACTION_FINISH == 1 << (ACTION_BITS - 1), "ACTION_BITS is the number of actions");

const char *task_state_name(enum task_state s)
{
	return (unsigned)s < TASK_STATE_COUNT ? state_names[s] : "unknown";
}

const char *task_event_name(enum task_event ev)
{
	return (unsigned)ev < TASK_EVENT_COUNT ? event_names[ev] : "unknown";
}

const char *task_action_name(unsigned bit)
{
	return bit < ACTION_BITS ? action_names[bit] : "unknown";
}

struct state_decision state_decide(enum task_state s, enum task_event ev)
{
	assert((unsigned)s < TASK_STATE_COUNT && (unsigned)ev < TASK_EVENT_COUNT);
	return table[s][ev];
}

bool state_move_is_legal(enum task_state from, enum task_state to)
{
	return (unsigned)from < TASK_STATE_COUNT && (unsigned)to < TASK_STATE_COUNT &&
	       (allowed[from] & 1u << to);
}
