/*
 * How long one turn of the loop works: from the end of a wait for events to the next one. Of a
 * daemon that answers promptly no turn is long. The loop runs the callbacks of descriptors within
 * its wait, so what is measured is the time between two waits less what the loop says it slept.
 */
#ifndef DAYFLY_DAEMON_TURN_H
#define DAYFLY_DAEMON_TURN_H

#include "daemon/metrics.h"

#include <stdint.h>
#include <uv.h>

struct turn {
	uint64_t at_ns;	  /* the last time that the loop was about to wait; 0: never yet */
	uint64_t idle_ns; /* how long it had slept in all by then */
};

/* Before the loop runs. */
void turn_init(struct turn *t, uv_loop_t *loop);

/* The loop is about to wait: the turn before it is over. */
void turn_end(struct turn *t, uv_loop_t *loop, struct metrics *m);

/* The same with the clocks given; of a loop's first turn the beginning is not known. Pure. */
void turn_note(struct turn *t, uint64_t now_ns, uint64_t idle_ns, struct metrics *m);

#endif
