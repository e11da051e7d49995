/*
 * The run request: from its checks to a task that has its place in the queue. In this order: an
 * idempotency key that is known is answered with its task; policy; what waiting tasks may make us
 * hold; the plan; the queue; the journal; and then what the task supersedes is cancelled.
 */
#ifndef DAYFLY_DAEMON_SUBMIT_H
#define DAYFLY_DAEMON_SUBMIT_H

#include "daemon/connection.h"
#include "daemon/options.h"
#include "proto/request.h"
#include "sched/queue.h"

#include <stddef.h>
#include <stdint.h>

/* Returns 0 (the answer follows, by a stream of the connection), or -errno with *e. */
int submit_run(struct connection *c, struct request *rq, size_t line_len, struct err *e);

/* The label groups of the settings that a task is in, as bits for the scheduler. */
uint32_t submit_groups(const struct options *o, const struct task_spec *spec);

#endif
