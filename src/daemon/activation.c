/* A socket that was passed: see activation.h. */
#include "daemon/activation.h"

#include "base/fd.h"
#include "base/str.h"
#include "daemon/sd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static int refuse(int errnum, struct err *e)
{
	if (errnum != ENOSYS)
		return err_set(e, ERR_INTERNAL, errnum,
			"the sockets that the service manager passes cannot be taken (LISTEN_FDS, "
			"LISTEN_PID)");
	err_set(e, ERR_UNSUPPORTED, 0,
		"the service manager passes a socket, and this dayflyd is built without "
		"libsystemd");
	err_hint(e, "build dayfly where pkg-config finds libsystemd, or disable dayflyd.socket and "
		    "start dayflyd.service by itself");
	return -errnum;
}

static int refuse_many(int n, char *const *names, struct err *e)
{
	char list[160] = "";
	size_t len = 0;
	for (; names && *names && len < sizeof(list); names++)
		len += (size_t)snprintf(
			list + len, sizeof(list) - len, "%s%s", len ? ", " : "", *names);
	err_set(e, ERR_BAD_VALUE, 0, "%d sockets were passed, and dayflyd serves one: %s", n, list);
	err_hint(e, "keep one ListenStream= line in dayflyd.socket, and one Sockets= in "
		    "dayflyd.service");
	return -EINVAL;
}

static int check(int fd, struct err *e)
{
	const char *fault = NULL;
	int r = sd_is_socket_unix(fd, SOCK_STREAM, 1, NULL, 0);
	if (r > 0)
		return 0;
	if (r < 0 && r != -ENOTSOCK)
		return err_set(
			e, ERR_INTERNAL, -r, "the socket that was passed (descriptor %d)", fd);
	if (r == 0 && sd_is_socket_unix(fd, SOCK_STREAM, 0, NULL, 0) > 0)
		fault = "does not listen (Accept=yes?)";
	else
		fault = "is no Unix stream socket";
	err_set(e, ERR_BAD_VALUE, 0, "the socket that was passed %s", fault);
	err_hint(e, "dayflyd.socket needs ListenStream= with an absolute path, and Accept=no");
	return -EINVAL;
}

int activation_take(int *ret_fd, struct err *e)
{
	char **names = NULL;
	*ret_fd = -1;
	int n = sd_listen_fds_with_names(1, &names), r = 0;
	if (n < 0)
		r = refuse(-n, e);
	else if (n > 1)
		r = refuse_many(n, names, e);
	else if (n == 1)
		r = check(SD_LISTEN_FDS_START, e);
	strv_free(names);
	if (r == 0 && n == 1)
		*ret_fd = SD_LISTEN_FDS_START;
	return r;
}
