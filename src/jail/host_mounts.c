/* The host's mounts: see host_mounts.h. The kernel tells of a change by an exceptional condition of
 * the open file (proc_pid_mountinfo(5)). */
#include "jail/host_mounts.h"

#include "base/fd.h"
#include "jail/mountinfo.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TEXT_MAX (16u << 20)

void host_mounts_init(struct host_mounts *m)
{
	*m = (struct host_mounts){ .fd = -1 };
}

int host_mounts_open(struct host_mounts *m)
{
	m->fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	return m->fd < 0 ? -errno : 0;
}

void host_mounts_finish(struct host_mounts *m)
{
	fd_close(&m->fd);
	free(m->text);
	host_mounts_init(m);
}

static bool has_changed(const struct host_mounts *m)
{
	struct pollfd p = { .fd = m->fd, .events = POLLPRI };
	return m->fd < 0 || !m->text || poll(&p, 1, 0) != 0;
}

static void read_again(struct host_mounts *m)
{
	free(m->text);
	m->text = NULL;
	/* A file of its own: the one that is watched stays at its beginning. */
	if (fd_read_file(AT_FDCWD, "/proc/self/mountinfo", TEXT_MAX, &m->text) < 0)
		m->text = NULL;
}

bool host_mounts_are_below(struct host_mounts *m, const char *dir)
{
	struct mount_line line;
	char point[PATH_MAX + 2]; /* what does not fit is longer than any directory here */
	size_t len = strcmp(dir, "/") ? strlen(dir) : 0;
	if (has_changed(m))
		read_again(m);
	if (!m->text)
		return true;
	for (const char *at = m->text; *at; at = mountinfo_next(at)) {
		if (!mountinfo_split(at, &line))
			continue;
		mountinfo_unescape(line.point, point, sizeof(point));
		if (!strncmp(point, dir, len) && point[len] == '/' && point[len + 1])
			return true;
	}
	return false;
}
