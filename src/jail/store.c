/*
 * Where a tmpfs cannot be the upper layer of an overlay in a user namespace (no user.* extended attributes before Linux 6.6), each jail's private layer
 * is a directory in the state directory instead. Found out by trying. Such directories are removed when the jail is dead, and swept when the
 * warden starts and when the daemon dies.
 */
#include "jail/mount.h"
#include "jail/remove.h"
#include "jail/throwaway.h"
#include "jail/warden.h"

#include "base/cleanup.h"
#include "base/dir.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#define STORE_PREFIX "upper-"

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

int store_probe(struct warden *w, const struct warden_options *options, struct err *e)
{
	const char *want = options->upper ? options->upper : "auto";
	if (!strcmp(want, "disk")) {
		w->upper_on_disk = true;
	} else if (!strcmp(want, "auto")) {
		struct err why = { 0 };
		const struct throwaway t = { .flags = CLONE_NEWUSER | CLONE_NEWNS, .map = map_probe, .fn = try_tmpfs_xattr };
		w->upper_on_disk = throwaway_run(&t, &why) == -EOPNOTSUPP;
	}
	if (!options->state_dir)
		return w->upper_on_disk ? err_set(e, ERR_UNSUPPORTED, 0, "tmpfs cannot hold the private layer here, and there is no state directory") :
					  0;
	snprintf(w->state_path, sizeof(w->state_path), "%s", options->state_dir);
	w->state_fd = open(options->state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (w->state_fd < 0)
		return w->upper_on_disk ? err_set(e, ERR_UNSUPPORTED, errno, "open state directory %s", options->state_dir) : 0;
	store_sweep(w->state_fd);
	return 0;
}

int store_make(struct warden *w, struct warden_jail *j, struct err *e)
{
	snprintf(j->disk_name, sizeof(j->disk_name), STORE_PREFIX "%d-%" PRIu64, (int)getpid(), j->id);
	if (mkdirat(w->state_fd, j->disk_name, 0700) < 0) {
		int errnum = errno;
		j->disk_name[0] = '\0';
		return err_set(e, ERR_SETUP, errnum, "make a directory in %s", w->state_path);
	}
	/* Jail init is root of its namespace, or the one id. */
	uid_t uid = ids_task_uid(&w->ids, j->slot, w->ids.mode == WARDEN_MODE_SINGLE ? j->plan->user : PLAN_USER_ROOT);
	if (w->ids.mode != WARDEN_MODE_SINGLE && fchownat(w->state_fd, j->disk_name, uid, uid, AT_SYMLINK_NOFOLLOW) < 0)
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

void store_sweep(int state_fd)
{
	auto_closedir DIR *d = dir_list(state_fd);
	struct dirent *entry;
	while (d && (entry = dir_next(d)))
		if (str_starts(entry->d_name, STORE_PREFIX))
			remove_tree(state_fd, entry->d_name);
}
