/*
 * The run request: from its checks to a task that has its place in the queue. In this order: an
 * idempotency key that is known is answered with its task; policy; what waiting tasks may make us
 * hold; the plan; the queue; the journal; and then what the task supersedes is cancelled.
 */
#ifndef DAYFLY_DAEMON_SUBMIT_H
#define DAYFLY_DAEMON_SUBMIT_H

#include "daemon/connection.h"
#include "proto/request.h"

#include <stddef.h>

struct job;
struct server;

/* Returns 0 (the answer follows, by a stream of the connection), or -errno with *e. */
int submit_run(struct connection *c, struct request *rq, size_t line_len, struct err *e);

/*
 * The settings have changed: the queue gets its new caps and label groups, and a task that waits
 * and would not fit any more even if it were alone ends with an error that says so.
 */
void submit_check_again(struct server *s);

/* The daemon stops: so does every task. */
void submit_end_by_shutdown(struct server *s);

/* At the end of a turn: ends some of those that were taken out of the queue, as another task came
 * in their place, they are too much for a new configuration, or the daemon stops. */
void submit_end_leaving(struct server *s);
/* There is no further turn. */
void submit_end_all_leaving(struct server *s);

/* A task leaves the queue for good, its time to wait being over: its result says where it was. */
void submit_note_wait_over(struct server *s, struct job *j);

#endif
