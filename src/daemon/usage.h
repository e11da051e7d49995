/*
 * What running tasks use now: the warden knows, so a `list` with `usage` is answered when the
 * warden has. Bounded on every side: the tasks of a list are asked for a few at a time, none more
 * often than USAGE_FRESH_NS, and no list waits longer than USAGE_WAIT_MS: what is not known by then
 * is null in it.
 */
#ifndef DAYFLY_DAEMON_USAGE_H
#define DAYFLY_DAEMON_USAGE_H

#include "base/err.h"
#include "base/list.h"
#include "daemon/jobs.h"
#include "plan/wire.h"
#include "proto/request.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct server;
struct alarm;
struct connection;

/* So many questions are under way at one time. */
#define USAGE_WINDOW  8
#define USAGE_WAIT_MS 250
/* A connection with so many lists that are not answered is not read. */
#define USAGE_WAITS_MAX 16
/* Younger than this an answer is good for another list too; older than that for none. */
#define USAGE_FRESH_NS (100 * 1000000ull)
#define USAGE_OLD_NS   (500 * 1000000ull)

struct usage {
	struct server *server;
	struct alarm *alarm;
	struct list waits; /* usage_wait.link */
	struct list queue; /* job.usage.link: to be asked for */
	size_t n_sent;
};

/* A list that is not answered yet. */
struct usage_wait {
	struct list link;      /* usage.waits, until it is ready */
	struct list conn_link; /* connection.usage_waits */
	struct connection *conn;
	char *tag;
	char *label; /* NULL: any */
	bool all;
	bool is_ready; /* to be answered */
};

/* Borrows the server. Returns 0 or -errno; call usage_finish() in both cases. */
int usage_init(struct usage *u, struct server *s);
void usage_finish(struct usage *u);

/* Answers a list request, now or later. Returns 0 or -errno with *e. */
int usage_list(struct connection *c, const struct request *rq, struct err *e);

/* The warden's answer; j may be NULL: the task is over. */
void usage_on_wire(struct usage *u, struct job *j, const struct wire_now *now);
void usage_on_warden_lost(struct usage *u);

/* Answers the lists that are ready, while the connection has room and its user time. Returns
 * whether anything was added or is left for the next turn. */
bool usage_fill(struct connection *c);
/* The connection ends. */
void usage_forget(struct connection *c);

/* Whether it was measured within that time. */
bool usage_is_fresh(const struct job_usage *u, uint64_t ns);

#endif
