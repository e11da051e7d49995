/* The frame of a jail's mounts: cut off from the host, the store, and the final change of root. */
#include "jail/mount.h"
#include "jail/steps.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>

int step_private_mounts(struct jail *j, struct err *e)
{
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return err_set(e, ERR_SETUP, errno, "make all mounts private");
	j->host_root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (j->host_root_fd < 0)
		return err_set(e, ERR_SETUP, errno, "open the old root");
	jail_enforce(j, CONTROL_MOUNT_NS);
	return 0;
}

/*
 * Opens the directory that the warden made for this jail on disk, as a mount of our own namespace.
 */
static int open_disk_store(struct jail *j, struct err *e)
{
	auto_close int tree = j->disk_tree_fd >= 0 ? fcntl(j->disk_tree_fd, F_DUPFD_CLOEXEC, 3)
						   : mount_clone(AT_FDCWD, j->disk_path, false, e);
	if (tree < 0)
		return tree;
	int r = mount_set(tree, MOUNT_SAFE, false, e);
	jail_degrade(j, CONTROL_DISK_LIMIT,
		"the private layer is on disk: bytes and inodes are not capped");
	return r < 0 ? r : fd_take(&tree);
}

static int make_tmpfs_store(struct jail *j, struct err *e)
{
	char size[24], inodes[24];
	snprintf(size, sizeof(size), "%" PRIu64, j->plan->limits.disk_bytes);
	snprintf(inodes, sizeof(inodes), "%" PRIu64, j->plan->limits.disk_inodes);
	const struct mount_opt opts[] = { { "size", size }, { "nr_inodes", inodes },
		{ "mode", "0755" }, { NULL, NULL } };
	int fd = mount_new("tmpfs", opts, MOUNT_SAFE, e);
	if (fd >= 0)
		jail_enforce(j, CONTROL_DISK_LIMIT);
	return fd;
}

/*
 * The store is attached over the old root's /proc, which every host has and which no step needs
 * from here on: it then goes away with the old root, in one umount (each waits for a grace period
 * of the kernel). The current directory is the store from here on: overlay options are paths
 * relative to it, so that no path of the host shows in the jail's mountinfo.
 */
int step_store(struct jail *j, struct err *e)
{
	static const char *const dirs[] = { "root", "upper", "work", "lower" };
	j->store_fd = j->upper_on_disk ? open_disk_store(j, e) : make_tmpfs_store(j, e);
	if (j->store_fd < 0)
		return j->store_fd;
	int r = mount_attach(j->store_fd, AT_FDCWD, "/proc", e);
	if (r < 0)
		return r;
	if (fchdir(j->store_fd) < 0)
		return err_set(e, ERR_SETUP, errno, "enter the store");
	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++)
		if (mkdir(dirs[i], 0755) < 0)
			return err_set(e, ERR_SETUP, errno, "make %s in the store", dirs[i]);
	return 0;
}

int step_pivot_root(struct jail *j, struct err *e)
{
	if (fchdir(j->root_fd) < 0)
		return err_set(e, ERR_SETUP, errno, "enter the new root");
	int r = sys_pivot_root(".", ".");
	if (r < 0)
		return err_set(e, ERR_SETUP, -r, "pivot_root");
	if (fchdir(j->host_root_fd) < 0 || umount2(".", MNT_DETACH) < 0)
		return err_set(e, ERR_SETUP, errno, "detach the old root");
	if (chdir("/") < 0)
		return err_set(e, ERR_SETUP, errno, "enter /");
	fd_close(&j->host_root_fd);
	return 0;
}
