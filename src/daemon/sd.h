/*
 * libsystemd, or where a build is without it (make LIBSYSTEMD=no) the same calls refusing. Only
 * notify.c and activation.c include this, so that nothing else needs to know.
 */
#ifndef DAYFLY_DAEMON_SD_H
#define DAYFLY_DAEMON_SD_H

#include <stdbool.h>

#ifdef DAYFLY_LIBSYSTEMD

#include <systemd/sd-daemon.h>

#define SD_IS_BUILT_IN true

#else

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#define SD_IS_BUILT_IN	    false
#define SD_LISTEN_FDS_START 3

/* Sockets for this very process cannot be taken: that must not pass in silence. */
static inline int sd_listen_fds_with_names(int unset_environment, char ***ret_names)
{
	const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
	*ret_names = NULL;
	return pid && count && strtol(pid, NULL, 10) == getpid() ? -ENOSYS : 0;
}

static inline int sd_is_socket_unix(int fd, int type, int listening, const char *path, size_t len)
{
	return -ENOSYS;
}

static inline int sd_watchdog_enabled(int unset_environment, uint64_t *ret_usec)
{
	return 0;
}

#endif
#endif
