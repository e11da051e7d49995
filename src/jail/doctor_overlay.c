/* Checks of overlayfs, the way jails use it, and of idmapped mounts. A mount that succeeds proves
 * little: each overlay is written to. */
#include "jail/doctor_priv.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/remove.h"
#include "base/str.h"
#include "jail/ids.h"
#include "jail/mount.h"
#include "jail/warden.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

struct overlay_work {
	const char *lower;     /* NULL: made by the probe, and changed through the overlay; else a
				  directory of the host */
	const char *disk_path; /* the store; NULL: a new tmpfs */
	int lower_tree; /* root mode: an idmapped, detached mount of the lower directory; else -1 */
	bool is_volatile;
	int (*use)(struct err *e); /* what is done in an overlay of the probe's own */
};

/* Attaches the store on top of "/" and makes it the current directory, as a jail does. */
static int enter_store(const struct overlay_work *w, struct err *e)
{
	static const struct mount_opt opts[] = { { "size", "1m" }, { "nr_inodes", "64" },
		{ "mode", "0755" }, { NULL, NULL } };
	static const char *const dirs[] = { "lower", "upper", "work", "merged" };
	auto_close int store = w->disk_path ? mount_clone(AT_FDCWD, w->disk_path, false, e)
					    : mount_new("tmpfs", opts, MOUNT_SAFE, e);
	int r = store < 0 ? store : mount_attach(store, AT_FDCWD, "/", e);
	if (r < 0)
		return r;
	if (fchdir(store) < 0)
		return err_set(e, ERR_SETUP, errno, "enter the store");
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
		if (mkdir(dirs[i], 0755) < 0)
			return err_set(e, ERR_SETUP, errno, "make a directory in the store");
	return 0;
}

static int make_file(const char *path, struct err *e)
{
	auto_close int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0 || write(fd, path, strlen(path)) < 0)
		return err_set(e, ERR_SETUP, errno, "make a file");
	return 0;
}

static int fill_lower(struct err *e)
{
	if (mkdir("lower/dir", 0755) < 0)
		return err_set(e, ERR_SETUP, errno, "make a directory");
	int r = make_file("lower/dir/old", e);
	return r < 0 ? r : make_file("lower/file", e);
}

