/*
 * What clients' descriptors are, found out without waiting: neither a lock that its owner may hold
 * is taken (as F_GETPIPE_SZ does) nor a server of his asked (as fstat does on FUSE).
 */
#ifndef DAYFLY_TASK_FOREIGN_H
#define DAYFLY_TASK_FOREIGN_H

#include "base/err.h"
#include "proto/request.h"

#include <stdbool.h>
#include <stddef.h>

bool foreign_is_pipe(int fd);
bool foreign_is_stream(int fd); /* a Unix stream socket */

/*
 * Whether the warden, which has one thread, may have these descriptors of a request: of sockets
 * only Unix streams, and no open file for whose close a server is asked (FUSE), or of which that
 * cannot be known since its mount is none of the daemon's. Returns 0 or -errno with *e naming the
 * field.
 */
int foreign_check(const struct task_spec *spec, const int *fds, size_t n_fds, struct err *e);

/* What is asked of /proc/self/mountinfo: whether this mount is in its text, and is not of FUSE. */
bool foreign_mount_is_good(const char *mountinfo, unsigned long long mount);

#endif
