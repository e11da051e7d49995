/*
 * Where a tmpfs cannot be the upper layer of an overlay in a user namespace (no user.* extended
 * attributes before Linux 6.6), each jail's private layer is a directory on disk instead, in a
 * directory of the warden's own. Found out by trying. A jail's directory is removed when the jail
 * is dead, the warden's when it ends; what killed wardens left is swept by the next one and by the
 * keeper.
 */
#include "base/remove.h"
#include "jail/mount.h"
#include "jail/throwaway.h"
#include "jail/warden.h"

#include "base/cleanup.h"
#include "base/dir.h"
#include "base/log.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#define STORE_BASE   "/var/tmp"
#define STORE_PREFIX "dayfly-upper-"

static int map_probe(pid_t pid, void *arg, struct err *e)
{
	return throwaway_map_single(pid, 0, e);
}

/* In a throw-away child with its own user and mount namespace. */
static int try_tmpfs_xattr(void *arg, struct err *e)
{
	static const struct mount_opt opts[] = { { "size", "64k" }, { NULL, NULL } };
	auto_close int fd = mount_new("tmpfs", opts, MOUNT_SAFE, e);
	if (fd < 0)
		return fd;
	auto_close int file = openat(fd, "x", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (file < 0 || fsetxattr(file, "user.overlay.opaque", "y", 1, 0) < 0)
		return err_set(e, ERR_UNSUPPORTED, errno, "set a user.* attribute on tmpfs");
	return 0;
}

/* Locks a directory for as long as the descriptor is open: whoever finds it unlocked knows that its
 * warden is dead. */
static bool lock_dir(int fd)
{
	return flock(fd, LOCK_EX | LOCK_NB) == 0;
}

int store_dir_make(const char *base, char *ret_path, size_t size, struct err *e)
{
	snprintf(ret_path, size, "%.400s/" STORE_PREFIX "XXXXXX", base);
	if (!mkdtemp(ret_path)) {
		int errnum = errno;
		ret_path[0] = '\0';
		return err_set(e, ERR_UNSUPPORTED, errnum, "make a directory in %s", base);
	}
	auto_close int fd = open(ret_path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || !lock_dir(fd))
		return err_set(e, ERR_UNSUPPORTED, errno, "open %s", ret_path);
	return fd_take(&fd);
}

static int make_own_dir(struct warden *w, const char *base, struct err *e)
{
	int r = w->state_fd = store_dir_make(base, w->state_path, sizeof(w->state_path), e);
	return r < 0 ? err_wrap(e, "tmpfs cannot hold private layers here"), r : 0;
}

int store_open(struct warden *w, const struct warden_options *options, struct err *e)
{
	const char *want = options->upper ? options->upper : "auto";
	const char *base = options->state_dir ? options->state_dir : STORE_BASE;
	store_sweep(base);
	if (!strcmp(want, "disk")) {
		w->upper_on_disk = true;
	} else if (!strcmp(want, "auto")) {
		struct err why = { 0 };
		const struct throwaway t = { .flags = CLONE_NEWUSER | CLONE_NEWNS,
			.map = map_probe,
			.fn = try_tmpfs_xattr };
		w->upper_on_disk = throwaway_run(&t, &why) == -EOPNOTSUPP;
	}
	return w->upper_on_disk ? make_own_dir(w, base, e) : 0;
}

void store_close(struct warden *w)
{
	fd_close(&w->state_fd);
	if (w->state_path[0])
		remove_tree(AT_FDCWD, w->state_path);
}

int store_make(struct warden *w, struct warden_jail *j, struct err *e)
{
	snprintf(j->disk_name, sizeof(j->disk_name), "%" PRIu64, ++w->n_layers);
	if (mkdirat(w->state_fd, j->disk_name, 0700) < 0) {
		int errnum = errno;
		j->disk_name[0] = '\0';
		return err_set(e, ERR_SETUP, errnum, "make a directory in %s", w->state_path);
	}
	/* Jail init is root of its namespace, or the one id. */
	uid_t uid = ids_task_uid(&w->ids, j->slot,
		w->ids.mode == WARDEN_MODE_SINGLE ? j->plan->user : PLAN_USER_ROOT);
	if (w->ids.mode != WARDEN_MODE_SINGLE &&
		fchownat(w->state_fd, j->disk_name, uid, uid, AT_SYMLINK_NOFOLLOW) < 0)
		return err_set(e, ERR_SETUP, errno, "give %s to the jail", j->disk_name);
	return 0;
}

int store_remove_start(struct warden *w, struct warden_jail *j)
{
	/* In a child: a tree of any size must not hold up the warden. */
	pid_t pid = sys_clone(0, &j->pidfd);
	if (pid == 0)
		_exit(remove_tree(w->state_fd, j->disk_name) < 0);
	j->pid = pid;
	return pid < 0 ? pid : 0;
}

void store_remove_now(struct warden *w, struct warden_jail *j)
{
	if (remove_tree(w->state_fd, j->disk_name) < 0)
		log_warning("%s/%s could not be removed", w->state_path, j->disk_name);
}

size_t store_sweep(const char *base)
{
	size_t left = 0;
	auto_close int base_fd = open(base ? base : STORE_BASE, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_closedir DIR *d = base_fd < 0 ? NULL : dir_list(base_fd);
	struct dirent *entry;
	while (d && (entry = dir_next(d))) {
		struct stat st;
		if (!str_starts(entry->d_name, STORE_PREFIX))
			continue;
		/* Others can make such names in a shared directory: only what is ours is touched.
		 */
		auto_close int fd = dir_open(base_fd, entry->d_name);
		if (fd >= 0 && fstat(fd, &st) == 0 && st.st_uid == geteuid() && lock_dir(fd))
			left += remove_tree(base_fd, entry->d_name) < 0;
	}
	return left;
}
