/* The jail's /proc: its own processes only, kernel interfaces masked or read-only, no further
 * namespaces. */
#include "jail/mount.h"
#include "jail/steps.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

/* How an id without a place in the user namespace shows: /proc/sys/kernel/overflowuid, 65534 unless
 * somebody changed it. */
#define OVERFLOW_ID 65534

int step_proc(struct jail *j, struct err *e)
{
	static const struct mount_opt opts[] = { { NULL, NULL } };
	j->proc_fd = mount_new("proc", opts, MOUNT_SAFE | SYS_MOUNT_ATTR_NOEXEC, e);
	if (j->proc_fd < 0) {
		if (e->errnum == EPERM)
			err_hint(e, "something is mounted over parts of the host's /proc (a "
				    "container?): the kernel then refuses a fresh one. "
				    "Docker: --security-opt systempaths=unconfined; podman: "
				    "--security-opt unmask=ALL");
		return j->proc_fd;
	}
	int r = mount_attach(j->proc_fd, j->root_fd, "proc", e);
	if (r == 0)
		jail_enforce(j, CONTROL_PID_NS);
	return r;
}

int step_namespace_limits(struct jail *j, struct err *e)
{
	int r = fd_write_file(j->proc_fd, "sys/user/max_user_namespaces", "0");
	if (r < 0)
		return err_set(e, ERR_SETUP, -r, "write /proc/sys/user/max_user_namespaces");
	jail_enforce(j, CONTROL_NO_USER_NAMESPACES);
	/* What a task has of these counts for the daemon's user as well, on the whole host: one
	 * task must not take them all. */
	static const struct {
		const char *name, *value;
	} shares[] = {
		{ "sys/user/max_inotify_instances", "16" },
		{ "sys/user/max_inotify_watches", "65536" },
	};
	for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++) {
		r = fd_write_file(j->proc_fd, shares[i].name, shares[i].value);
		if (r < 0 && r != -ENOENT) /* a kernel without inotify */
			return err_set(e, ERR_SETUP, -r, "write /proc/%s", shares[i].name);
	}
	return 0;
}

/*
 * Files that tell about the kernel or the host, or that act on them. Those that this kernel does
 * not have are passed over, and those that only the host's root may open: it has no id in here, so
 * nobody can, whatever their capabilities in this user namespace.
 */
static const char *const masked_files[] = {
	"kcore",
	"keys",
	"key-users",
	"timer_list",
	"sched_debug",
	"latency_stats",
	"kallsyms",
	"kmsg",
	"iomem",
	"ioports",
	"vmallocinfo",
	"slabinfo",
	"kpagecount",
	"kpagecgroup",
	"kpageflags",
	"config.gz",
	"modules",
	"pagetypeinfo",
	"sysrq-trigger",
};

static const char *const masked_dirs[] = { "acpi", "scsi", "asound", "driver", "fs" };

/* The mask is the host's own null device, checked to be it: nothing that a task could have
 * replaced. */
static int open_null_mask(struct err *e)
{
	/* Not a clone: closing one that was never attached waits for a grace period of the kernel.
	 */
	auto_close int fd = open("/dev/null", O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISCHR(st.st_mode) || st.st_rdev != makedev(1, 3))
		return err_set(
			e, ERR_SETUP, ENODEV, "/dev/null of the host is not the null device");
	return fd_take(&fd);
}

static int mask_file(struct jail *j, const char *name, int null_fd, struct err *e)
{
	struct stat st;
	if (fstatat(j->proc_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : err_set(e, ERR_SETUP, errno, "stat /proc/%s", name);
	if (!(st.st_mode & 0007) && st.st_uid == OVERFLOW_ID && st.st_gid == OVERFLOW_ID)
		return 0;
	auto_close int mask = mount_clone(null_fd, "", false, e);
	if (mask < 0)
		return mask;
	int r = mount_attach(mask, j->proc_fd, name, e);
	if (r < 0)
		return r;
	/* What a path now leads to is what counts. */
	if (fstatat(j->proc_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_rdev != makedev(1, 3))
		return err_set(e, ERR_SETUP, EIO, "/proc/%s is not masked", name);
	return 0;
}

static int mask_dir(struct jail *j, const char *name, int *empty_fd, struct err *e)
{
	static const struct mount_opt opts[] = { { "size", "4k" }, { "nr_inodes", "2" },
		{ "mode", "0555" }, { NULL, NULL } };
	struct stat st;
	if (fstatat(j->proc_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : err_set(e, ERR_SETUP, errno, "stat /proc/%s", name);
	if (*empty_fd < 0) {
		*empty_fd = mount_new("tmpfs", opts,
			MOUNT_SAFE | SYS_MOUNT_ATTR_NOEXEC | SYS_MOUNT_ATTR_RDONLY, e);
		return *empty_fd < 0 ? *empty_fd : mount_attach(*empty_fd, j->proc_fd, name, e);
	}
	auto_close int copy = mount_clone(*empty_fd, "", false, e);
	return copy < 0 ? copy : mount_attach(copy, j->proc_fd, name, e);
}

static int make_read_only(struct jail *j, const char *name, struct err *e)
{
	struct stat st;
	if (fstatat(j->proc_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : err_set(e, ERR_SETUP, errno, "stat /proc/%s", name);
	auto_close int tree = mount_clone(j->proc_fd, name, false, e);
	int r = tree < 0 ? tree
			 : mount_set(tree,
				   MOUNT_SAFE | SYS_MOUNT_ATTR_NOEXEC | SYS_MOUNT_ATTR_RDONLY,
				   false, e);
	return r < 0 ? r : mount_attach(tree, j->proc_fd, name, e);
}

int step_proc_masks(struct jail *j, struct err *e)
{
	auto_close int empty_fd = -1;
	auto_close int null_fd = open_null_mask(e);
	int r = null_fd < 0 ? null_fd : 0;
	for (size_t i = 0; r == 0 && i < sizeof(masked_files) / sizeof(masked_files[0]); i++)
		r = mask_file(j, masked_files[i], null_fd, e);
	for (size_t i = 0; r == 0 && i < sizeof(masked_dirs) / sizeof(masked_dirs[0]); i++)
		r = mask_dir(j, masked_dirs[i], &empty_fd, e);
	if (r == 0)
		r = make_read_only(j, "sys", e);
	if (r == 0)
		jail_enforce(j, CONTROL_PROC_MASKED);
	return r;
}
