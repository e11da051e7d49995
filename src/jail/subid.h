/*
 * Ranges of subordinate ids (/etc/subuid, /etc/subgid) and the two set-user-id helpers that map
 * them, newuidmap and newgidmap. Names a user by the whole first field, as a login name or a
 * number, never by a prefix.
 */
#ifndef DAYFLY_JAIL_SUBID_H
#define DAYFLY_JAIL_SUBID_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct subid_range {
	uint32_t first, count;
};

/* How many ids a jail needs beside the user's own one: inside, 0 to 65535 all exist. */
#define SUBID_NEEDED 65535u

/*
 * The longest range of a user in the text of such a file. name may be NULL (no login name). Lines
 * that are not "who:first:count" with numbers that fit are passed over. Returns 0 or -ENOENT.
 */
int subid_parse(const char *text, const char *name, uid_t uid, struct subid_range *ret);

/* The first id above every range in the text, for a new range. */
uint32_t subid_next_free(const char *text);

/* Reads path ("/etc/subuid") for a user. Returns 0 or -errno with *e set. */
int subid_read(const char *path, uid_t uid, struct subid_range *ret, struct err *e);

/*
 * Finds a helper ("newuidmap") in the few directories where a system keeps it, and checks that it
 * is root's, that nobody else can write it, and that it has the set-user-id bit or file
 * capabilities. Returns 0 or -errno with *e set.
 */
int subid_find_helper(const char *name, char *ret_path, size_t size, struct err *e);

/* Everything that is needed to map one child. */
struct subid_helpers {
	char newuidmap[128], newgidmap[128];
	struct subid_range uids, gids;
};

/* Returns 0, or -errno with *e saying what is missing. */
int subid_prepare(struct subid_helpers *ret, uid_t uid, struct err *e);

/*
 * Maps a child in a new user namespace: the caller's own id is `self` inside, the other ids from 0
 * to 65535 come from the ranges. Runs both helpers. Returns 0 or -errno with *e set.
 */
int subid_map(const struct subid_helpers *h, pid_t pid, uid_t self, struct err *e);

#endif
