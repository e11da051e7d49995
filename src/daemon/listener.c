/* The listening socket: see listener.h. */
#include "daemon/listener.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "task/closer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* A keeper of an earlier daemon may remove the empty directory between our looking and our binding.
 */
#define OPEN_TRIES 5
/* 100 ms in all. */
#define LOCK_TRIES    20
#define LOCK_PAUSE_US 5000
/*
 * The sticky bit, which means nothing where others may not write, tells that a dayflyd made the
 * directory. It is set as the directory is made, for whoever takes the lock need not be who made
 * it.
 */
#define MADE_BY_US S_ISVTX

static int split_path(const char *path, char **ret_dir, const char **ret_name, struct err *e)
{
	struct sockaddr_un addr;
	const char *slash = strrchr(path, '/');
	if (!slash || !slash[1])
		return err_set(e, ERR_BAD_VALUE, 0, "%s: not the path of a socket", path);
	if (strlen(path) >= sizeof(addr.sun_path)) {
		err_set(e, ERR_TOO_LARGE, ENAMETOOLONG, "socket %s", path);
		err_hint(e,
			"the kernel takes at most %zu bytes: use a shorter --socket or "
			"--runtime-dir",
			sizeof(addr.sun_path) - 1);
		return -ENAMETOOLONG;
	}
	*ret_dir = slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
	if (!*ret_dir)
		return err_set(e, ERR_INTERNAL, ENOMEM, "open socket");
	*ret_name = slash + 1;
	return 0;
}

static int check_dir(int fd, const char *dir, struct err *e)
{
	struct stat st;
	if (fstat(fd, &st) < 0)
		return err_set(e, ERR_INTERNAL, errno, "look at directory %s", dir);
	const char *fault = NULL;
	if (st.st_uid != geteuid())
		fault = "it belongs to another user";
	else if (st.st_mode & (S_IWGRP | S_IWOTH))
		fault = "others may write to it";
	if (!fault)
		return 0;
	err_set(e, ERR_NOT_ALLOWED, 0, "directory %s is not safe for a socket: %s", dir, fault);
	err_hint(e, "give a directory of your own: --runtime-dir DIR or --socket DIR/dayfly.sock");
	return -EPERM;
}

/* The keeper of a daemon that has just died holds the lock while it cleans up: not for long. */
static int lock_dir(int fd)
{
	for (int i = 0; flock(fd, LOCK_EX | LOCK_NB) < 0; i++) {
		if (errno != EWOULDBLOCK || i == LOCK_TRIES)
			return -1;
		usleep(LOCK_PAUSE_US);
	}
	return 0;
}

/* Under the lock. */
static int note_maker(struct listener *l, const char *dir, bool is_shared, struct err *e)
{
	struct stat st;
	if (fstat(l->dir_fd, &st) < 0)
		return err_set(e, ERR_INTERNAL, errno, "look at directory %s", dir);
	l->is_dir_made = !l->is_passed && (st.st_mode & MADE_BY_US);
	/* The umask is 077: open what others must pass through. */
	if (l->is_dir_made && is_shared && fchmod(l->dir_fd, 0755 | MADE_BY_US) < 0)
		return err_set(e, ERR_INTERNAL, errno, "set the mode of %s", dir);
	return 0;
}

static int take_dir(struct listener *l, const char *dir, bool is_shared, struct err *e)
{
	l->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (l->dir_fd < 0)
		return err_set(e, ERR_INTERNAL, errno, "open directory %s", dir);
	int r = check_dir(l->dir_fd, dir, e);
	if (r < 0)
		return r;
	if (lock_dir(l->dir_fd) < 0) {
		int errnum = errno;
		err_set(e, ERR_BUSY, errnum == EWOULDBLOCK ? EBUSY : errnum, "lock directory %s",
			dir);
		if (errnum == EWOULDBLOCK)
			err_hint(e, "another dayflyd runs here: stop it, or give another "
				    "--runtime-dir");
		return -EBUSY;
	}
	return note_maker(l, dir, is_shared, e);
}

static int open_dir(struct listener *l, const char *dir, bool is_shared, struct err *e)
{
	if (mkdir(dir, 0700 | MADE_BY_US) < 0 && errno != EEXIST)
		return err_set(e, ERR_INTERNAL, errno, "make directory %s", dir);
	return take_dir(l, dir, is_shared, e);
}

/* Removes a socket that nobody listens on any more. Anything else with that name is left alone. */
static int remove_stale(int dir_fd, const char *name, const struct sockaddr_un *addr, struct err *e)
{
	struct stat st;
	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT
			       ? 0
			       : err_set(e, ERR_INTERNAL, errno, "look at %s", addr->sun_path);
	if (!S_ISSOCK(st.st_mode))
		return err_set(
			e, ERR_INTERNAL, EEXIST, "%s is there and is not a socket", addr->sun_path);
	auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_set(e, ERR_INTERNAL, errno, "make a socket");
	if (connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0 || errno != ECONNREFUSED)
		return err_set(e, ERR_BUSY, EADDRINUSE, "somebody listens on %s", addr->sun_path);
	return unlinkat(dir_fd, name, 0) < 0
		       ? err_set(e, ERR_INTERNAL, errno, "remove %s", addr->sun_path)
		       : 0;
}

