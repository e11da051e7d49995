/* The record of a jail, and what the warden's loop watches of it: see warden.h. */
#include "jail/warden.h"

#include "base/clock.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/stat.h>

struct warden_jail *jail_create(struct warden *w, uint64_t id)
{
	struct warden_jail *j = calloc(1, sizeof(*j));
	if (!j)
		return NULL;
	j->id = id;
	j->warden = w;
	j->slot = j->plan_fd = j->inputs_fd = -1;
	j->pidfd = j->status_fd = j->cgroup.fd = -1;
	j->received_ns = clock_mono_ns();
	for (size_t i = 0; i < 3; i++)
		j->stdio[i] = -1;
	for (size_t i = 0; i < FD_PASS_MAX; i++)
		j->sources[i] = -1;
	for (size_t i = 0; i < LIMIT_MOUNTS + 2; i++)
		j->opened[i] = -1;
	list_init(&j->link);
	return j;
}

/*
 * Takes a descriptor out of the watch and closes it. Closing alone would not do: a jail that is
 * being cloned at this moment holds a copy, and events would go on coming for an object that is
 * gone.
 */
static void unwatch(struct warden *w, int *fd)
{
	if (*fd >= 0)
		epoll_ctl(w->epoll_fd, EPOLL_CTL_DEL, *fd, NULL);
	fd_close(fd);
}

bool jail_is_sealed(int fd, struct stat *st)
{
	const int needed = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW;
	int seals = fcntl(fd, F_GET_SEALS);
	return seals >= 0 && (seals & needed) == needed && fstat(fd, st) == 0;
}

/* What only the launch needs. */
void jail_close_inputs(struct warden_jail *j)
{
	fd_close(&j->plan_fd);
	fd_close(&j->inputs_fd);
	fd_close_many(j->stdio, 3);
	fd_close_many(j->sources, FD_PASS_MAX);
	fd_close_many(j->opened, LIMIT_MOUNTS + 2);
}

void jail_stop_watching(struct warden_jail *j)
{
	const int fds[] = { j->status_fd, j->pidfd };
	for (size_t i = 0; i < 2; i++)
		if (fds[i] >= 0)
			epoll_ctl(j->warden->epoll_fd, EPOLL_CTL_DEL, fds[i], NULL);
}

void jail_unwatch(struct warden_jail *j)
{
	unwatch(j->warden, &j->status_fd);
	unwatch(j->warden, &j->pidfd);
}

void jail_destroy(struct warden_jail *j)
{
	list_remove(&j->link);
	jail_close_inputs(j);
	jail_unwatch(j);
	cgroup_task_close(&j->cgroup);
	ids_release_slot(&j->warden->ids, j->slot);
	plan_destroy(j->plan);
	free(j);
}

int warden_watch_add(struct warden *w, int fd, struct watch *watch)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = watch };
	return epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0 ? -errno : 0;
}

int jail_watch(struct warden_jail *j)
{
	struct warden *w = j->warden;
	int r = 0;
	j->status_watch = (struct watch){ WATCH_STATUS, j };
	j->pid_watch = (struct watch){ WATCH_PID, j };
	if (j->status_fd >= 0) {
		fd_set_nonblock(j->status_fd);
		r = warden_watch_add(w, j->status_fd, &j->status_watch);
	}
	return r < 0 ? r : warden_watch_add(w, j->pidfd, &j->pid_watch);
}
