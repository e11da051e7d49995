/* A directory of the client's under a private layer: what the task changes there is gone with it.
 */
#ifndef DAYFLY_JAIL_LAYER_H
#define DAYFLY_JAIL_LAYER_H

#include "jail/jail.h"

#define LAYER_WORKSPACE "workspace"

struct layer {
	const struct jail_source *source;
	const char *name;
	char *const *hidden; /* plan.hidden, or NULL */
	bool is_private;     /* what the task writes there is its own; else it is read-only */
};

/*
 * A detached overlay over the source, with the store's lower/NAME, hide/NAME, upper/NAME and
 * work/NAME. Of a private workspace its layers stay open, for telling what has changed. Returns a
 * descriptor or -errno.
 */
int layer_mount(struct jail *j, const struct layer *l, struct err *e);

#endif
