/* Opening paths that a client named, in a child that has the client's rights and may hang without
 * harm. */
#include "jail/pool_stamp.h"
#include "jail/warden.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "jail/sys.h"

struct opener_answer {
	struct err err; /* errnum 0: all were opened, and their descriptors come along */
	bool image_never_waits;
};

/* The plan's sources in a fixed order: image, workspace, mounts. *ret_field names it. NULL past the
 * last. */
static const struct plan_source *nth_source(
	const struct plan *p, size_t i, char *field, size_t size)
{
	if (i == 0) {
		snprintf(field, size, "task.image");
		return p->image == PLAN_IMAGE_DIR ? &p->image_source : NULL;
	}
	if (i == 1) {
		snprintf(field, size, "task.workspace.path");
		return p->has_workspace ? &p->workspace.source : NULL;
	}
	snprintf(field, size, "task.mounts[%zu].path", i - 2);
	return i - 2 < p->n_mounts ? &p->mounts[i - 2].source : NULL;
}

static int open_paths(
	const struct warden_jail *j, int *fds, size_t *n_fds, bool *ret_never_waits, struct err *e)
{
	/* For the pool it is the path of what was opened before. */
	bool is_for_pool = j->state == WARDEN_JAIL_PREPARING;
	uint64_t links = is_for_pool ? RESOLVE_NO_SYMLINKS : 0;
	int r = peer_become(&j->peer);
	if (r < 0)
		return err_set(e, ERR_INTERNAL, -r, "take on the client's ids");
	/* Over the ids of its own namespace the warden has rights that the client has not. */
	r = j->warden->ids.mode == WARDEN_MODE_ROOT ? 0 : rights_drop_all();
	if (r < 0)
		return err_set(e, ERR_INTERNAL, -r, "drop capabilities");
	for (size_t i = 0; i < LIMIT_MOUNTS + 2; i++) {
		char field[64];
		const struct plan_source *s = nth_source(j->plan, i, field, sizeof(field));
		if (!s || s->fd_index >= 0)
			continue;
		/* Not through /proc/self/fd, cwd or root: those are the warden's. */
		int fd = sys_openat2(AT_FDCWD, s->path, O_PATH, 0, RESOLVE_NO_MAGICLINKS | links);
		if (fd < 0) {
			int errnum = -fd;
			err_set_field(
				e, ERR_SOURCE, field, "%.200s: %s", s->path, strerror(errnum));
			e->errnum = errnum;
			err_hint(e, "it is opened with your rights: it must exist and you must be "
				    "able to reach it");
			return -errnum;
		}
		fds[(*n_fds)++] = fd;
		if (is_for_pool)
			*ret_never_waits = pool_stamp_never_waits(fd);
	}
	return 0;
}

static _Noreturn void opener_child(const struct warden_jail *j, int sock)
{
	struct opener_answer answer = { 0 };
	int fds[LIMIT_MOUNTS + 2];
	size_t n_fds = 0;
	/* Other requests' descriptors among them: nothing here is the client's. */
	sys_close_range(3, (unsigned)sock - 1);
	sys_close_range((unsigned)sock + 1, ~0u);
	if (open_paths(j, fds, &n_fds, &answer.image_never_waits, &answer.err) < 0)
		n_fds = 0;
	fd_send(sock, &answer, sizeof(answer), fds, n_fds);
	_exit(0);
}

int opener_start(struct warden *w, struct warden_jail *j, struct err *e)
{
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_set(e, ERR_INTERNAL, errno, "make a socket pair");
	pid_t pid = sys_clone(0, &j->pidfd);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		opener_child(j, pair[1]);
	}
	fd_close(&pair[1]);
	if (pid < 0) {
		fd_close(&pair[0]);
		return err_set(e, ERR_INTERNAL, (int)-pid, "fork");
	}
	j->pid = pid;
	j->status_fd = pair[0];
	return 0;
}

int opener_finish(struct warden_jail *j, struct err *e)
{
	struct opener_answer answer;
	int fds[FD_PASS_MAX];
	size_t n_fds = 0, used = 0;
	ssize_t n = fd_recv(j->status_fd, &answer, sizeof(answer), fds, &n_fds);
	if (n != (ssize_t)sizeof(answer)) {
		if (n >= 0)
			fd_close_many(fds, n_fds);
		return err_set(e, ERR_SOURCE, n < 0 ? (int)-n : ETIMEDOUT,
			"open the paths of the request");
	}
	if (answer.err.msg[0]) {
		fd_close_many(fds, n_fds);
		*e = answer.err;
		return -EACCES;
	}
	for (size_t i = 0; i < LIMIT_MOUNTS + 2; i++) {
		char field[64];
		const struct plan_source *s = nth_source(j->plan, i, field, sizeof(field));
		if (s && s->fd_index < 0 && used < n_fds)
			j->opened[i] = fds[used++];
	}
	fd_close_many(fds + used, n_fds - used);
	j->image_never_waits = answer.image_never_waits;
	return 0;
}
