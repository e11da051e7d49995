/*
 * Any number of deadlines on one CLOCK_BOOTTIME timer: an intrusive heap, so setting one never
 * fails. The owner polls heap.fd for reading; when it is readable it calls deadline_pop_due() until
 * that returns NULL, which also arms the timer anew; it may stop before that, and heap.fd is still
 * readable then. The timer is only touched when the earliest deadline moves forward: a cancelled
 * one may cost a wake-up for nothing.
 */
#ifndef DAYFLY_TASK_DEADLINE_H
#define DAYFLY_TASK_DEADLINE_H

#include <stdbool.h>
#include <stdint.h>

struct deadline {
	uint64_t at_ns; /* CLOCK_BOOTTIME */
	bool is_set;
	struct deadline *child, *next; /* heap: first child, next sibling */
	struct deadline *prev;	       /* previous sibling, or the parent for a first child */
};

struct deadline_heap {
	int fd;		   /* timerfd, or -1: no timer (deadlines are only popped by hand) */
	uint64_t armed_ns; /* what the timer is set to; UINT64_MAX: nothing */
	struct deadline *root;
};

/* Returns 0 or -errno. */
int deadline_heap_init(struct deadline_heap *h);
/* Without a timer. */
void deadline_heap_init_manual(struct deadline_heap *h);
/* Forgets the deadlines that are still set; they are not touched. */
void deadline_heap_finish(struct deadline_heap *h);

/* Sets, or sets anew. UINT64_MAX means never. d must be zero-initialised before its first use. */
void deadline_set(struct deadline_heap *h, struct deadline *d, uint64_t at_ns);
/* Harmless if it is not set. */
void deadline_cancel(struct deadline_heap *h, struct deadline *d);
/* Takes out the earliest deadline that is due, or returns NULL. */
struct deadline *deadline_pop_due(struct deadline_heap *h, uint64_t now_ns);

/* now_ns + ms, without overflow. */
uint64_t deadline_after_ms(uint64_t now_ns, uint64_t ms);

#endif
