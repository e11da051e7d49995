/*
 * What all connections of one uid take together: of the loop's time, and of memory. A uid that is
 * over its part waits; the others do not.
 */
#ifndef DAYFLY_DAEMON_TENANT_H
#define DAYFLY_DAEMON_TENANT_H

#include "base/list.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct connection;

/* Of one turn of the loop, for its requests, and as much for what it is told. A request that has
 * begun is brought to its end. */
#define TENANT_TURN_NS (5 * 1000000ull)
/* Requests that are not complete. */
#define TENANT_IN_BYTES (64u << 20)
/* Answers that are not read: beyond this no further request is looked at. */
#define TENANT_OUT_BYTES (64u << 20)

struct tenant {
	uid_t uid;
	struct list link; /* tenants.all */
	size_t n_connections;
	uint64_t used_ns;   /* in this turn, for its requests */
	uint64_t told_ns;   /* likewise, for what it is told */
	size_t n_followers; /* its requests that follow a task which they have not started */
	size_t n_late;	    /* of its connections */
	size_t in_bytes, out_bytes;
};

struct tenants {
	struct list all;  /* tenant.link */
	struct list late; /* connection.late_link: have requests for a later turn, oldest first */
};

void tenants_init(struct tenants *ts);

/* For a connection more of that uid. NULL: no memory. */
struct tenant *tenant_join(struct tenants *ts, uid_t uid);
/* The connection is gone. *t becomes NULL, which is allowed. */
void tenant_leave(struct tenant **t);

/* Whether a request of it may be looked at in this turn. */
bool tenant_has_time(const struct tenant *t);
/* Whether it may be told more in this turn. */
bool tenant_may_be_told(const struct tenant *t);

/* A new turn: everybody has his part again. */
void tenants_turn(struct tenants *ts);

/* Takes a connection's share in a sum to its present value. */
void tenant_count(size_t *sum, size_t *share, size_t now);

#endif
