/*
 * Which ids a task has on the host. Root mode: each jail has a slot, a range of 65536 ids that no
 * other live jail has. Rootless with a subuid range: the warden itself moves into a user namespace
 * that holds the range, and maps each task from there. Else one id: the user's own.
 */
#ifndef DAYFLY_JAIL_IDS_H
#define DAYFLY_JAIL_IDS_H

#include "base/err.h"
#include "plan/plan.h"
#include "plan/wire.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * systemd's list of ids (https://systemd.io/UIDS-GIDS/) leaves 1879048192 to 2147352575 unused. The
 * first range belongs to dayfly itself (a daemon without an account of its own), the others are the
 * slots.
 */
#define IDS_BASE       1879048192u
#define IDS_PER_TASK   65536u
#define IDS_SLOT_COUNT 4093

struct ids {
	enum warden_mode mode;
	uid_t uid; /* the warden's own, before any user namespace */
	gid_t gid;
	uint64_t used[(IDS_SLOT_COUNT + 63) / 64];
	uint32_t base; /* IDS_BASE, or as configured */
	int count;     /* slots */
	int rotation;  /* how many slots take turns while that is enough */
	int next;      /* where the search for a free slot begins: ids come back late */
	int own_ns[IDS_SLOT_COUNT]; /* likewise for directories of the daemon's own; -1: none */
	bool has_own;		    /* such were asked for, of these ids: */
	uint32_t own_uid, own_gid;
	int image_ns[IDS_SLOT_COUNT]; /* user namespaces for idmapping the image, made at first use;
					 -1 */
};

/* base 0: IDS_BASE; count 0: IDS_SLOT_COUNT, which is also the most. */
void ids_init(struct ids *ids, enum warden_mode mode, uint32_t base, int count);

/* Root mode: takes a free slot. Returns its number or -EBUSY. Others: 0. */
int ids_take_slot(struct ids *ids);
/* Whether there is one to take. */
bool ids_has_slot(const struct ids *ids);
void ids_release_slot(struct ids *ids, int slot);
uint32_t ids_slot_base(const struct ids *ids, int slot);

/*
 * clone3 with CLONE_NEWUSER for a jail. What a task holds of inotify, pending signals, message
 * queues and the like also counts for the maker of its user namespace: in root mode that is an id
 * of the slot, so that the host's root and other tasks have theirs, and so that all ids of the jail
 * together have at most so many processes. Returns the pid, 0 in the child, or -errno.
 */
pid_t ids_clone(const struct ids *ids, int slot, uint64_t processes, uint64_t flags, int cgroup_fd,
	int *ret_pidfd);

/* Writes the uid and gid map of a new child (not in single mode). Returns 0 or -errno. */
int ids_write_maps(const struct ids *ids, int slot, pid_t pid, enum plan_user user, struct err *e);

/* The host ids of the task itself, for files that it must be able to use. */
uid_t ids_task_uid(const struct ids *ids, int slot, enum plan_user user);

/*
 * A user namespace (descriptor, the caller's) whose map says how ids on disk appear: for idmapped
 * mounts. Text as in uid_map(5). Returns a descriptor or -errno.
 */
int ids_make_namespace(const char *uid_map, const char *gid_map, struct err *e);

/* The slot's namespace for the image `host`: root's files are root's inside, group n is group n.
 * Borrowed. Returns a descriptor or -errno. */
int ids_image_namespace(struct ids *ids, int slot, struct err *e);

/* And for directories of the daemon's own, in jails of the agent: it is they who own them inside.
 * The first that asks says which ids those are; -EINVAL for others: make one with
 * ids_make_namespace().
 */
int ids_own_namespace(struct ids *ids, int slot, uint32_t uid, uint32_t gid, struct err *e);

#endif
