/* JSON for people and programs that ask: tasks, one task, the daemon. Every function returns a new
 * object, or NULL without memory. */
#ifndef DAYFLY_DAEMON_DESCRIBE_H
#define DAYFLY_DAEMON_DESCRIBE_H

#include "daemon/jobs.h"
#include "task/task.h"

#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

struct server;

/* {"version","protocol"} */
json_t *describe_version(void);
/* {"task","state"} */
json_t *describe_task_state(const struct task *t);
json_t *describe_state(const struct task *t, enum task_state state);
json_t *describe_stats(const struct server *s);
/* {"task","state","spec","result",...}. Values of the environment stay out: they may be secrets. */
json_t *describe_job(const struct server *s, struct job *j);
/* {"tasks":[...]}: those of the uid; all: finished ones too; label ("key" or "key=value"): only
 * those that have it; usage: what they use now (usage.h). */
json_t *describe_list(
	const struct server *s, uid_t uid, bool all, const char *label, bool with_usage);
/* What was asked for, without secrets, files and values of the environment; of the command at most
 * so many bytes: *ret_is_cut. */
json_t *describe_spec(const struct task_spec *spec, size_t max_argv_bytes, bool *ret_is_cut);
/* {"argv","argv_is_cut","labels","name"} */
json_t *describe_known_spec(const struct task_spec *spec, bool argv_is_cut);
/* The command's first words, as lists have them. */
json_t *describe_argv(const struct task_spec *spec, bool *ret_is_cut);
/* {"key":"value"} of "key=value" strings. */
json_t *describe_labels(char *const *v);
/* The members of an event about a task: its state, since when, and how it ended. */
json_t *describe_event(const struct job *j, bool is_snapshot);
json_t *describe_server(const struct server *s, uid_t uid);

#endif
