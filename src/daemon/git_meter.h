/*
 * Looks from time to time at what git has written where it is at work: its own bounds are of single
 * files, and one that was turned against us by what it read would heed none. A worker of libuv's
 * looks; what is beyond its bound is told on the loop.
 */
#ifndef DAYFLY_DAEMON_GIT_METER_H
#define DAYFLY_DAEMON_GIT_METER_H

#include "base/list.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

/* However much bytes are: a directory costs something too. */
#define GIT_METER_FILES_MAX 3000000ull

struct alarm;

/* Embedded by whom it is about. */
struct git_metered {
	struct list link; /* git_meter.all */
	int fd;		  /* borrowed */
	uint64_t max_bytes;
	uint64_t serial; /* 0: not watched */
	bool is_odd;	 /* it is beyond its bound as it cannot be looked through */
};

struct git_meter {
	uv_loop_t *loop;
	struct list all;
	struct alarm *alarm;
	void (*fn)(struct git_metered *m);
	uint64_t n_serials;
	uv_work_t work;
	struct git_look *looks; /* of the worker, as many as n_looks */
	size_t n_looks;
	uint64_t began_ns;
	bool is_looking;
	volatile bool is_stopping;
};

/* fn is called once for what has more than it may, from the loop. Returns 0 or -errno. */
int git_meter_init(struct git_meter *g, uv_loop_t *loop, void (*fn)(struct git_metered *m));
void git_meter_finish(struct git_meter *g);

/* The directory has no more than max_bytes from now on. 0: no bound. */
void git_meter_begin(struct git_meter *g, struct git_metered *m, int fd, uint64_t max_bytes);
/* Also of one that was never begun. */
void git_meter_end(struct git_metered *m);

/* Directories in one another: deeper nobody looks. */
#define GIT_METER_DEPTH_MAX 200

/* Whether there is more below the directory, or (*ret_is_odd) it cannot be told. */
bool git_meter_is_over(
	int fd, uint64_t max_bytes, const volatile bool *is_stopping, bool *ret_is_odd);

#endif
