/* What a waiting client is told: see queue.h. Estimates, not promises. */
#include "sched/queue_priv.h"

/* Its place among those of its own uid, from 0. */
static size_t rank(const struct sched_user *u, const struct sched_entry *e)
{
	size_t n = 0;
	list_for_each (link, &u->ready) {
		if (list_entry(link, struct sched_entry, link) == e)
			break;
		n++;
	}
	return n;
}

/* Of the entry with this rank among those of its uid. */
static size_t position(const struct sched *s, const struct sched_user *of, size_t own)
{
	size_t n = own;
	bool is_before_us = true; /* uids whose turn comes before ours */
	list_for_each (link, &s->users) {
		const struct sched_user *u = list_entry(link, struct sched_user, link);
		if (u == of) {
			is_before_us = false;
			continue;
		}
		/* They take turns with us until ours has come. */
		size_t turns = own + is_before_us;
		n += u->n_ready < turns ? u->n_ready : turns;
	}
	return n;
}

size_t sched_position(const struct sched *s, const struct sched_entry *e)
{
	return e->state == SCHED_READY ? position(s, e->user, rank(e->user, e)) : 0;
}

void sched_each_ready(
	const struct sched *s, void (*fn)(struct sched_entry *e, void *arg), void *arg)
{
	list_for_each (user, &s->users) {
		const struct sched_user *u = list_entry(user, struct sched_user, link);
		size_t own = 0;
		list_for_each (link, &u->ready) {
			struct sched_entry *e = list_entry(link, struct sched_entry, link);
			e->position = position(s, u, own++);
			if (fn)
				fn(e, arg);
		}
	}
}

uint64_t sched_wait_us(const struct sched *s, size_t n)
{
	size_t slots = s->n_running ? s->n_running : 1;
	uint64_t total;
	if (__builtin_mul_overflow(s->mean_run_us, (uint64_t)n + 1, &total))
		return UINT64_MAX;
	return total / slots;
}
