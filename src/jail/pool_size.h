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

/*
 * A brake: what empties the whole pool at once, a mount that comes or goes, may come all the time,
 * and each jail made for nothing costs. The first time costs no pause; each one soon after another
 * doubles it.
 */
struct pool_brake {
	uint64_t last_ns; /* 0: it never happened */
	uint64_t pause_ns;
};

#define POOL_BRAKE_MEMORY_NS (10ull * 1000 * 1000 * 1000)
#define POOL_BRAKE_FIRST_NS  (100ull * 1000 * 1000)
#define POOL_BRAKE_MOST_NS   (2ull * 1000 * 1000 * 1000)
/* It happened. Returns when jails may be made again. */
uint64_t pool_brake_note(struct pool_brake *b, uint64_t now_ns);

#endif
