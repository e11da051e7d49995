/* Checks of the filesystems of the host: whether mounts of them can have shifted ids, and where
 * dayfly keeps its own files. */
#include "jail/doctor_priv.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "jail/ids.h"
#include "jail/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* Below these a single task can use up the rest. */
#define FEW_STATE_BYTES	  (256ull << 20)
#define FEW_RUNTIME_BYTES (1ull << 20)
#define FEW_INODES	  1000

int doctor_idmapped_tree(const char *path, struct err *e)
{
	char map[64];
	snprintf(map, sizeof(map), "0 %u %u", doctor_range(), IDS_PER_TASK);
	auto_close int ns = ids_make_namespace(map, map, e);
	auto_close int tree = ns < 0 ? ns : mount_clone(AT_FDCWD, path, false, e);
	if (tree < 0)
		return tree;
	const struct sys_mount_attr attr = {
		.attr_set = SYS_MOUNT_ATTR_IDMAP | SYS_MOUNT_ATTR_NOSUID | SYS_MOUNT_ATTR_NODEV,
		.userns_fd = (uint64_t)ns,
	};
	int r = sys_mount_setattr(tree, &attr, 0);
	return r < 0 ? err_set(e, ERR_SETUP, -r, "make an idmapped mount of %s", path)
		     : fd_take(&tree);
}

static int try_idmap(void *arg, struct err *e)
{
	const int *tree = arg;
	struct stat st;
	if (fstat(*tree, &st) < 0)
		return err_set(e, ERR_SETUP, errno, "stat an idmapped mount");
	if (st.st_uid != 0)
		return err_set(e, ERR_SETUP, EIO,
			"an idmapped mount shows root's files as those of id %u", st.st_uid);
	return mount_attach(*tree, AT_FDCWD, "/", e);
}

int doctor_idmap(struct doctor *d, struct doctor_finding *f, struct err *e)
{
	auto_close int tree = doctor_idmapped_tree("/usr", e);
	return tree < 0 ? tree : doctor_in_ns(d, DOCTOR_ALL_NS, try_idmap, &tree, e);
}

void doctor_hint_idmap(const struct doctor *d, const struct err *e, struct doctor_finding *f)
{
	if (e->errnum != EINVAL && e->errnum != ENOSYS)
		return;
	doctor_why(f, "the filesystem of /usr, or this kernel, has no idmapped mounts (ext4, xfs "
		      "from Linux 5.12 on, btrfs 5.15, tmpfs 6.3)");
	doctor_fix(f, "install a newer kernel of your distribution, or run dayfly as a plain user");
}
/* Where workspaces usually lie. */
static const char *const workspaces[] = { "/home", "/root", "/srv", "/opt", "/mnt", "/data", "/tmp",
	"/var/tmp" };

int doctor_idmap_workspaces(struct doctor *d, struct doctor_finding *f, struct err *e)
{
	auto_free char *text = doctor_read("/proc/self/mountinfo");
	char without[400] = "", fs[64];
	size_t len = 0;
	for (size_t i = 0; i < ARRAY_SIZE(workspaces); i++) {
		if (access(workspaces[i], F_OK) < 0)
			continue;
		auto_close int tree = doctor_idmapped_tree(workspaces[i], NULL);
		if (tree >= 0)
			continue;
		doctor_filesystem(text ? text : "", workspaces[i], fs, sizeof(fs));
		len += (size_t)snprintf(without + len, sizeof(without) - len, "%s%s (%s)",
			len ? ", " : "", workspaces[i], fs);
	}
	if (!len)
		return 0;
	doctor_set(f, DOCTOR_DEGRADED,
		"no mounts with other ids can be made of %s: directories there "
		"cannot be workspaces",
		without);
	doctor_fix(f, "keep workspaces on ext4, xfs, btrfs or, from Linux 6.3 on, tmpfs");
	return 0;
}

