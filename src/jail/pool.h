/*
 * Jails made ahead of need. A parked jail is a jail init that has done every step up to the first
 * that depends on its task (steps.c) and waits for a claim. It is claimed once, by one task, and
 * lives and dies with that task: nothing ever goes back.
 *
 *   made ──▶ parked ──claim──▶ a jail like any other
 *              └──too old, the host or its image has changed, killed──▶ gone
 *
 * There are as many kinds as are asked for, and how many of each are parked follows that
 * (pool_kinds.h). An image that is a directory is opened again by its path and with the client's
 * rights when another jail is made from it, and must be what the client's request led to: between
 * two requests nothing here holds it open. What is parked holds its filesystem, but not its mount,
 * and goes with a change of the host's mounts.
 *
 * A parked jail still has the host's mounts, which a cow workspace needs; leaving them takes long.
 * In root mode it has left them where some requests in a row had no such workspace.
 *
 * The warden makes parked jails when it has nothing else to do.
 */
#ifndef DAYFLY_JAIL_POOL_H
#define DAYFLY_JAIL_POOL_H

#include "base/list.h"
#include "jail/pool_kinds.h"
#include "plan/plan.h"

#include <stdbool.h>
#include <stdint.h>

struct warden;
struct warden_jail;

struct pool {
	struct list parked;  /* warden_jail.link, oldest first; also those that are on their way */
	struct list leaving; /* likewise: killed, and not dead yet */
	unsigned n_parked, n_leaving;
	unsigned max; /* 0: off */
	uint64_t max_age_ns;
	struct pool_kinds kinds;
	int mounts_fd;		 /* tells when the host's mounts have changed; -1: none */
	uint64_t view;		 /* host_view_sum() of those that are parked */
	bool lacks_ids;		 /* one is wanted, and there was no range of ids for it */
	bool is_unsettled;	 /* something has happened: others may be wanted now */
	uint64_t check_at_ns;	 /* when something is old at the earliest; 0: never */
	uint64_t again_at_ns;	 /* when a kind may be made that could not be; 0: none */
	struct pool_brake brake; /* of mounts that come and go */
	uint64_t not_before_ns;	 /* nothing is made; 0: no such time */
	bool has_news;		 /* of some kind */
	uint64_t told_ns;
};

void pool_init(struct pool *p);

/* New bounds; what is parked goes, and what was asked for is forgotten: it may not be allowed any
 * more. */
void pool_set(struct warden *w, unsigned max, uint64_t max_age_ns);

/*
 * The host's mounts have changed. What is parked has all of them as they were, and would keep a
 * filesystem in use that was unmounted: it goes. Where they change all the time, others are made
 * later and later.
 */
void pool_on_mounts(struct warden *w);
/* Kills all that is parked. */
void pool_drop(struct warden *w);
/* Kills one, for the range of ids that it holds. Returns false: there is none that dies at once. */
bool pool_give_way(struct warden *w);

/*
 * Gives the jail of a request what a parked one has: slot, process, cgroup, layer. Returns 1, or 0:
 * there is none for it; j->pool_why says why.
 */
int pool_take(struct warden *w, struct warden_jail *j);

/* A task's jail is gone. */
void pool_has_room(struct warden *w);

/* From the loop: the pool's, or a task's? */
bool pool_has(const struct warden_jail *j);
void pool_on_child(struct warden *w, struct warden_jail *j);
/* Drops what is old. Returns how long the next wait may be in ms; -1: for ever. */
int pool_wait_ms(struct warden *w, uint64_t now_ns);
/* Nothing has happened for that long: makes one, if one is missing. */
void pool_refill(struct warden *w);

#endif
