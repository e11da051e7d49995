/*
 * What this host can do for jails, found out once after the start: the keeper runs the checks of
 * `dayfly doctor` in a child, and this reads what they say. Nothing waits for it; the first task
 * does not either. One line in the log for each thing that tasks need and that is missing.
 */
#ifndef DAYFLY_DAEMON_PROBE_H
#define DAYFLY_DAEMON_PROBE_H

#include "daemon/keeper.h"
#include "daemon/startup.h"
#include "task/watch.h"

#include <jansson.h>
#include <stdint.h>

struct probe {
	uv_loop_t *loop;
	struct startup *start; /* keeper and program; borrowed */
	struct alarm *begin;   /* a moment after the start */
	struct watch *watch;
	int fd;
	char *text; /* what has come so far */
	size_t len;
	json_t *findings; /* NULL until all are there */
	uint64_t made_ns; /* CLOCK_REALTIME, when they were */
};

/* Returns 0 or -errno; call probe_finish() in both cases. */
int probe_init(struct probe *p, uv_loop_t *loop, struct startup *start);
void probe_finish(struct probe *p);

/*
 * Reads lines of findings: each an object with check, group, status, why, fix and for, all texts,
 * and needed, a boolean. Returns a list, or NULL for anything else.
 */
json_t *probe_parse(const char *text);

#endif