/* A file without a name that is written to, as dayflyd keeps output. */
static int try_file(void *arg, struct err *e)
{
	static const char block[65536];
	auto_close int fd = open(arg, O_TMPFILE | O_RDWR | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_set(e, ERR_SETUP, errno, "make a file in %s", (const char *)arg);
	int r = fd_write_all(fd, block, sizeof(block));
	return r < 0 ? err_set(e, ERR_SETUP, -r, "write a file in %s", (const char *)arg) : 0;
}

int doctor_state_dir(struct doctor *d, struct doctor_finding *f, struct err *e)
{
	doctor_why(f, "%s", d->state_dir);
	return doctor_in_child(try_file, (void *)d->state_dir, e);
}

void doctor_hint_state_dir(const struct doctor *d, const struct err *e, struct doctor_finding *f)
{
	if (e->errnum == ENOSPC || e->errnum == EDQUOT)
		doctor_fix(f, "df -h %s; df -i %s   # then remove what can be spared", d->state_dir,
			d->state_dir);
	else
		doctor_fix(f,
			"give a directory that dayflyd can write, on ext4, xfs, btrfs or tmpfs: "
			"state_dir in [daemon] of dayflyd.conf");
}

static int check_space(const char *dir, uint64_t few_bytes, struct doctor_finding *f, struct err *e)
{
	struct statvfs st;
	if (statvfs(dir, &st) < 0)
		return err_set(e, ERR_SETUP, errno, "look at the filesystem of %s", dir);
	uint64_t bytes = (uint64_t)st.f_bavail * st.f_frsize;
	/* Filesystems that make inodes as they go have none to count. */
	bool has_inodes = st.f_files > 0;
	doctor_why(f, "%s has %" PRIu64 " MiB free", dir, bytes >> 20);
	if (has_inodes)
		doctor_why(f, "%" PRIu64 " inodes", (uint64_t)st.f_favail);
	if (bytes >= few_bytes && (!has_inodes || st.f_favail >= FEW_INODES))
		return 0;
	f->status = DOCTOR_DEGRADED;
	doctor_why(f, "a task can use that up");
	doctor_fix(f, "df -h %s; df -i %s   # then remove what can be spared", dir, dir);
	return 0;
}

int doctor_state_space(struct doctor *d, struct doctor_finding *f, struct err *e)
{
	return check_space(d->state_dir, FEW_STATE_BYTES, f, e);
}

/* NULL: a plain user without one. */
static const char *runtime_dir(const struct doctor *d)
{
	const char *dir = d->is_root ? "/run" : getenv("XDG_RUNTIME_DIR");
	return dir && *dir ? dir : NULL;
}

int doctor_runtime_dir(struct doctor *d, struct doctor_finding *f, struct err *e)
{
	struct stat st;
	const char *dir = runtime_dir(d);
	if (d->is_root) {
		doctor_why(f, "%s", dir);
		return 0;
	}
	if (!dir) {
		doctor_set(f, DOCTOR_DEGRADED,
			"XDG_RUNTIME_DIR is not set: the socket is in /tmp/dayfly-%u, if no other "
			"place is named (--socket, DAYFLY_SOCKET)",
			(unsigned)d->uid);
		doctor_fix(f, "log in through a full session (ssh, not su)");
		return 0;
	}
	if (stat(dir, &st) < 0 || !S_ISDIR(st.st_mode) || st.st_uid != d->uid ||
		(st.st_mode & 0077)) {
		doctor_set(f, DOCTOR_DEGRADED,
			"%s is not a directory of this user's alone (mode 0700)", dir);
		return 0;
	}
	doctor_why(f, "%s", dir);
	return 0;
}

int doctor_runtime_space(struct doctor *d, struct doctor_finding *f, struct err *e)
{
	const char *dir = runtime_dir(d);
	if (!dir) {
		doctor_set(f, DOCTOR_DEGRADED, "not tried, as there is no runtime directory");
		return 0;
	}
	int r = check_space(dir, FEW_RUNTIME_BYTES, f, e);
	return r < 0 ? r : doctor_in_child(try_file, (void *)dir, e);
}
