/* How many jails to keep ready: see pool_size.h. */
#include "jail/pool_size.h"

#include "base/clock.h"

/* The rate halves in so long without a request. */
#define HALF_NS NS_PER_S

static uint64_t decayed(const struct pool_demand *d, uint64_t now_ns)
{
	uint64_t age = now_ns > d->last_ns ? now_ns - d->last_ns : 0;
	uint64_t halves = age / HALF_NS;
	return halves < 64 ? d->milli_hz >> halves : 0;
}

void pool_demand_note(struct pool_demand *d, uint64_t now_ns)
{
	uint64_t gap = now_ns > d->last_ns ? now_ns - d->last_ns : 1;
	uint64_t rate = d->last_ns ? 1000 * NS_PER_S / gap : 1000;
	if (rate > 10000000)
		rate = 10000000;
	/* One part in eight is the newest. */
	uint64_t old = decayed(d, now_ns);
	d->milli_hz = old - old / 8 + rate / 8;
	d->last_ns = now_ns;
}

unsigned pool_size_wanted(const struct pool_demand *d, uint64_t now_ns, unsigned max)
{
	uint64_t ahead = decayed(d, now_ns) * POOL_AHEAD_MS / 1000000;
	return ahead + 1 < max ? (unsigned)ahead + 1 : max;
}

bool pool_kind_note(struct pool_kind *k, uint64_t asked)
{
	bool is_new = !k->value;
	if (!is_new && asked == k->value) {
		k->n_next -= k->n_next > 0;
	} else if (!is_new && k->n_next && asked != k->next) {
		k->n_next--;
	} else if (!is_new) {
		k->next = asked;
		is_new = ++k->n_next >= POOL_KIND_CHANGE;
	}
	if (is_new)
		*k = (struct pool_kind){ .value = asked };
	return is_new;
}
