/* Shared by the files of the scheduler. */
#ifndef DAYFLY_SCHED_QUEUE_PRIV_H
#define DAYFLY_SCHED_QUEUE_PRIV_H

#include "sched/queue.h"

/* One uid that has entries, or debts. */
struct sched_user {
	uid_t uid;
	size_t n_running, n_ready;
	uint64_t memory_bytes, cpu_millis; /* of the running */
	struct list ready;		   /* sched_entry.link, the soonest first */
	struct list running;		   /* sched_entry.link, the newest last */
	struct list link;		   /* sched.users */
	int64_t credit_us;		   /* CPU time; below 0: a debt */
	int64_t mean_cpu_us;		   /* of its tasks */
};

/* queue_hold.c: how long one that waits for room may hold up others. */

/* One that lacks room was overtaken often enough: whether nothing starts before it now. */
bool hold_try(struct sched *s);
/* There is none such. */
void hold_end(struct sched *s);

/* queue_share.c: the accounts of uids. */

/* Takes the price of a start from the account; remembers it in the entry. */
void share_pay(struct sched_user *u, struct sched_entry *e);
/* The price was an estimate: this is what it was. */
void share_settle(struct sched_user *u, const struct sched_entry *e, uint64_t cpu_us);
/* Gives everybody so much that one of those who want to run has credit. */
void share_refill(struct sched *s, int64_t best_credit_us);
/* Nobody waits: there is nothing to be fair about, and debts are forgotten. */
void share_forget(struct sched *s);

#endif
