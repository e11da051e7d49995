/*
 * What an earlier daemon left in the journal becomes tasks of this one: finished ones with the
 * result that they had, those that were not done with the outcome `lost` and the cause
 * `daemon_crash`. They are found and forgotten as other finished tasks are; their output is gone.
 */
#ifndef DAYFLY_DAEMON_RECOVERY_H
#define DAYFLY_DAEMON_RECOVERY_H

#include "base/err.h"
#include "daemon/journal.h"
#include "daemon/options.h"
#include "daemon/privileges.h"
#include "task/result.h"

#include <sys/types.h>

struct server;
struct job;

#define RECOVERY_SERVICE_DIR "/var/lib/dayfly"

/* Makes it, for who dayflyd becomes. Returns 0 or -errno with *e. */
int recovery_make_service_dir(
	const struct options *o, const struct identity *become, struct err *e);

/*
 * Where the journal is, before root's rights are given up to `become` (NULL: they are not): the
 * state directory if there is one; else the service's own, which is made; else, rootless, beside
 * the socket. *ret_dir is NULL where there is to be no journal, or the caller's.
 */
int recovery_choose_dir(const struct options *o, const char *socket_path,
	const struct identity *become, char **ret_dir, struct err *e);

/* Takes the tasks of the image in, with a result for each, and begins the journal: the image is
 * empty then. Returns 0 or -errno. */
int recovery_start(struct server *s, struct journal_image *m);

/* A result as the journal and the history keep it: without its details where it is too long. On the
 * heap, or NULL. s: NULL, where it is not of the task that was just done. */
char *recovery_result_text(struct server *s, const struct task_result *r);
/* What is known of a task whose daemon died; NULL without memory. */
struct task_result *recovery_lost_result(const struct journal_task *t);

/* What the journal is told of a task. Each returns 0, or -errno with *e. */
int recovery_note_accepted(struct server *s, const struct job *j, struct err *e);
void recovery_note_state(struct server *s, const struct job *j);
/* result: its JSON; NULL: there was no memory for it. */
void recovery_note_done(struct server *s, struct job *j, const char *result);
/* What there was no memory or room for is tried again. */
void recovery_write_rest(struct server *s);

#endif
