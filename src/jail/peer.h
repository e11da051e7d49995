/* Who the client is, read by the warden itself from the client's connection: dayflyd's word is not
 * taken for it. */
#ifndef DAYFLY_JAIL_PEER_H
#define DAYFLY_JAIL_PEER_H

#include "base/err.h"

#include <stddef.h>
#include <sys/types.h>

#define PEER_GROUPS_MAX 256

struct peer {
	uid_t uid;
	gid_t gid;
	gid_t groups[PEER_GROUPS_MAX];
	size_t n_groups;
};

/* Reads SO_PEERCRED and SO_PEERGROUPS of a connection that was accepted; others are refused.
 * Returns 0 or -errno. */
int peer_read(int sock, struct peer *ret, struct err *e);

/* In a child: takes on the client's ids for good. No-op when they are already ours. Returns 0 or
 * -errno. */
int peer_become(const struct peer *p);

#endif
