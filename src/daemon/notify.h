/*
 * What dayflyd tells a service manager that wants to know (Type=notify, WatchdogSec=):
 * the messages of sd_notify(3). Where nobody listens every call is without effect. Nothing here
 * waits: what a manager has no room for is sent again, or dropped where the next one says the same.
 */
#ifndef DAYFLY_DAEMON_NOTIFY_H
#define DAYFLY_DAEMON_NOTIFY_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct alarm;

/* A change of the counts is told at once, but never more often. */
#define NOTIFY_STATUS_MS   1000
#define NOTIFY_WAITING_MAX 8
#define NOTIFY_TEXT_SIZE   256

struct notify {
	bool is_wanted;	      /* somebody listens */
	uint64_t watchdog_ms; /* how long the loop may be silent; 0: for ever */
	bool is_ready, is_stopping;
	size_t running, queued;
	uint64_t told_ns; /* CLOCK_MONOTONIC, when the counts were told last */
	int fd;		  /* to the manager; -1: nothing was said yet */
	char waiting[NOTIFY_WAITING_MAX][NOTIFY_TEXT_SIZE]; /* it had no room for these */
	size_t n_waiting;
	struct alarm *beat, *status, *extend, *retry;
};

/* Whether this build can notify, be activated and write to the journal by fields. */
bool notify_is_built_in(void);

/*
 * Before the first thread: finds out who listens. Fails where a service manager waits for a word
 * that this build cannot give.
 */
int notify_init(struct notify *n, struct err *e);

/* From here on the watchdog is fed by the loop: a loop that hangs is silent. Returns 0 or -errno.
 * Call notify_finish() in both cases. */
int notify_start(struct notify *n, uv_loop_t *loop);
void notify_finish(struct notify *n);

void notify_ready(struct notify *n);

/* How many tasks there are; cheap where nothing has changed. */
void notify_counts(struct notify *n, size_t running, size_t queued);

/* Around the reading of a new configuration. */
void notify_reloading(struct notify *n);
void notify_reloaded(struct notify *n);

/* The daemon drains: from now on its time to stop is prolonged as long as its loop turns. */
void notify_stopping(struct notify *n);

#endif