static int bind_socket(struct listener *l, const char *name, bool is_shared, struct err *e)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct stat st;
	memcpy(addr.sun_path, l->path, strlen(l->path) + 1);
	int r = remove_stale(l->dir_fd, name, &addr, e);
	if (r < 0)
		return r;
	l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (l->fd < 0)
		return err_set(e, ERR_INTERNAL, errno, "make a socket");
	if (bind(l->fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0)
		return err_set(e, ERR_INTERNAL, errno, "bind %s", l->path);
	if (fchmodat(l->dir_fd, name, is_shared ? 0666 : 0600, 0) < 0 ||
		fstatat(l->dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_set(e, ERR_INTERNAL, errno, "set the mode of %s", l->path);
	l->dev = st.st_dev;
	l->ino = st.st_ino;
	return 0;
}

int listener_open(struct listener *l, const char *path, bool is_shared, struct err *e)
{
	auto_free char *dir = NULL;
	const char *name = NULL;
	*l = (struct listener){ .dir_fd = -1, .fd = -1 };
	int r = split_path(path, &dir, &name, e);
	if (r < 0)
		return r;
	l->path = strdup(path);
	if (!l->path)
		return err_set(e, ERR_INTERNAL, ENOMEM, "open socket");
	for (int i = 0; i < OPEN_TRIES; i++) {
		r = open_dir(l, dir, is_shared, e);
		if (r == 0)
			r = bind_socket(l, path + (name - path), is_shared, e);
		if (r == 0 && listener_is_reachable(l))
			return 0;
		fd_close(&l->fd);
		fd_close(&l->dir_fd);
		if (r != 0 && r != -ENOENT)
			break;
	}
	if (r == 0)
		r = err_set(e, ERR_INTERNAL, ENOENT,
			"directory %s is being removed again and again", dir);
	if (l->is_dir_made)
		rmdir(dir);
	return r;
}

static int passed_path(struct listener *l, struct err *e)
{
	struct sockaddr_un addr = { 0 };
	socklen_t len = sizeof(addr);
	if (getsockname(l->fd, (struct sockaddr *)&addr, &len) < 0)
		return err_set(e, ERR_INTERNAL, errno, "read the path of the passed socket");
	l->path = strndup(addr.sun_path, sizeof(addr.sun_path));
	if (!l->path)
		return err_set(e, ERR_INTERNAL, ENOMEM, "open socket");
	if (l->path[0] == '/')
		return 0;
	err_set(e, ERR_BAD_VALUE, 0, "the socket that was passed has no absolute path");
	err_hint(e,
		"dayflyd.socket needs ListenStream= with an absolute path: clients, the lock and "
		"the check for replacement go by it");
	return -EINVAL;
}

int listener_adopt(struct listener *l, int take_fd, struct err *e)
{
	auto_free char *dir = NULL;
	const char *name = NULL;
	struct stat st;
	*l = (struct listener){ .dir_fd = -1, .fd = take_fd, .is_passed = true };
	int r = fd_set_nonblock(l->fd);
	if (r < 0)
		return err_set(e, ERR_INTERNAL, -r, "set up the passed socket");
	r = passed_path(l, e);
	if (r == 0)
		r = split_path(l->path, &dir, &name, e);
	if (r == 0)
		r = take_dir(l, dir, false, e);
	if (r < 0)
		return r;
	if (fstatat(l->dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISSOCK(st.st_mode)) {
		r = err_set(e, ERR_INTERNAL, ENOENT, "the passed socket is not at its path, %s",
			l->path);
		err_hint(e, "bind it anew: systemctl restart dayflyd.socket");
		return r;
	}
	l->dev = st.st_dev;
	l->ino = st.st_ino;
	return 0;
}

int listener_start(struct listener *l, struct err *e)
{
	if (l->is_passed)
		return 0;
	return listen(l->fd, SOMAXCONN) < 0
		       ? err_set(e, ERR_INTERNAL, errno, "listen on %s", l->path)
		       : 0;
}

bool listener_is_reachable(const struct listener *l)
{
	struct stat dir, st;
	/* Through the directory that is held open: after the drop of root's rights the way to it
	 * may be closed to us. */
	if (fstat(l->dir_fd, &dir) < 0 || dir.st_nlink == 0)
		return false;
	if (fstatat(l->dir_fd, strrchr(l->path, '/') + 1, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno != ENOENT;
	return st.st_dev == l->dev && st.st_ino == l->ino;
}

void listener_finish(struct listener *l)
{
	fd_close(&l->fd);
	fd_close(&l->dir_fd);
	free(l->path);
	l->path = NULL;
}

/* Who was not let in yet may have sent descriptors, and they go with it. */
void listener_stop(struct listener *l)
{
	/* Without root's rights it stays; nobody listens any more, and the keeper removes it. */
	if (!l->is_passed && l->dir_fd >= 0 && l->fd >= 0 && listener_is_reachable(l))
		unlinkat(l->dir_fd, strrchr(l->path, '/') + 1, 0);
	/* One that was passed the service manager has too. */
	if (l->is_passed)
		fd_close(&l->fd);
	else if (l->fd >= 0)
		/* From now on, not when a thread has come to close it: unix_stream_connect() in
		 * Linux refuses then. */
		shutdown(l->fd, SHUT_RDWR);
	close_foreign(CLOSER_NOBODY, &l->fd, 1);
}

void listener_close(struct listener *l)
{
	bool is_open = l->dir_fd >= 0 && l->ino;
	listener_stop(l);
	if (is_open && l->is_dir_made) {
		char *slash = strrchr(l->path, '/');
		*slash = '\0';
		rmdir(l->path);
	}
	listener_finish(l);
}
