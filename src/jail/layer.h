/* A directory of the client's under a private layer: what the task changes there is gone with it.
 */
#ifndef DAYFLY_JAIL_LAYER_H
#define DAYFLY_JAIL_LAYER_H

#include "jail/jail.h"

#define LAYER_WORKSPACE "workspace"

/*
 * A detached overlay over the source, with the store's lower/NAME, upper/NAME and work/NAME. Of the
 * workspace both layers stay open, for telling what has changed. Returns a descriptor or -errno.
 */
int layer_mount(struct jail *j, const struct jail_source *s, const char *name, struct err *e);

#endif
