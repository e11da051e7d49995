/*
 * A listening socket that a service manager passes at the start (dayflyd.socket): sd_listen_fds(3).
 */
#ifndef DAYFLY_DAEMON_ACTIVATION_H
#define DAYFLY_DAEMON_ACTIVATION_H

#include "base/err.h"

/*
 * Before inherited descriptors are closed, once. *ret_fd is the caller's; -1: none was passed to
 * this process. The variables go from the environment in any case. Returns 0 or -errno with *e: a
 * socket that was passed and cannot be served is an error, never left aside.
 */
int activation_take(int *ret_fd, struct err *e);

#endif
