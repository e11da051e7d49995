/* How many jails of one kind to keep ready. Pure. */
#ifndef DAYFLY_JAIL_POOL_SIZE_H
#define DAYFLY_JAIL_POOL_SIZE_H

#include <stdint.h>

/* Requests that a parked jail would have done for, of late. */
struct pool_demand {
	uint64_t last_ns;  /* 0: there was none */
	uint64_t milli_hz; /* per second, in thousandths; decays */
};

void pool_demand_note(struct pool_demand *d, uint64_t now_ns);
/* As it is by now, in thousandths. */
uint64_t pool_demand_rate(const struct pool_demand *d, uint64_t now_ns);

/* So many should be parked: one for who comes next, and what comes in POOL_AHEAD_MS at the present
 * rate; at most max. */
#define POOL_AHEAD_MS 50
unsigned pool_size_wanted(const struct pool_demand *d, uint64_t now_ns, unsigned max);

#endif
