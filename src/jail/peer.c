/* The client's identity: see peer.h. */
#include "jail/peer.h"

#include <errno.h>
#include <grp.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#ifndef SO_PEERGROUPS
#define SO_PEERGROUPS 59
#endif

/*
 * Only of an accepted connection are the credentials the client's. A taken-over dayflyd could
 * connect to a socket on which root listens, and the other end's credentials would be root's; but
 * that end has a name then, and one that has connected without a name of its own has none. Nor has
 * the near end of a pair, which root may have made.
 */
static bool is_accepted(int sock)
{
	struct sockaddr_un near, far;
	socklen_t near_len = sizeof(near), far_len = sizeof(far), len = sizeof(int);
	int type;
	return getsockopt(sock, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_STREAM &&
	       getsockname(sock, (struct sockaddr *)&near, &near_len) == 0 &&
	       near.sun_family == AF_UNIX && near_len > sizeof(near.sun_family) &&
	       getpeername(sock, (struct sockaddr *)&far, &far_len) == 0 &&
	       far_len == sizeof(far.sun_family);
}

int peer_read(int sock, struct peer *ret, struct err *e)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);
	memset(ret, 0, sizeof(*ret));
	if (!is_accepted(sock)) {
		err_set(e, ERR_INTERNAL, EPROTO,
			"the client's connection is not one that was accepted, or its socket has a "
			"name");
		err_hint(e, "connect with a socket that is not bound");
		return -EPROTO;
	}
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
