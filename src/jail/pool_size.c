/* How many jails to keep ready: see pool_size.h. */
#include "jail/pool_size.h"

#include "base/clock.h"

#include <stdbool.h>

/* The rate halves in so long without a request. */
#define HALF_NS NS_PER_S

uint64_t pool_demand_rate(const struct pool_demand *d, uint64_t now_ns)
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
	uint64_t old = pool_demand_rate(d, now_ns);
	d->milli_hz = old - old / 8 + rate / 8;
	d->last_ns = now_ns;
}

unsigned pool_size_wanted(const struct pool_demand *d, uint64_t now_ns, unsigned max)
{
	uint64_t ahead = pool_demand_rate(d, now_ns) * POOL_AHEAD_MS / 1000000;
	return ahead + 1 < max ? (unsigned)ahead + 1 : max;
}

uint64_t pool_brake_note(struct pool_brake *b, uint64_t now_ns)
{
	bool is_soon = b->last_ns && now_ns - b->last_ns < POOL_BRAKE_MEMORY_NS;
	if (!is_soon)
		b->pause_ns = 0;
	else if (!b->pause_ns)
		b->pause_ns = POOL_BRAKE_FIRST_NS;
	else if (b->pause_ns < POOL_BRAKE_MOST_NS / 2)
		b->pause_ns *= 2;
	else
		b->pause_ns = POOL_BRAKE_MOST_NS;
	b->last_ns = now_ns;
	return now_ns + b->pause_ns;
}
