/* A pairing heap of deadlines and the timer that wakes for the earliest: see deadline.h. */
#include "task/deadline.h"

#include "base/clock.h"
#include "base/fd.h"

#include <errno.h>
#include <sys/timerfd.h>
#include <time.h>

#define NOT_ARMED UINT64_MAX

/* Either may be NULL; both are roots. */
static struct deadline *meld(struct deadline *a, struct deadline *b)
{
	if (!a || !b)
		return a ? a : b;
	if (b->at_ns < a->at_ns) {
		struct deadline *swap = a;
		a = b;
		b = swap;
	}
	b->next = a->child;
	if (a->child)
		a->child->prev = b;
	b->prev = a;
	a->child = b;
	return a;
}

/* Two passes over a list of siblings: pairs from left to right, then all from right to left. */
static struct deadline *meld_siblings(struct deadline *first)
{
	struct deadline *pairs = NULL;
	while (first) {
		struct deadline *a = first, *b = a->next;
		first = b ? b->next : NULL;
		a->prev = a->next = NULL;
		if (b)
			b->prev = b->next = NULL;
		a = meld(a, b);
		a->next = pairs; /* a stack, for the second pass */
		pairs = a;
	}
	struct deadline *root = NULL;
	while (pairs) {
		struct deadline *a = pairs;
		pairs = a->next;
		a->next = NULL;
		root = meld(root, a);
	}
	return root;
}

static void heap_remove(struct deadline_heap *h, struct deadline *d)
{
	struct deadline *below = meld_siblings(d->child);
	if (d == h->root) {
		h->root = below;
	} else {
		if (d->prev->child == d)
			d->prev->child = d->next;
		else
			d->prev->next = d->next;
		if (d->next)
			d->next->prev = d->prev;
		h->root = meld(h->root, below);
	}
	d->child = d->next = d->prev = NULL;
	d->is_set = false;
}

static void arm(struct deadline_heap *h, uint64_t at_ns)
{
	h->armed_ns = at_ns;
	if (h->fd < 0)
		return;
	struct itimerspec spec = { 0 };
	if (at_ns != NOT_ARMED) {
		/* 0 would disarm it. */
		uint64_t at = at_ns ? at_ns : 1;
		spec.it_value.tv_sec = (time_t)(at / NS_PER_S);
		spec.it_value.tv_nsec = (long)(at % NS_PER_S);
	}
	/* Cannot fail with these arguments. It also forgets expirations that nobody read. */
	timerfd_settime(h->fd, TFD_TIMER_ABSTIME, &spec, NULL);
}

void deadline_heap_init_manual(struct deadline_heap *h)
{
	*h = (struct deadline_heap){ .fd = -1, .armed_ns = NOT_ARMED };
}

int deadline_heap_init(struct deadline_heap *h)
{
	int fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	if (fd < 0)
		return -errno;
	deadline_heap_init_manual(h);
	h->fd = fd;
	return 0;
}

void deadline_heap_finish(struct deadline_heap *h)
{
	fd_close(&h->fd);
	h->root = NULL;
}

void deadline_set(struct deadline_heap *h, struct deadline *d, uint64_t at_ns)
{
	deadline_cancel(h, d);
	if (at_ns == UINT64_MAX)
		return;
	d->at_ns = at_ns;
	d->is_set = true;
	d->child = d->next = d->prev = NULL;
	h->root = meld(h->root, d);
	if (at_ns < h->armed_ns)
		arm(h, at_ns);
}

void deadline_cancel(struct deadline_heap *h, struct deadline *d)
{
	if (d->is_set)
		heap_remove(h, d);
}

struct deadline *deadline_pop_due(struct deadline_heap *h, uint64_t now_ns)
{
	struct deadline *d = h->root;
	if (d && d->at_ns <= now_ns) {
		heap_remove(h, d);
		return d;
	}
	if (h->armed_ns <= now_ns)
		arm(h, d ? d->at_ns : NOT_ARMED);
	return NULL;
}

uint64_t deadline_after_ms(uint64_t now_ns, uint64_t ms)
{
	uint64_t at;
	if (__builtin_mul_overflow(ms, NS_PER_MS, &at) || __builtin_add_overflow(at, now_ns, &at))
		return UINT64_MAX;
	return at;
}
