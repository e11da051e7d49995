/* Starting a private daemon for this user. */
#ifndef DAYFLY_CLIENT_AUTOSTART_H
#define DAYFLY_CLIENT_AUTOSTART_H

#include <dayfly/client.h>
#include <stdint.h>

/*
 * Starts dayflyd on this socket, detached from the caller, and waits until it listens. Found beside
 * the running program, else where it was installed. Returns 0: it listens. -EAGAIN: it did not
 * start and says why in *e, which may be only that another one was faster: try to connect, and
 * again for a while. Other errors: -ENOENT (no dayflyd), -ETIMEDOUT, what fork or pipe gave.
 */
int autostart_daemon(const char *socket_path, uint64_t deadline_ns, struct dayfly_error *e);

#endif
