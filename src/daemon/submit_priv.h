/* What the files of the run request share. */
#ifndef DAYFLY_DAEMON_SUBMIT_PRIV_H
#define DAYFLY_DAEMON_SUBMIT_PRIV_H

#include "daemon/policy.h"
#include "daemon/submit.h"
#include "sched/queue.h"

#include <stdint.h>

struct options;

/* ---- submit_check.c ---- */

enum policy_client submit_client_kind(const struct connection *c);

/* Policy, and what waiting tasks may make us hold. Returns 0 or -errno with *e. */
int submit_check(struct connection *c, const struct request *rq, size_t line_len, struct err *e);

/* ---- submit_queue.c ---- */

/* When it is worth another try: about when one of those who run ends. */
unsigned submit_retry_ms(const struct sched *s);

/* Says why the queue does not take it. Returns -errno. */
int submit_refuse(const struct server *s, enum sched_verdict v, const struct sched_want *want,
	size_t depth, struct err *e);

/* Bits: the rows of max_tasks_per_label whose label it has. */
uint32_t submit_label_groups(const struct options *o, const struct task_spec *spec);

/* The older tasks with the same concurrency key make room. */
void submit_supersede(struct server *s, const struct job *by);

#endif
