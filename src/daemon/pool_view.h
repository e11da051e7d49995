/* What the warden tells of its pool: which kinds of jails it keeps ready, and how many. */
#ifndef DAYFLY_DAEMON_POOL_VIEW_H
#define DAYFLY_DAEMON_POOL_VIEW_H

#include "plan/wire.h"

#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

struct pool_view {
	struct wire_pooled kinds[WIRE_POOL_KINDS_MAX]; /* by number; is_known 0: none */
};

/* Nothing is known: all zero, also when the warden is another one. */
void pool_view_forget(struct pool_view *v);
void pool_view_on_wire(struct pool_view *v, const struct wire_pooled *kind);

/* A list of kinds, of that user or of all. NULL without memory. */
json_t *pool_view_to_json(const struct pool_view *v, uid_t uid, bool all);

/* For the list of metrics: how many are parked, by what the kinds are. */
void pool_view_add_metrics(const struct pool_view *v, json_t **list);

#endif
