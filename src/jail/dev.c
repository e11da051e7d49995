/* A minimal /dev: six devices bound from the host, a devpts of its own, shm on the store. And the
 * jail's own terminal. */
#include "jail/mount.h"
#include "jail/steps.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

static const struct {
	const char *name;
	unsigned major, minor;
} devices[] = {
	{ "null", 1, 3 },
	{ "zero", 1, 5 },
	{ "full", 1, 7 },
	{ "random", 1, 8 },
	{ "urandom", 1, 9 },
	{ "tty", 5, 0 },
};

static const struct {
	const char *name;
	const char *target;
} links[] = {
	{ "fd", "/proc/self/fd" },
	{ "stdin", "/proc/self/fd/0" },
	{ "stdout", "/proc/self/fd/1" },
	{ "stderr", "/proc/self/fd/2" },
	{ "ptmx", "pts/ptmx" },
};

static int bind_device(int dev_fd, size_t i, struct err *e)
{
	char path[32];
	snprintf(path, sizeof(path), "/dev/%s", devices[i].name);
	auto_close int tree = mount_clone(AT_FDCWD, path, false, e);
	if (tree < 0)
		return tree;
	struct stat st;
	if (fstat(tree, &st) < 0 || !S_ISCHR(st.st_mode) ||
		st.st_rdev != makedev(devices[i].major, devices[i].minor))
		return err_set(e, ERR_SETUP, ENODEV,
			"%s of the host is not the device that it should be", path);
	if (mknodat(dev_fd, devices[i].name, S_IFREG | 0666, 0) < 0)
		return err_set(e, ERR_SETUP, errno, "make %s", path);
	return mount_attach(tree, dev_fd, devices[i].name, e);
}

static int mount_devpts(struct jail *j, int dev_fd, struct err *e)
{
	/* Group 5 is tty; in single-id mode it does not exist and terminals belong to the task's
	 * own group. */
	const struct mount_opt opts[] = {
		{ "ptmxmode", "0666" },
		{ "mode", "0620" },
		/* All that are not the host's own share 3072: one task must not take them from the
		   others. */
		{ "max", "64" },
		{ j->mode == WARDEN_MODE_SINGLE ? NULL : "gid", "5" },
		{ NULL, NULL },
	};
	auto_close int fd =
		mount_new("devpts", opts, SYS_MOUNT_ATTR_NOSUID | SYS_MOUNT_ATTR_NOEXEC, e);
	return fd < 0 ? fd : mount_attach(fd, dev_fd, "pts", e);
}

static int fill_dev(struct jail *j, int dev_fd, struct err *e)
{
	int r = 0;
	for (size_t i = 0; r == 0 && i < sizeof(devices) / sizeof(devices[0]); i++)
		r = bind_device(dev_fd, i, e);
	for (size_t i = 0; r == 0 && i < sizeof(links) / sizeof(links[0]); i++)
		if (symlinkat(links[i].target, dev_fd, links[i].name) < 0)
			r = err_set(e, ERR_SETUP, errno, "make /dev/%s", links[i].name);
	if (r == 0 && (mkdirat(dev_fd, "pts", 0755) < 0 || mkdirat(dev_fd, "shm", 01777) < 0))
		r = err_set(e, ERR_SETUP, errno, "make directories in /dev");
	return r < 0 ? r : mount_devpts(j, dev_fd, e);
}

int step_dev(struct jail *j, struct err *e)
{
	/* A directory of the store, so that an image cannot have put anything there before. */
	if (mkdirat(j->store_fd, "dev", 0755) < 0)
		return err_set(e, ERR_SETUP, errno, "make dev in the store");
	auto_close int tree = mount_clone(j->store_fd, "dev", false, e);
	int r = tree < 0 ? tree : mount_attach(tree, j->root_fd, "dev", e);
	return r < 0 ? r : fill_dev(j, tree, e);
}

int step_tty(struct jail *j, struct err *e)
{
	auto_close int master = open("/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (master < 0)
		return err_set(e, ERR_SETUP, errno, "open /dev/pts/ptmx");
	int unlock = 0;
	struct winsize size = { .ws_row = j->plan->rows, .ws_col = j->plan->cols };
	if (ioctl(master, TIOCSPTLCK, &unlock) < 0 || ioctl(master, TIOCSWINSZ, &size) < 0)
		return err_set(e, ERR_SETUP, errno, "unlock the terminal");
	j->tty_fd = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (j->tty_fd < 0)
		return err_set(e, ERR_SETUP, errno, "open the terminal");
	if (fchown(j->tty_fd, jail_task_uid(j), (gid_t)-1) < 0)
		return err_set(e, ERR_SETUP, errno, "give the terminal to the task");
	struct wire_event ev;
	wire_event_init(&ev, WIRE_TTY, j->id);
	ssize_t n = fd_send(j->status_fd, &ev, sizeof(ev), &master, 1);
	return n < 0 ? err_set(e, ERR_SETUP, (int)-n, "pass the terminal on") : 0;
}
