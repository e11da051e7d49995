/* Shared by launch*.c. */
#ifndef DAYFLY_JAIL_LAUNCH_PRIV_H
#define DAYFLY_JAIL_LAUNCH_PRIV_H

#include "jail/jail.h"
#include "jail/warden.h"

/* launch_sources.c. Each returns 0 or -errno with *e. */

/* The image of a request, a directory, as in->image. */
int launch_take_image(struct warden *w, struct warden_jail *j, struct jail *in, struct err *e);
/* Its workspace and mounts. */
int launch_take_sources(struct warden *w, struct warden_jail *j, struct jail *in, struct err *e);

#endif
