/* How many jails to keep ready, and of which kind. Pure. */
#ifndef DAYFLY_JAIL_POOL_SIZE_H
#define DAYFLY_JAIL_POOL_SIZE_H

#include <stdbool.h>
#include <stdint.h>

/* Requests that a parked jail would have done for, of late. */
struct pool_demand {
	uint64_t last_ns;  /* 0: there was none */
	uint64_t milli_hz; /* per second, in thousandths; decays */
};

void pool_demand_note(struct pool_demand *d, uint64_t now_ns);

/* So many should be parked: one for who comes next, and what comes in POOL_AHEAD_MS at the present
 * rate; at most max. */
#define POOL_AHEAD_MS 50
unsigned pool_size_wanted(const struct pool_demand *d, uint64_t now_ns, unsigned max);

/*
 * What cannot be changed in a jail that is made: the value that those have which are parked, and
 * the one that may take its place. All that is parked goes with a change, so it takes
 * POOL_KIND_CHANGE requests more for one other value than for all the rest: who asks for something
 * else each time does not empty the pool for those who do not.
 */
struct pool_kind {
	uint64_t value, next; /* value 0: nothing was asked for yet */
	unsigned n_next;
};

#define POOL_KIND_CHANGE 3
/* A request asks for that. Returns whether the value is another now. */
bool pool_kind_note(struct pool_kind *k, uint64_t asked);

#endif
