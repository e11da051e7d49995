/* Shared by pool*.c. */
#ifndef DAYFLY_JAIL_POOL_PRIV_H
#define DAYFLY_JAIL_POOL_PRIV_H

#include "jail/pool.h"
#include "jail/warden.h"

/* pool.c */

/* A jail enters the pool, or one that is parked leaves it alive. */
void pool_enter(struct warden *w, struct warden_jail *j, struct pool_kind *k);
void pool_take_out(struct warden *w, struct warden_jail *j);
/* Kills it. It is gone then, or goes when it is dead: a process that works on a client's filesystem
 * may take its time for that, and is not waited for. */
void pool_leave(struct warden *w, struct warden_jail *j);
/* All parked jails of that kind (NULL: of all) and image (COUNT: of all). */
void pool_leave_all(struct warden *w, const struct pool_kind *k, enum plan_image image);
/* The kind is no more. It has none that is on its way. */
void pool_forget(struct warden *w, struct pool_kind *k);
void pool_has_news(struct warden *w, struct pool_kind *k);

/* pool_make.c */

/* Starts one of that kind. */
void pool_make(struct warden *w, struct pool_kind *k);
/* The child that opens its image has an answer, or has died. */
void pool_on_opened(struct warden *w, struct warden_jail *j);
/* One could not be made, or has died. */
void pool_make_failed(struct warden *w, struct pool_kind *k, const char *why);

#endif
