/*
 * The kinds of jails that are kept ready, and how many of each. A kind is all that is decided when
 * a jail is made and cannot be changed afterwards; each is on the account of one user, who has
 * asked for it. Pure.
 *
 * The places of the pool are given out in turns, one to each user at a time, and of one user first
 * to the kinds that are asked for most. So nobody's requests, however many and however odd, take
 * more than their share from another. A jail of another user's account that would do (the image
 * `host` is everybody's) may be lent, the last one only to who has not just asked for one.
 */
#ifndef DAYFLY_JAIL_POOL_KINDS_H
#define DAYFLY_JAIL_POOL_KINDS_H

#include "jail/peer.h"
#include "jail/pool_size.h"
#include "plan/plan.h"
#include "plan/wire.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Of all users, and of one. */
#define POOL_KINDS_MAX	 WIRE_POOL_KINDS_MAX
#define POOL_KINDS_OWNER 8

struct pool_key {
	enum plan_image image;
	enum plan_user user;
	enum plan_network network;
	uint64_t processes; /* plan_limits.processes */
	/* Of a directory: which, through which mount, and whose it is inside. */
	uint64_t dev, ino, mount;
	uid_t uid;
	gid_t gid;
};

struct pool_kind {
	struct pool_key key;
	uid_t owner;	 /* on whose account */
	unsigned number; /* its place in the table */
	struct pool_demand demand;
	unsigned n_asked;
	bool is_first;		/* its owner had no other when it came */
	bool is_calm;		/* the request before the last was some time ago */
	uint64_t not_before_ns; /* none is made until then: the last one failed, or could not yet be
				 */
	bool has_failed;
	unsigned n_fresh; /* so often in a row it could not yet be */

	unsigned n_ready;		  /* parked */
	unsigned n_busy;		  /* on their way in or out */
	unsigned allotted;		  /* by pool_kinds_allot() */
	bool lacks_room;		  /* likewise: others have all places */
	unsigned n_cow;			  /* above 0: cow workspaces are expected */
	uint64_t disk_bytes, disk_inodes; /* of the last request */

	/* PLAN_IMAGE_DIR: what another one is made from. Owned. */
	char *path;
	char **image_roots;
	struct peer peer;

	uint64_t hits, misses[WIRE_POOL_WHY_COUNT];
	bool has_news; /* since it was told of */
};

struct pool_kinds {
	struct pool_kind *all[POOL_KINDS_MAX];
};

bool pool_key_is_same(const struct pool_key *a, const struct pool_key *b);

struct pool_kind *pool_kinds_find(
	const struct pool_kinds *t, const struct pool_key *key, uid_t owner);
/* Which must go so that the owner can have another one; *ret NULL: none. Returns false if there can
 * be no other now. */
bool pool_kinds_victim(const struct pool_kinds *t, uid_t owner, struct pool_kind **ret);
/* The victim is gone. NULL: no memory, or no place. */
struct pool_kind *pool_kinds_add(struct pool_kinds *t, const struct pool_key *key, uid_t owner);
/* Nothing of it is parked or on its way. */
void pool_kinds_remove(struct pool_kinds *t, struct pool_kind *k);

/* A request asks for that. */
void pool_kind_note(struct pool_kind *k, uint64_t now_ns);
/* When it is forgotten if nobody asks for it any more; 1, which is past, where nobody has. */
uint64_t pool_kind_end(const struct pool_kind *k, uint64_t max_age_ns);

/* On whose account one is to be taken for a request of that kind: k itself or another one with the
 * same key. NULL: there is none. */
struct pool_kind *pool_kinds_lender(const struct pool_kinds *t, struct pool_kind *k);

/* Sets allotted of each: together at most max. A kind is made ahead from its second request on, the
 * first of a user at once, and for as long as someone has asked for it in idle_ns. */
void pool_kinds_allot(struct pool_kinds *t, uint64_t now_ns, unsigned max, uint64_t idle_ns);

/* Of those that may be made: the one that lacks one most. NULL: none does. */
struct pool_kind *pool_kinds_short(const struct pool_kinds *t, uint64_t now_ns);
/* The one that has most ready above what is allotted. NULL: none has. */
struct pool_kind *pool_kinds_surplus(const struct pool_kinds *t);

#endif
