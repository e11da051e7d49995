/*
 * Between the history (history/history.h) and the daemon: what it is told of tasks, and requests
 * that it answers: `history`, and `inspect`, `wait`, `logs` and `attach` of tasks that the daemon
 * itself does not know any more.
 *
 * How it follows the journal: the journal decides. A task has a row when it is done, or a second
 * old. After a death the journal's tasks are told to the history first, with their results; what it
 * has beyond those as not done is lost as well.
 *
 * A client can make it hold little: few questions of a connection and of a uid, each with an answer
 * of bounded length.
 */
#ifndef DAYFLY_DAEMON_PAST_H
#define DAYFLY_DAEMON_PAST_H

#include "base/err.h"
#include "base/list.h"
#include "daemon/jobs.h"
#include "daemon/journal_record.h"
#include "daemon/options.h"
#include "history/history.h"
#include "proto/request.h"
#include "task/result.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct server;
struct alarm;
struct connection;

/* A connection with so many questions that are not answered is not read. */
#define PAST_WAITS_CONNECTION 4
/* Of one uid, and in all; who has none may always ask one. */
#define PAST_WAITS_UID 8
#define PAST_WAITS_MAX 64
/* A task that is not done is written down when it is so old. */
#define PAST_ACTIVE_MS 1000

struct identity;

struct past {
	struct server *server;
	struct history *history; /* NULL: there is none */
	struct alarm *alarm;
	bool is_alarm_set;
	struct list waits; /* past_wait.link */
	size_t n_waits;
};

/* Where the history is to lie, before root's rights are given up to `become` (NULL: they are not).
 * journal_dir: where the journal lies, or NULL. *ret_dir is NULL where there is to be none, or the
 * caller's. Never fails: without a place there is no history, and the log says so. */
void past_choose_dir(const struct options *o, const char *socket_path, bool is_root_mode,
	const char *journal_dir, char **ret_dir, bool *ret_makes_dirs);
/* The same for repositories, by [git]: they last as long. A daemon that root's client has started
 * has a place for them too. become: NULL for a user's own daemon. */
void past_choose_git_dir(const struct options *o, const char *socket_path,
	const struct identity *become, const char *journal_dir, char **ret_dir,
	bool *ret_makes_dirs);

/* Borrows the server. Returns 0 or -errno; call past_finish() in both cases. */
int past_init(struct past *p, struct server *s, const char *dir, bool makes_dirs);
/* The tasks of an earlier daemon were told. */
void past_start(struct past *p);
/* Writes what waits, and ends. */
void past_finish(struct past *p);
/* The configuration has changed. */
void past_reload(struct past *p);

/* ---- telling ---- */

void past_note_accepted(struct past *p);
/* result: its JSON, or NULL without memory. */
void past_note_done(struct past *p, struct job *j, const char *result);
/* A task of an earlier daemon, whose result the journal has or has got now. */
void past_note_recovered(struct past *p, const struct journal_task *t, const struct task_result *r);

/* ---- asking ---- */

bool past_is_there(const struct past *p);
/* Answers a history request, later. Returns 0 or -errno with *e. */
int past_list(struct connection *c, const struct request *rq, struct err *e);
/* Answers a request for one task that is not known, or of which little is, later. Likewise. */
int past_find(struct connection *c, const struct request *rq, struct err *e);

/* Why the output of that task is not there: stamps of CLOCK_REALTIME. */
void past_explain_gone(const struct server *s, const char *id, uint64_t finished_ns, struct err *e);
/* Whether the result of a task of an earlier daemon says that it wrote nothing. */
bool past_is_silent(const struct task_result *r);

/* Adds answers while the connection has room and its user time. Returns whether anything was added
 * or is left for the next turn. */
bool past_fill(struct connection *c);
/* The connection ends. */
void past_forget(struct connection *c);

/* For `info`: null where there is no history. */
json_t *past_info(const struct past *p);

#endif
