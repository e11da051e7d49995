/*
 * How long tasks that wait for memory or CPUs hold up others. What they wait for ends when it
 * likes: without a bound a user could have the queue stand still for as long as one small task
 * runs. So there is one account for all of them, of SCHED_HOLD_NS at most: it is used up while
 * others are held up, and fills again in SCHED_REST times the time while they are not.
 */
#include "sched/queue_priv.h"

static void advance(struct sched_hold *h, uint64_t now_ns)
{
	uint64_t passed = now_ns > h->at_ns ? now_ns - h->at_ns : 0;
	h->at_ns = now_ns;
	if (h->is_holding) {
		h->left_ns -= passed < h->left_ns ? passed : h->left_ns;
		h->is_resting |= !h->left_ns;
		return;
	}
	uint64_t missing = SCHED_HOLD_NS - h->left_ns, more = passed / SCHED_REST;
	h->left_ns += more < missing ? more : missing;
	h->is_resting &= h->left_ns < SCHED_HOLD_NS;
}

bool hold_try(struct sched *s)
{
	advance(&s->hold, s->now_ns);
	s->hold.is_holding = !s->hold.is_resting;
	return s->hold.is_holding;
}

void hold_end(struct sched *s)
{
	advance(&s->hold, s->now_ns);
	s->hold.is_holding = false;
}
