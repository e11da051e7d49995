/* The client's identity: see peer.h. */
#include "jail/peer.h"

#include <errno.h>
#include <grp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef SO_PEERGROUPS
#define SO_PEERGROUPS 59
#endif

int peer_read(int sock, struct peer *ret, struct err *e)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);
	memset(ret, 0, sizeof(*ret));
	if (getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return err_set(e, ERR_INTERNAL, errno, "read the client's credentials");
	ret->uid = cred.uid;
	ret->gid = cred.gid;
	len = sizeof(ret->groups);
	if (getsockopt(sock, SOL_SOCKET, SO_PEERGROUPS, ret->groups, &len) < 0) {
		/* More groups than we keep room for: fewer rights are the safe side. */
		if (errno != ERANGE && errno != ENOPROTOOPT)
			return err_set(e, ERR_INTERNAL, errno, "read the client's groups");
		len = 0;
	}
	ret->n_groups = len / sizeof(gid_t);
	return 0;
}

int peer_become(const struct peer *p)
{
	if (geteuid() != 0)
		return geteuid() == p->uid ? 0 : -EPERM;
	if (setgroups(p->n_groups, p->groups) < 0 || setresgid(p->gid, p->gid, p->gid) < 0 ||
		setresuid(p->uid, p->uid, p->uid) < 0)
		return -errno;
	return 0;
}
