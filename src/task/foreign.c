/* What clients' descriptors are: see foreign.h. Runs in dayflyd. */
#include "task/foreign.h"

#include "base/cleanup.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define MOUNTINFO_MAX (4u << 20)

/* What is known of it will do. */
static int look(int fd, struct statx *sx)
{
	return statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE | STATX_MNT_ID, sx);
}

bool foreign_is_pipe(int fd)
{
	struct statx sx;
	return look(fd, &sx) == 0 && S_ISFIFO(sx.stx_mode);
}

bool foreign_is_stream(int fd)
{
	int domain = 0, type = 0;
	socklen_t a = sizeof(domain), b = sizeof(type);
	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &a) == 0 &&
	       getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &b) == 0 && domain == AF_UNIX &&
	       type == SOCK_STREAM;
}

/* "ID parent major:minor root mountpoint options [tags...] - type source options" */
bool foreign_mount_is_good(const char *mountinfo, unsigned long long mount)
{
	for (const char *line = mountinfo; line && *line;) {
		const char *end = strchrnul(line, '\n');
		if (strtoull(line, NULL, 10) == mount) {
			const char *type = strstr(line, " - ");
			return type && type < end && strncmp(type + 3, "fuse", 4) != 0;
		}
		line = *end ? end + 1 : end;
	}
	return false;
}

static bool has_good_mount(const struct statx *sx)
{
	auto_free char *text = NULL;
	return (sx->stx_mask & STATX_MNT_ID) &&
	       fd_read_file(AT_FDCWD, "/proc/self/mountinfo", MOUNTINFO_MAX, &text) >= 0 &&
	       foreign_mount_is_good(text, sx->stx_mnt_id);
}

static const char *what_is_wrong(int fd)
{
	struct statx sx;
	int flags = fcntl(fd, F_GETFL);
	if (flags < 0 || look(fd, &sx) < 0)
		return "cannot be looked at";
	if (flags & O_PATH)
		return NULL; /* nothing of it is open */
	if (S_ISSOCK(sx.stx_mode) && !foreign_is_stream(fd))
		return "is a socket, and not a Unix stream socket: closing it might take long";
	/* Files in memory need no mount that anybody sees. */
	if (S_ISREG(sx.stx_mode) && fcntl(fd, F_GET_SEALS) < 0 && !has_good_mount(&sx))
		return "is a file on FUSE, or on a mount that the daemon does not see: closing it "
		       "might take long";
	return NULL;
}

static void name_field(const struct task_spec *spec, size_t at, char *field, size_t size)
{
	const int64_t fd = (int64_t)at;
	snprintf(field, size, "task");
	if (spec->has_workspace && spec->workspace.source.fd == fd)
		snprintf(field, size, "task.workspace");
	for (size_t i = 0; i < spec->n_mounts; i++)
		if (spec->mounts[i].source.fd == fd)
			snprintf(field, size, "task.mounts[%zu]", i);
	for (size_t i = 0; i < spec->n_tars; i++)
		if (spec->tars[i].fd == fd)
			snprintf(field, size, "task.tars[%zu].fd", i);
	if (spec->has_changes && spec->changes.fd == fd)
		snprintf(field, size, "task.changes.fd");
	if (spec->has_artifacts && spec->artifacts.fd == fd)
		snprintf(field, size, "task.artifacts.fd");
}

int foreign_check(const struct task_spec *spec, const int *fds, size_t n_fds, struct err *e)
{
	for (size_t i = 0; i < n_fds; i++) {
		const char *wrong = what_is_wrong(fds[i]);
		char field[48];
		if (!wrong)
			continue;
		name_field(spec, i, field, sizeof(field));
		err_set_field(e, ERR_BAD_VALUE, field, "descriptor %zu %s", i, wrong);
		err_hint(e, "send a pipe and write to it what is in there, or name a path");
		return -EINVAL;
	}
	return 0;
}
