/* CPU time as money: see queue.h. */
#include "sched/queue_priv.h"

/* A task that takes no time at all still takes its turn. */
#define PRICE_MIN_US 1000
/* A single account must not run out of bounds: one day. */
#define DEBT_MAX_US (86400ll * 1000000ll)
/* The weight of the newest in an average: 1 / MEAN_OF. */
#define MEAN_OF 8

static int64_t at_least(int64_t v, int64_t min)
{
	return v < min ? min : v;
}

void share_pay(struct sched_user *u, struct sched_entry *e)
{
	e->paid_us = at_least(u->mean_cpu_us, PRICE_MIN_US);
	u->credit_us = at_least(u->credit_us - e->paid_us, -DEBT_MAX_US);
}

void share_settle(struct sched_user *u, const struct sched_entry *e, uint64_t cpu_us)
{
	int64_t cost = cpu_us > (uint64_t)DEBT_MAX_US ? DEBT_MAX_US : (int64_t)cpu_us;
	cost = at_least(cost, PRICE_MIN_US);
	u->credit_us = at_least(u->credit_us + e->paid_us - cost, -DEBT_MAX_US);
	/* Who waits has back what he paid too much; who does not wait hoards nothing. */
	if (!u->n_ready && u->credit_us > SCHED_QUANTUM_US)
		u->credit_us = SCHED_QUANTUM_US;
	if (!u->mean_cpu_us)
		u->mean_cpu_us = cost;
	else
		u->mean_cpu_us += (cost - u->mean_cpu_us) / MEAN_OF;
}

void share_refill(struct sched *s, int64_t best_credit_us)
{
	/* As many rounds as the one nearest to credit needs. */
	int64_t rounds = -best_credit_us / SCHED_QUANTUM_US + 1;
	list_for_each (link, &s->users) {
		struct sched_user *u = list_entry(link, struct sched_user, link);
		/* Who could not spend what he has gets nothing more. */
		int64_t missing = SCHED_QUANTUM_US - u->credit_us;
		if (missing > 0)
			u->credit_us += rounds * SCHED_QUANTUM_US < missing
						? rounds * SCHED_QUANTUM_US
						: missing;
	}
}

void share_forget(struct sched *s)
{
	list_for_each (link, &s->users)
		list_entry(link, struct sched_user, link)->credit_us = SCHED_QUANTUM_US;
}
