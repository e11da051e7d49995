/*
 * The states of a task and what happens in each on every event: one table (state.c), no side
 * effects. docs/task-states.md is printed from it.
 *
 *   queued ──▶ starting ──▶ running ──▶ stopping ──▶ collecting ──▶ done
 *
 *   short cuts:  queued ──▶ done        starting ──▶ stopping, collecting, done
 *                running ──▶ collecting
 *
 *   queued       waits for a slot
 *   starting     the warden makes the jail
 *   running      the task has been executed
 *   stopping     a kill was decided and is under way; the main process is not gone yet
 *   collecting   the main process is gone; the jail or the streams are not yet
 *   done         the result is there; the slot is free
 *
 * How to use it: task_handle(t, event) calls state_decide(t->state, event); if `next` differs,
 * task_set_state(t, next); then each action bit is done, from the lowest to the highest. A task has
 * one deadline: an ARM action replaces what was armed before, and its firing is the event named
 * beside it. With ACTION_CHECK_COLLECTED the task looks whether the jail is gone (after WARDEN_LOST
 * it counts as gone) and both streams are drained; if so it handles EVENT_COLLECTED.
 */
#ifndef DAYFLY_TASK_STATE_H
#define DAYFLY_TASK_STATE_H

#include <stdbool.h>
#include <stdint.h>

enum task_state {
	TASK_STATE_QUEUED,
	TASK_STATE_STARTING,
	TASK_STATE_RUNNING,
	TASK_STATE_STOPPING,
	TASK_STATE_COLLECTING,
	TASK_STATE_DONE,
	TASK_STATE_COUNT
};
const char *task_state_name(enum task_state s); /* "queued", ... */

enum task_event {
	EVENT_SLOT_FREE,       /* the scheduler has chosen the task */
	EVENT_START_FAILED,    /* dayflyd could not hand the plan to the warden, or what the task
				 waits for cannot be had: there is no jail */
	EVENT_WARDEN_STARTED,  /* WIRE_STARTED */
	EVENT_WARDEN_FAILED,   /* WIRE_FAILED; WIRE_GONE follows */
	EVENT_MAIN_EXITED,     /* WIRE_EXITED */
	EVENT_JAIL_GONE,       /* WIRE_GONE */
	EVENT_STREAMS_DRAINED, /* end of file on the last of the output streams */
	EVENT_COLLECTED,       /* jail gone and streams drained: see ACTION_CHECK_COLLECTED */
	EVENT_CANCEL,	       /* a client asked for it */
	EVENT_CLIENT_GONE,     /* the connection closed and on_disconnect is kill */
	EVENT_OUTPUT_LIMIT,    /* over the output limit and on_output_limit is kill */
	EVENT_CPU_LIMIT,       /* WIRE_LIMIT: its CPU time is used up */
	EVENT_SHUTDOWN,	       /* the daemon is stopping */
	EVENT_WARDEN_LOST,     /* the warden died */
	EVENT_DEADLINE_QUEUE,  /* waited too long for a slot */
	EVENT_DEADLINE_SETUP,  /* the jail was not made in time */
	EVENT_DEADLINE_WALL,   /* ran too long */
	EVENT_DEADLINE_IDLE,   /* wrote nothing for too long */
	EVENT_GRACE_OVER,      /* SIGTERM was not obeyed in time */
	EVENT_KILL_OVER,       /* the jail was killed and is still not gone */
	EVENT_COLLECT_OVER,    /* collecting took too long */
	TASK_EVENT_COUNT
};
const char *task_event_name(enum task_event ev); /* "slot_free", ... */

/*
 * What the task does, in this order: first what is remembered, then the deadline, then what may
 * fail and bring the next event.
 */
enum task_action {
	ACTION_UNEXPECTED = 1 << 0,  /* cannot happen if all is well: log a warning; stands alone */
	ACTION_RECORD_KILL = 1 << 1, /* verdict_record_kill(), before any signal */
	ACTION_RECORD_STARTED = 1 << 2, /* keep what WIRE_STARTED says */
	ACTION_RECORD_FAILURE = 1 << 3, /* keep the error of START or WIRE_FAILED */
	ACTION_RECORD_EXIT = 1 << 4,	/* keep the status */
	ACTION_RECORD_GONE = 1 << 5,	/* keep the counters; the jail is gone */
	ACTION_RECORD_LOST = 1 << 6,	/* the warden is lost; the jail counts as gone */
	ACTION_UNQUEUE = 1 << 7,	/* leave the scheduler's queue */
	ACTION_ARM_SETUP = 1 << 8,	/* fires EVENT_DEADLINE_SETUP */
	ACTION_ARM_RUN = 1 << 9,	/* fires EVENT_DEADLINE_WALL or _IDLE, what comes first */
	ACTION_ARM_GRACE = 1 << 10,	/* fires EVENT_GRACE_OVER */
	ACTION_ARM_KILL = 1 << 11,	/* fires EVENT_KILL_OVER */
	ACTION_ARM_COLLECT = 1 << 12,	/* fires EVENT_COLLECT_OVER */
	ACTION_SIGNAL_TERM = 1 << 13,	/* SIGTERM, and SIGCONT for a stopped task */
	ACTION_KILL_JAIL = 1 << 14,	/* send KILL, if the jail is not gone */
	ACTION_CLOSE_STREAMS = 1 << 15, /* if the jail is gone: the streams count as drained */
	ACTION_NOTE_STUCK = 1 << 16,	/* if the jail is not gone: log it; the slot stays taken */
	ACTION_START_JAIL = 1 << 17,	/* send START; on failure handle EVENT_START_FAILED */
	ACTION_CHECK_COLLECTED = 1 << 18, /* perhaps EVENT_COLLECTED */
	ACTION_FINISH = 1 << 19,	  /* disarm, verdict, free the slot, send the result */
};
#define ACTION_BITS 20
const char *task_action_name(unsigned bit); /* of 1 << bit: "record_kill", ... */

struct state_decision {
	enum task_state next;
	uint32_t actions; /* bits; 0 with the state unchanged: ignored by design */
};

struct state_decision state_decide(enum task_state s, enum task_event ev);

/* Whether a task may go from one state to the other. task_set_state() asserts it. */
bool state_move_is_legal(enum task_state from, enum task_state to);

#endif
