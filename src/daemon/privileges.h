/* Root mode: who the daemon becomes once its socket and the keeper are there, and the drop itself,
 * which is final. */
#ifndef DAYFLY_DAEMON_PRIVILEGES_H
#define DAYFLY_DAEMON_PRIVILEGES_H

#include "base/err.h"

#include <sys/types.h>

struct identity {
	uid_t uid;
	gid_t gid;
};

/* name NULL: "dayfly" if there is such a user, else `unnamed`: the first id of the ranges that
 * tasks are mapped to, which has no name and no files. A given name must exist and not be root.
 * Returns 0 or -errno. */
int privileges_find(const char *name, uid_t unnamed, struct identity *ret, struct err *e);

/*
 * Leaves root for good: no supplementary groups, the new ids in all three places, no capability in
 * any set, no_new_privs, not dumpable. Everything is read back. After a failure the process must
 * end. Returns 0 or -errno.
 */
int privileges_drop(const struct identity *id, struct err *e);

#endif
