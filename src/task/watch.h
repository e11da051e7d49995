/*
 * A descriptor or a timer on the loop. libuv wants a handle's memory until its close callback;
 * these live on the heap and free themselves there, so that the objects that use them can go at any
 * time: after watch_destroy() and alarm_destroy() no callback comes.
 */
#ifndef DAYFLY_TASK_WATCH_H
#define DAYFLY_TASK_WATCH_H

#include <stdint.h>
#include <uv.h>

struct watch;

enum watch_event {
	WATCH_READ = 1,
	WATCH_WRITE = 2,
	WATCH_HANGUP = 4, /* told always while the watch is armed with anything */
};

/* events: bits of enum watch_event. WATCH_HANGUP alone: the peer is gone altogether, or the
 * descriptor has an error. */
typedef void (*watch_fn)(void *owner, int events);

/* Borrows the descriptor and makes it non-blocking; it must stay open until watch_destroy().
 * Returns 0 or -errno. */
int watch_create(uv_loop_t *loop, int fd, watch_fn fn, void *owner, struct watch **ret);

/*
 * Makes room for watches of descriptors below n (or below the limit of open files, which is less).
 * libuv aborts where it cannot make that room when it needs it. Returns 0 or -errno.
 */
int watch_reserve(uv_loop_t *loop, unsigned n);

/* What to wait for from now on; 0: nothing. */
void watch_set(struct watch *w, int events);

/* NULL is allowed; *w becomes NULL. Close the descriptor after it, not before. */
void watch_destroy(struct watch **w);

struct alarm;
typedef void (*alarm_fn)(void *owner);

int alarm_create(uv_loop_t *loop, alarm_fn fn, void *owner, struct alarm **ret);

/* Calls once after so many ms; a second call replaces the first. */
void alarm_set(struct alarm *a, uint64_t delay_ms);
void alarm_stop(struct alarm *a);
void alarm_destroy(struct alarm **a);

#endif
