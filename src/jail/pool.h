/*
 * Jails made ahead of need. A parked jail is a jail init that has done every step up to the first
 * that depends on its task (steps.c) and waits for a claim. It is claimed once, by one task, and
 * lives and dies with that task: nothing ever goes back.
 *
 *   made ──▶ parked ──claim──▶ a jail like any other
 *              └──too old, the host has changed, killed──▶ gone
 *
 * A parked jail still has the host's mounts, which a cow workspace needs; leaving them takes long.
 * In root mode it has left them where some requests in a row had no such workspace.
 *
 * Only what is the same for every task is made ahead: the image `host`, the user agent, no network.
 * What asks for something else is made when it comes (a miss). The warden makes parked jails when
 * it has nothing else to do; how many stands in pool_size.h.
 */
#ifndef DAYFLY_JAIL_POOL_H
#define DAYFLY_JAIL_POOL_H

#include "base/list.h"
#include "jail/pool_size.h"
#include "plan/plan.h"

#include <stdbool.h>
#include <stdint.h>

struct warden;
struct warden_jail;
struct jail;

struct pool {
	struct list parked; /* warden_jail.link, oldest first */
	unsigned n_parked;
	unsigned max; /* 0: off */
	uint64_t max_age_ns;
	struct pool_demand demand;
	uint64_t disk_bytes, disk_inodes; /* of the last request */
	unsigned n_cow;			  /* above 0: cow workspaces are expected */
	struct pool_kind processes;	  /* plan_limits.processes of those that are parked */
	int mounts_fd;			  /* tells when the host's mounts have changed; -1: none */
	uint64_t view;			  /* host_view_sum() of those that are parked */
	uint64_t not_before_ns;		  /* after a failure */
};

void pool_init(struct pool *p);

/* New bounds; what is parked goes. */
void pool_set(struct warden *w, unsigned max, uint64_t max_age_ns);

/* Kills all that is parked. */
void pool_drop(struct warden *w);
/* Kills one, for what it holds. Returns false: there is none. */
bool pool_give_way(struct warden *w);

/*
 * Gives the jail of a request what a parked one has: slot, process, cgroup, layer. Returns 1, or 0:
 * there is none for it.
 */
int pool_take(struct warden *w, struct warden_jail *j);

/* From the loop. */
void pool_on_child(struct warden *w, struct warden_jail *parked);
/* Drops what is old. Returns how long the next wait may be in ms; -1: for ever. */
int pool_wait_ms(struct warden *w, uint64_t now_ns);
/* Nothing has happened for that long: makes one, if one is missing. */
void pool_refill(struct warden *w);

#endif
