/*
 * The listening socket and its directory: made or checked for safety, locked against a second
 * daemon, watched for replacement.
 */
#ifndef DAYFLY_DAEMON_LISTENER_H
#define DAYFLY_DAEMON_LISTENER_H

#include "base/err.h"

#include <stdbool.h>
#include <sys/types.h>

struct listener {
	int dir_fd; /* holds the lock (flock) as long as the daemon lives */
	int fd;
	char *path;
	bool is_passed;	  /* a service manager's: it stays when we go, and others may serve it */
	bool is_dir_made; /* by a dayflyd, this one or another: it goes when we go */
	dev_t dev;	  /* of the socket file */
	ino_t ino;
};

/*
 * is_shared: other users may connect (root mode): directory 0755 and socket 0666; else 0700 and
 * 0600. A directory that is there already must be ours and closed to other writers. Bound, not yet
 * listening. Returns 0 or -errno.
 */
int listener_open(struct listener *l, const char *path, bool is_shared, struct err *e);
int listener_start(struct listener *l, struct err *e);

/*
 * Takes a socket that listens already, bound by a service manager; its directory is checked and
 * locked as above. Returns 0 or -errno; call listener_finish() in both cases.
 */
int listener_adopt(struct listener *l, int take_fd, struct err *e);

/* Whether the path still leads to this socket. */
bool listener_is_reachable(const struct listener *l);

/* We take nobody in any more, and unless the socket was passed nobody can connect; the lock is held
 * on. */
void listener_stop(struct listener *l);

/* Unlinks the socket (if it is still and was always ours) and the directory (if we made it and it
 * is empty), and closes. */
void listener_close(struct listener *l);

/* Closes only. */
void listener_finish(struct listener *l);

#endif
