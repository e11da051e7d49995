/* What a request wants to have back: see outputs.h. Runs in dayflyd. */
#include "task/outputs.h"

#include "task/foreign.h"

#include <errno.h>
#include <fcntl.h>

static int check(int fd, const char *field, struct err *e)
{
	int flags = fcntl(fd, F_GETFL);
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

int outputs_check(const struct task_spec *spec, const int *fds, size_t n_fds, struct err *e)
{
	const int64_t changes = spec->has_changes ? spec->changes.fd : -1;
	const int64_t artifacts = spec->has_artifacts ? spec->artifacts.fd : -1;
	int r = 0;
	if (changes >= 0 && (uint64_t)changes < n_fds)
		r = check(fds[changes], "task.changes.fd", e);
	if (r == 0 && artifacts >= 0 && (uint64_t)artifacts < n_fds)
		r = check(fds[artifacts], "task.artifacts.fd", e);
	return r;
}
