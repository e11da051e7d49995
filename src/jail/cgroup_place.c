/* What /proc says about this process's place in the cgroup tree: see cgroup.h. */
#include "jail/cgroup.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SELF_MAX      (64u << 10)
#define MOUNTINFO_MAX (4u << 20)

static void add_pid(struct cgroup_place *p, pid_t pid)
{
	for (size_t i = 0; i < p->n_pids; i++)
		if (p->pids[i] == pid)
			return;
	if (pid > 1 && p->n_pids < CGROUP_PIDS_MAX)
		p->pids[p->n_pids++] = pid;
}

int cgroup_place_read(struct cgroup_place *p, int daemon_fd)
{
	struct ucred daemon;
	socklen_t len = sizeof(daemon);
	memset(p, 0, sizeof(*p));
	ssize_t n = fd_read_file(AT_FDCWD, "/proc/self/cgroup", SELF_MAX, &p->self);
	if (n >= 0)
		n = fd_read_file(AT_FDCWD, "/proc/self/mountinfo", MOUNTINFO_MAX, &p->mountinfo);
	if (n < 0)
		return (int)n;
	add_pid(p, getpid());
	/* The keeper, whose child the warden is; and dayflyd, which made the socket pair. */
	add_pid(p, getppid());
	if (daemon_fd >= 0 && getsockopt(daemon_fd, SOL_SOCKET, SO_PEERCRED, &daemon, &len) == 0)
		add_pid(p, daemon.pid);
	p->is_privileged = geteuid() == 0;
	p->has_systemd = access("/run/systemd/system", F_OK) == 0;
	return 0;
}

void cgroup_place_finish(struct cgroup_place *p)
{
	free(p->self);
	free(p->mountinfo);
	p->self = p->mountinfo = NULL;
}
