/* Between warden*.c: how jails end. */
#ifndef DAYFLY_JAIL_WARDEN_PRIV_H
#define DAYFLY_JAIL_WARDEN_PRIV_H

#include "jail/warden.h"

#include "base/clock.h"

/* So soon a cgroup that is not empty is looked at again. */
#define WARDEN_EMPTY_PAUSE_NS (2 * NS_PER_MS)

/* Tells dayflyd that there will be no task, and why. */
void warden_report_failed(struct warden *w, struct warden_jail *j, const struct err *e);
/*
 * Jail init is dead, or never lived. What is left of the jail goes before that is told: processes,
 * the cgroup, a layer on disk. Where that takes time, it is called again: at j->kill_at_ns, or when
 * a process that removes the layer has ended. Frees the jail in the end.
 */
void warden_settle_jail(struct warden *w, struct warden_jail *j);
/* Jail init, or the process that removes the layer, has been reaped. status: as of waitpid(2). */
void warden_end_jail(struct warden *w, struct warden_jail *j, int status);
/* What could not be made: reports it, and kills and settles what there is. */
void warden_abandon_jail(struct warden *w, struct warden_jail *j, const struct err *e);

#endif