static int check_empty(const char *path, struct err *e)
{
	auto_closedir DIR *dir = opendir(path);
	struct dirent *entry;
	if (!dir)
		return err_set(e, ERR_SETUP, errno, "read a directory made anew");
	while ((entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			return err_set(e, ERR_SETUP, EIO,
				"overlay: a directory made anew shows what was removed");
	return 0;
}

/* What builds do to a tree. Each line has been seen to fail on an overlay whose mount succeeded. */
static int use_overlay(struct err *e)
{
	if (unlink("merged/dir/old") < 0)
		return err_set(e, ERR_SETUP, errno, "overlay: remove a file of the lower layer");
	if (rmdir("merged/dir") < 0)
		return err_set(
			e, ERR_SETUP, errno, "overlay: remove a directory of the lower layer");
	if (mkdir("merged/dir", 0755) < 0)
		return err_set(e, ERR_SETUP, errno, "overlay: make a removed directory anew");
	int r = check_empty("merged/dir", e);
	if (r < 0)
		return r;
	if (rename("merged/file", "merged/renamed") < 0)
		return err_set(e, ERR_SETUP, errno, "overlay: rename a file of the lower layer");
	if (access("merged/file", F_OK) == 0 || access("merged/renamed", R_OK) < 0)
		return err_set(
			e, ERR_SETUP, EIO, "overlay: a renamed file is not where it should be");
	if (setxattr("merged/renamed", "user.dayfly", "1", 1, 0) < 0)
		return err_set(e, ERR_SETUP, errno, "overlay: set a user extended attribute");
	return 0;
}

static int try_overlay(void *arg, struct err *e)
{
	const struct overlay_work *w = arg;
	int r = enter_store(w, e);
	if (r == 0 && !w->lower)
		r = fill_lower(e);
	if (r == 0 && w->lower_tree >= 0)
		r = mount_attach(w->lower_tree, AT_FDCWD, "lower", e);
	if (r < 0)
		return r;
	const struct mount_opt opts[] = {
		{ "lowerdir", w->lower && w->lower_tree < 0 ? w->lower : "lower" },
		{ "upperdir", "upper" },
		{ "workdir", "work" },
		{ "userxattr", NULL },
		{ w->is_volatile ? "volatile" : NULL, NULL },
		{ NULL, NULL },
	};
	auto_close int overlay = mount_new("overlay", opts, MOUNT_SAFE, e);
	r = overlay < 0 ? overlay : mount_attach(overlay, AT_FDCWD, "merged", e);
	if (r < 0)
		return r;
	return w->lower ? make_file("merged/.dayfly-probe", e) : w->use(e);
}

int doctor_overlay_tmpfs(struct doctor *d, struct doctor_finding *f, struct err *e)
{
	struct overlay_work w = { .lower_tree = -1, .use = use_overlay };
	struct doctor_finding disk = { 0 };
	int r = doctor_in_ns(d, DOCTOR_ALL_NS, try_overlay, &w, e);
	d->tmpfs_upper = r == 0;
	if (r == 0)
		return 0;
	/* A jail can still have its private layer on disk. */
	if (doctor_overlay_disk(d, &disk, NULL) == 0)
		doctor_set(f, DOCTOR_DEGRADED,
			"with its upper layer on a tmpfs it fails, so that layer will be on disk, "
			"without a cap on its size");
	return r;
}

/* The directory of the task's ids lies in one of our own: whoever finds that one unlocked removes
 * it, should we be killed meanwhile. */
static int with_disk_dir(const struct doctor *d, struct overlay_work *w, struct err *e)
{
	char top[512], path[540];
	auto_close int lock = store_dir_make(d->state_dir, top, sizeof(top), e);
	int r = lock < 0 ? lock : 0;
	snprintf(path, sizeof(path), "%s/probe", top);
	w->disk_path = path;
	if (r == 0 && (chmod(top, 0711) < 0 || mkdir(path, 0700) < 0))
		r = err_set(e, ERR_SETUP, errno, "make %s", path);
	if (r == 0 && d->is_root && chown(path, doctor_range(), doctor_range()) < 0)
		r = err_set(e, ERR_SETUP, errno, "give %s to the task's ids", path);
	if (r == 0)
		r = doctor_in_ns(d, DOCTOR_ALL_NS, try_overlay, w, e);
	if (top[0])
		remove_tree(AT_FDCWD, top);
	return r;
}

int doctor_overlay_disk(struct doctor *d, struct doctor_finding *f, struct err *e)
{
	struct overlay_work w = { .lower_tree = -1, .use = use_overlay };
	sigset_t ends, old;
	/* While there is something on disk, the signals that would end us have to wait; not for
	 * long. */
	sigemptyset(&ends);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGHUP);
	sigprocmask(SIG_BLOCK, &ends, &old);
	int r = with_disk_dir(d, &w, e);
	sigprocmask(SIG_SETMASK, &old, NULL);
	d->disk_upper = r == 0;
	return r;
}

/* The order in which the warden takes them: src/jail/store.c. */
int doctor_upper(struct doctor *d, struct doctor_finding *f, struct err *e)
{
	if (d->tmpfs_upper)
		doctor_why(f, "private layers lie on a tmpfs, under a cap");
	else if (d->disk_upper)
		doctor_set(f, DOCTOR_DEGRADED,
			"private layers lie in %s, without a cap on their size", d->state_dir);
	else
		doctor_set(f, DOCTOR_MISSING, "no place for private layers was found");
	return 0;
}

static int rename_dir(struct err *e)
{
	return rename("merged/dir", "merged/moved") < 0
		       ? err_set(e, ERR_SETUP, errno,
				 "overlay: rename a directory of the lower layer")
		       : 0;
}

int doctor_overlay_rename(struct doctor *d, struct doctor_finding *f, struct err *e)
{
	struct overlay_work w = { .lower_tree = -1, .use = rename_dir };
	int r = doctor_in_ns(d, DOCTOR_ALL_NS, try_overlay, &w, e);
	if (r == -EXDEV)
		doctor_set(f, DOCTOR_DEGRADED,
			"rename(2) of a directory of the image fails with EXDEV, as "
			"on every overlay of this kind: mv copies instead; "
			"directories that a task made are not concerned");
	return r == -EXDEV ? 0 : r;
}

int doctor_overlay_volatile(struct doctor *d, struct doctor_finding *f, struct err *e)
{
	struct overlay_work w = { .lower_tree = -1, .is_volatile = true, .use = use_overlay };
	return doctor_in_ns(d, DOCTOR_ALL_NS, try_overlay, &w, e);
}

/* A filesystem whose files lack what an upper layer needs is the usual reason. */
static void name_filesystem(const struct doctor *d, struct doctor_finding *f)
{
	char fs[64];
	auto_free char *text = doctor_read("/proc/self/mountinfo");
	if (!text)
		return;
	doctor_filesystem(text, d->state_dir, fs, sizeof(fs));
	doctor_why(f, "%s lies on %s", d->state_dir, fs[0] ? fs : "an unknown filesystem");
	doctor_fix(
		f, "give a directory on ext4, xfs or btrfs: state_dir in [daemon] of dayflyd.conf");
}

void doctor_hint_overlay(const struct doctor *d, const struct err *e, struct doctor_finding *f)
{
	if (e->errnum == ENODEV) {
		doctor_why(f, "this kernel has no overlayfs");
		doctor_fix(f, "sudo modprobe overlay && echo overlay | sudo tee "
			      "/etc/modules-load.d/dayfly.conf");
	} else if (!str_starts(e->msg, "overlay")) {
		doctor_hint_syscall(d, e, f);
	} else if (e->errnum == EPERM || e->errnum == EINVAL) {
		doctor_why(f, "overlayfs in a user namespace with userxattr needs Linux 5.11");
		doctor_fix(f, "install a newer kernel of your distribution and reboot");
	} else if (e->errnum == EOPNOTSUPP || e->errnum == EIO) {
		doctor_why(f, "the upper layer needs user extended attributes: a tmpfs has them "
			      "from Linux 6.6 on, ext4, xfs and btrfs always");
	}
}

void doctor_hint_overlay_disk(const struct doctor *d, const struct err *e, struct doctor_finding *f)
{
	/* With a tmpfs, and with what a disk can have, it is not the kernel's doing. */
	if (d->tmpfs_upper || e->errnum == EOPNOTSUPP || e->errnum == EIO)
		name_filesystem(d, f);
	else
		doctor_hint_overlay(d, e, f);
}

static int overlay_host(const struct doctor *d, const char *path, struct err *e)
{
	auto_close int tree = d->is_root ? doctor_idmapped_tree(path, e) : -1;
	if (d->is_root && tree < 0)
		return tree;
	struct overlay_work w = { .lower = path, .lower_tree = tree };
	return doctor_in_ns(d, DOCTOR_ALL_NS, try_overlay, &w, e);
}

int doctor_overlay_usr(struct doctor *d, struct doctor_finding *f, struct err *e)
{
	return overlay_host(d, "/usr", e);
}

int doctor_overlay_etc(struct doctor *d, struct doctor_finding *f, struct err *e)
{
	return overlay_host(d, "/etc", e);
}

static void hint_below(
	const char *dir, const char *instead, const struct err *e, struct doctor_finding *f)
{
	char points[400];
	if (!str_starts(e->msg, "overlay"))
		return;
	doctor_why(f, "%s", instead);
	auto_free char *text = doctor_read("/proc/self/mountinfo");
	size_t n = text ? doctor_list_below(text, dir, NULL, points, sizeof(points)) : 0;
	if (n)
		doctor_why(f,
			"the kernel takes no directory with mounts below it as a lower layer: %s",
			points);
	if (n == 1 && doctor_is_plain_path(points))
		doctor_fix(f, "sudo umount %s   # if it can be spared", points);
}

void doctor_hint_below_usr(const struct doctor *d, const struct err *e, struct doctor_finding *f)
{
	hint_below("/usr", "in the image `host`, /usr will be read-only", e, f);
}

void doctor_hint_below_etc(const struct doctor *d, const struct err *e, struct doctor_finding *f)
{
	hint_below("/etc", "in the image `host`, /etc will be a copy", e, f);
}
