/* What a request wants to have back: see outputs.h. Runs in dayflyd. */
#include "task/outputs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/socket.h>

static bool is_pipe(int fd)
{
	return fcntl(fd, F_GETPIPE_SZ) >= 0;
}

static bool is_stream(int fd)
{
	int domain = 0, type = 0;
	socklen_t a = sizeof(domain), b = sizeof(type);
	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &a) == 0 &&
	       getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &b) == 0 && domain == AF_UNIX &&
	       type == SOCK_STREAM;
}

int outputs_check(const struct task_spec *spec, const int *fds, size_t n_fds, struct err *e)
{
	const char *const field = "task.changes.fd";
	if (!spec->has_changes || (uint64_t)spec->changes.fd >= n_fds)
		return 0;
	int fd = fds[spec->changes.fd], flags = fcntl(fd, F_GETFL);
	if (flags < 0 || (flags & O_PATH) || (!is_pipe(fd) && !is_stream(fd))) {
		err_set_field(e, ERR_BAD_VALUE, field,
			"is neither a pipe nor a Unix stream socket: writing to it might never "
			"end");
		err_hint(e, "send the writable end of a pipe, and read the other one");
		return -EINVAL;
	}
	if ((flags & O_ACCMODE) == O_RDONLY)
		return err_set_field(e, ERR_BAD_VALUE, field, "is not open for writing");
	return 0;
}
