/* What a request wants to have back: see outputs.h. Runs in dayflyd. */
#include "task/outputs.h"

#include "task/foreign.h"

#include <errno.h>
#include <fcntl.h>

int outputs_check(const struct task_spec *spec, const int *fds, size_t n_fds, struct err *e)
{
	const char *const field = "task.changes.fd";
	if (!spec->has_changes || (uint64_t)spec->changes.fd >= n_fds)
		return 0;
	int fd = fds[spec->changes.fd], flags = fcntl(fd, F_GETFL);
	if (flags < 0 || (flags & O_PATH) || (!foreign_is_pipe(fd) && !foreign_is_stream(fd))) {
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
