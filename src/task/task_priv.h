/* Between task.c and task_actions.c. */
#ifndef DAYFLY_TASK_TASK_PRIV_H
#define DAYFLY_TASK_TASK_PRIV_H

#include "base/log.h"
#include "task/task.h"

#define task_log(t, level, fmt, ...)                                                               \
	log_task(level, (t)->id, "%s%s" fmt, (t)->host->part ? (t)->host->part : "",               \
		(t)->host->part ? ": " : "", __VA_ARGS__)

/* What is being handled: the event, the state in which it came, and the record that it came with
 * (or NULL). */
struct occurrence {
	enum task_event event;
	enum task_state from;
	const struct wire_event *wire;
};

typedef void (*task_action_fn)(struct task *t, const struct occurrence *o);
extern const task_action_fn task_actions[ACTION_BITS];

/* To be handled when all actions of the current event are done. */
void task_queue_event(struct task *t, enum task_event event);

/* Sets the task's one deadline. */
void task_arm_run(struct task *t);
void task_arm(struct task *t, enum task_event event, uint64_t ms);

/* The whole jail dies, unless it is gone. */
void task_kill_jail(struct task *t);

/* Lets go of what only a start needs. */
void task_release_start(struct task *t);

#endif
