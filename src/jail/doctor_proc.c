/* Checks of /proc: the host's, which id maps are written through, and the fresh one that a jail
 * needs; and of /sys. */
#include "jail/doctor_priv.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/str.h"
#include "jail/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

static int try_host_proc(void *arg, struct err *e)
{
	char own[16], self[16] = "";
	struct statfs fs;
	if (statfs("/proc", &fs) < 0)
		return err_set(e, ERR_SETUP, errno, "look at /proc");
	if (fs.f_type != PROC_SUPER_MAGIC)
		return err_set(e, ERR_SETUP, ENOENT, "/proc is not mounted");
	snprintf(own, sizeof(own), "%d", (int)getpid());
	if (readlink("/proc/self", self, sizeof(self) - 1) < 0 || strcmp(self, own) != 0)
		return err_set(e, ERR_SETUP, EXDEV, "/proc is that of another pid namespace");
	int r = fd_write_file(AT_FDCWD, "/proc/self/comm", "dayfly-probe");
	return r < 0 ? err_set(e, ERR_SETUP, -r, "write a file of /proc") : 0;
}

int doctor_host_proc(struct doctor *d, struct doctor_finding *f, struct err *e)
{
	return doctor_in_child(try_host_proc, NULL, e);
}

void doctor_hint_host_proc(const struct doctor *d, const struct err *e, struct doctor_finding *f)
{
	doctor_why(f, "id maps are written through it");
	if (e->errnum == EROFS)
		doctor_fix(f, "sudo mount -o remount,rw,bind /proc");
	else
		doctor_fix(f, "sudo mount -t proc proc /proc");
}

static int try_proc(void *arg, struct err *e)
{
	char self[16] = "";
	auto_close int proc = mount_new("proc", NULL, MOUNT_SAFE | SYS_MOUNT_ATTR_NOEXEC, e);
	int r = proc < 0 ? proc : mount_attach(proc, AT_FDCWD, "/", e);
	if (r < 0)
		return r;
	if (readlinkat(proc, "self", self, sizeof(self) - 1) < 0 || strcmp(self, "1") != 0)
		return err_set(e, ERR_SETUP, EIO, "a new /proc shows foreign processes");
	return 0;
}

int doctor_proc(struct doctor *d, struct doctor_finding *f, struct err *e)
{
	return doctor_in_ns(d, DOCTOR_ALL_NS, try_proc, NULL, e);
}

/* The kernel: "VFS: Mount too revealing". */
static void explain_too_revealing(struct doctor_finding *f)
{
	/* Mounts there hide nothing, so they do not count: mnt_already_visible() in fs/namespace.c.
	 */
	static const char *const always_empty[] = {
		"/proc/sys/fs/binfmt_misc",
		"/proc/fs/nfsd",
		NULL,
	};
	char points[400];
	struct statfs fs;
	auto_free char *text = doctor_read("/proc/self/mountinfo");
	size_t n =
		text ? doctor_list_below(text, "/proc", always_empty, points, sizeof(points)) : 0;
	doctor_why(f, "the kernel allows a new /proc only where the visible one is complete and "
		      "writable");
	if (n)
		doctor_why(f, "mounted over parts of it: %s", points);
	if (statfs("/proc", &fs) == 0 && (fs.f_flags & ST_RDONLY))
		doctor_why(f, "/proc itself is read-only");
}

void doctor_hint_proc(const struct doctor *d, const struct err *e, struct doctor_finding *f)
{
	if (e->errnum != EPERM || !str_starts(e->msg, "proc")) {
		doctor_hint_syscall(d, e, f);
		return;
	}
	explain_too_revealing(f);
	if (!strcmp(d->container, "podman"))
		doctor_fix(f, "podman run --security-opt unmask=ALL ...");
	else if (!strcmp(d->container, "kubernetes"))
		doctor_fix(f,
			"in the pod: hostUsers: false, and in its container's securityContext: "
			"procMount: Unmasked");
	else if (d->container[0])
		doctor_fix(f, "docker run --security-opt systempaths=unconfined ...");
	else
		doctor_fix(f, "in the service's unit, leave out ProtectKernelTunables=, "
			      "ProtectKernelLogs=, ProtectProc= and what else mounts over /proc");
}

static int try_userns_limit(void *arg, struct err *e)
{
	auto_close int proc = mount_new("proc", NULL, MOUNT_SAFE | SYS_MOUNT_ATTR_NOEXEC, e);
	if (proc < 0)
		return proc;
	int r = fd_write_file(proc, "sys/user/max_user_namespaces", "0");
	if (r < 0)
		return err_set(
			e, ERR_SETUP, -r, "write user.max_user_namespaces in a user namespace");
	if (unshare(CLONE_NEWUSER) == 0)
		return err_set(e, ERR_SETUP, EIO, "user.max_user_namespaces=0 has no effect");
	return errno == ENOSPC
		       ? 0
		       : err_set(e, ERR_SETUP, errno, "create a user namespace over the limit");
}

int doctor_userns_limit(struct doctor *d, struct doctor_finding *f, struct err *e)
{
	return doctor_in_ns(d, DOCTOR_ALL_NS, try_userns_limit, NULL, e);
}

/* Process 1 is always there. */
static int try_hidepid(void *arg, struct err *e)
{
	struct stat st;
	if (stat("/proc/1", &st) == 0)
		return 0;
	return errno == ENOENT ? 1 : err_set(e, ERR_SETUP, errno, "look at /proc/1");
}

int doctor_hidepid(struct doctor *d, struct doctor_finding *f, struct err *e)
{
	int r = doctor_in_child(try_hidepid, NULL, e);
	if (r == 1)
		doctor_why(f,
			"/proc is mounted with hidepid: processes of other users cannot be seen, "
			"which dayfly does not need");
	return r < 0 ? r : 0;
}

static int try_sysfs(void *arg, struct err *e)
{
	struct stat st;
	auto_close int sys = mount_new(
		"sysfs", NULL, MOUNT_SAFE | SYS_MOUNT_ATTR_NOEXEC | SYS_MOUNT_ATTR_RDONLY, e);
	if (sys < 0)
		return sys;
	/* Of the network devices it shows those of the own namespace. */
	return fstatat(sys, "class/net/lo", &st, 0) < 0
		       ? err_set(e, ERR_SETUP, errno, "find the loopback device in a new /sys")
		       : 0;
}

int doctor_sysfs(struct doctor *d, struct doctor_finding *f, struct err *e)
{
	return doctor_in_ns(d, DOCTOR_ALL_NS, try_sysfs, NULL, e);
}
