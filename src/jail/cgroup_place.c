/* What /proc says about this process's place in the cgroup tree: see cgroup.h. */
#include "jail/cgroup.h"

#include "base/cleanup.h"
#include "base/dir.h"
#include "base/fd.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
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

/* Not what only shows parts or memory as a disk: its own device, if any, is listed too. */
static bool is_disk(const char *name)
{
	static const char *const others[] = { "loop", "ram", "zram", "sr", "fd" };
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		if (str_starts(name, others[i]))
			return false;
	return true;
}

/* "MAJOR:MINOR" of every disk, one on each line. NULL: there is none to be seen. */
static char *read_devices(void)
{
	auto_close int block = open("/sys/block", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_closedir DIR *d = block < 0 ? NULL : dir_list(block);
	auto_free char *all = NULL;
	struct dirent *entry;
	while (d && (entry = dir_next(d))) {
		char file[300];
		auto_free char *before = take_ptr(all), *text = NULL;
		snprintf(file, sizeof(file), "%s/dev", entry->d_name);
		if (!is_disk(entry->d_name) || fd_read_file(block, file, 64, &text) <= 0)
			all = take_ptr(before);
		else if (asprintf(&all, "%s%s", before ? before : "", text) < 0)
			return NULL;
	}
	return take_ptr(all);
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
	p->devices = read_devices();
	p->is_privileged = geteuid() == 0;
	p->has_systemd = access("/run/systemd/system", F_OK) == 0;
	return 0;
}

void cgroup_place_finish(struct cgroup_place *p)
{
	free(p->self);
	free(p->mountinfo);
	free(p->devices);
	p->self = p->mountinfo = p->devices = NULL;
}
