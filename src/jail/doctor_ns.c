/* Checks of namespaces and of what is mounted in them. A namespace counts as working only when its
 * id map, a mount and its loopback work too. */
#include "jail/doctor_priv.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "jail/ids.h"
#include "jail/mount.h"
#include "jail/mountinfo.h"
#include "jail/throwaway.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

struct ns_work {
	const struct doctor *d;
	uint64_t flags;
	int (*fn)(void *arg, struct err *e);
	void *arg;
};

uid_t doctor_range(void)
{
	/* The last slot: the farthest from any task that runs meanwhile. */
	return IDS_BASE + IDS_SLOT_COUNT * IDS_PER_TASK;
}

static int map_work(pid_t pid, void *arg, struct err *e)
{
	const struct ns_work *w = arg;
	return w->d->is_root ? throwaway_map_range(pid, doctor_range(), IDS_PER_TASK, e)
			     : throwaway_map_single(pid, 0, e);
}

static int enter_work(void *arg, struct err *e)
{
	const struct ns_work *w = arg;
	int r = throwaway_become_root(e);
	if (r == 0 && (w->flags & CLONE_NEWNS) &&
		mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		r = err_set(e, ERR_SETUP, errno, "make all mounts private");
	if (r == 0)
		r = w->fn(w->arg, e);
	if (r < 0)
		doctor_apparmor_note(e);
	return r;
}

int doctor_in_ns(const struct doctor *d, uint64_t flags, int (*fn)(void *arg, struct err *e),
	void *arg, struct err *e)
{
	struct ns_work w = { .d = d, .flags = flags, .fn = fn, .arg = arg };
	struct throwaway t = { .flags = flags, .map = map_work, .fn = enter_work, .arg = &w };
	return throwaway_run(&t, e);
}

static int do_nothing(void *arg, struct err *e)
{
	return 0;
}

static int use_namespaces(void *arg, struct err *e)
{
	struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	if (mount("dayfly-probe", "/", "tmpfs", MS_NOSUID | MS_NODEV, "size=64k,nr_inodes=4") < 0)
		return err_set(e, ERR_SETUP, errno, "mount a tmpfs in a user namespace");
	auto_close int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (sock < 0 || ioctl(sock, SIOCSIFFLAGS, &ifr) < 0)
		return err_set(
			e, ERR_SETUP, errno, "bring up the loopback device of a network namespace");
	if (sethostname("dayfly", 6) < 0)
		return err_set(e, ERR_SETUP, errno, "set the host name in a uts namespace");
	return 0;
}

int doctor_userns(struct doctor *d, struct doctor_finding *f, struct err *e)
{
	struct throwaway alone = { .flags = CLONE_NEWUSER, .fn = do_nothing };
	int r = throwaway_run(&alone, e);
	if (r < 0)
		return err_wrap(e, "user namespace"), r;
	return doctor_in_ns(d, DOCTOR_ALL_NS, use_namespaces, NULL, e);
}

/* Six extents, as a map can have many, and an id of the last one taken. */
#define EXTENTS 6

static int map_extents(pid_t pid, void *arg, struct err *e)
{
	static const char *const files[] = { "uid_map", "gid_map" };
	char text[EXTENTS * 32], path[64];
	size_t len = 0;
	for (unsigned i = 0; i < EXTENTS; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%u %u 10\n", i * 10,
			doctor_range() + i * 1000);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, files[i]);
		int r = fd_write_file(AT_FDCWD, path, text);
		if (r < 0)
			return err_set(e, ERR_SETUP, -r, "write /proc/PID/%s with %d extents",
				files[i], EXTENTS);
	}
	return 0;
}

static int use_extents(void *arg, struct err *e)
{
	const uid_t last = EXTENTS * 10 - 1;
	if (setresgid(last, last, last) < 0 || setresuid(last, last, last) < 0)
		return err_set(e, ERR_SETUP, errno, "take an id of the last extent of a map");
	return 0;
}

int doctor_id_map(struct doctor *d, struct doctor_finding *f, struct err *e)
{
	struct throwaway t = { .flags = CLONE_NEWUSER, .map = map_extents, .fn = use_extents };
	return throwaway_run(&t, e);
}

/* Anything below is not worth the name of a limit. */
#define FEW_NAMESPACES 64

int doctor_max_userns(struct doctor *d, struct doctor_finding *f, struct err *e)
{
	static const char *const names[] = { "user", "mnt", "pid", "net", "ipc", "uts", "cgroup" };
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		char name[64];
		snprintf(name, sizeof(name), "user/max_%s_namespaces", names[i]);
		long v = doctor_sysctl(name, -1);
		if (v < 0 || v >= FEW_NAMESPACES)
			continue;
		bool none = v == 0 || f->status == DOCTOR_MISSING;
		doctor_set(f, none ? DOCTOR_MISSING : DOCTOR_DEGRADED,
			"user.max_%s_namespaces=%ld: %s", names[i], v,
			v ? "that many tasks at once" : "none may be created");
		snprintf(name, sizeof(name), "user.max_%s_namespaces", names[i]);
		doctor_fix_sysctl(f, name, "15000");
	}
	return 0;
}

/* A chroot has no mount at its root; the kernel then refuses user namespaces with EPERM. */
static bool in_chroot(void)
{
	auto_free char *text = doctor_read("/proc/self/mountinfo");
	struct mount_line m;
	for (const char *line = text; line && *line; line = mountinfo_next(line))
		if (mountinfo_split(line, &m) && mount_field_is(m.point, "/"))
			return false;
	return text && *text;
}

static void hint_container(const struct doctor *d, struct doctor_finding *f)
{
	doctor_why(f, "inside a container (%s), whose seccomp or LSM profile may forbid it",
		d->container);
	if (!strcmp(d->container, "docker"))
		doctor_fix(f,
			"docker run --security-opt seccomp=unconfined --security-opt "
			"apparmor=unconfined "
			"--security-opt systempaths=unconfined --cgroupns=private ...   # or a "
			"seccomp profile that allows clone, clone3, unshare, mount and the "
			"mount API");
	else if (!strcmp(d->container, "podman"))
		doctor_fix(f, "podman run --security-opt seccomp=unconfined --security-opt "
			      "unmask=ALL --security-opt label=disable ...");
	else
		doctor_fix(
			f, "allow user namespaces and mounts in the container's security profile");
}

/* Only now, after the failure, the system's settings are read: to name the cause. */
void doctor_hint_userns(const struct doctor *d, const struct err *e, struct doctor_finding *f)
{
	if (doctor_sysctl("user/max_user_namespaces", -1) == 0) {
		doctor_why(f, "user.max_user_namespaces=0");
		doctor_fix_sysctl(f, "user.max_user_namespaces", "15000");
	} else if (e->errnum == ENOSPC || e->errnum == EUSERS) {
		doctor_why(f, "a limit on namespaces is reached: of this user, or of a user "
			      "namespace around this one");
		doctor_fix(f, "sysctl -a -r 'user.max_.*_namespaces', here and outside of the "
			      "container, and raise the small one");
	} else if (!d->is_root && doctor_sysctl("kernel/unprivileged_userns_clone", 1) == 0) {
		doctor_why(f, "kernel.unprivileged_userns_clone=0");
		doctor_fix_sysctl(f, "kernel.unprivileged_userns_clone", "1");
	} else if (e->errnum == EROFS) {
		doctor_why(f, "/proc is mounted read-only");
		doctor_fix(f, "sudo mount -o remount,rw /proc");
	} else if (e->errnum == EPERM && in_chroot()) {
		doctor_why(f,
			"this process is in a chroot, where the kernel allows no user namespace");
		doctor_fix(f,
			"enter the directory as a container instead: sudo systemd-nspawn -D DIR");
	} else if (!d->is_root && !d->container[0] &&
		   doctor_sysctl("kernel/apparmor_restrict_unprivileged_userns", 0) == 1) {
		doctor_hint_apparmor(d, f);
	} else if (d->container[0]) {
		hint_container(d, f);
	} else if (access("/sys/fs/selinux/enforce", F_OK) == 0 && e->errnum == EACCES) {
		doctor_why(f, "SELinux may forbid it");
		doctor_fix(f, "sudo ausearch -m avc -ts recent   # shows the rule that is lacking");
	} else if (e->errnum == EINVAL || e->errnum == ENOSYS) {
		doctor_why(f, "the kernel is built without a kind of namespace, or a seccomp "
			      "filter hides it");
		doctor_fix(f, "zgrep -E 'CONFIG_(USER|PID|NET|UTS|IPC)_NS' /proc/config.gz "
			      "/boot/config-$(uname -r)");
	}
}

static int try_mount_api(void *arg, struct err *e)
{
	static const struct mount_opt opts[] = { { "size", "64k" }, { "nr_inodes", "8" },
		{ NULL, NULL } };
	struct statvfs st;
	auto_close int fs = mount_new("tmpfs", opts, MOUNT_SAFE, e);
	int r = fs < 0 ? fs : mount_attach(fs, AT_FDCWD, "/", e);
	if (r < 0)
		return r;
	if (mkdirat(fs, "a", 0755) < 0)
		return err_set(e, ERR_SETUP, errno, "make a directory on a new tmpfs");
	auto_close int tree = mount_clone(fs, "a", true, e);
	r = tree < 0 ? tree : mount_set(tree, MOUNT_SAFE | SYS_MOUNT_ATTR_RDONLY, true, e);
	if (r == 0)
		r = mount_attach(tree, fs, "a", e);
	if (r < 0)
		return r;
	if (fstatvfs(tree, &st) < 0 || !(st.f_flag & ST_RDONLY))
		return err_set(e, ERR_SETUP, EIO, "mount_setattr did not make a mount read-only");
	return 0;
}

int doctor_mount_api(struct doctor *d, struct doctor_finding *f, struct err *e)
{
	return doctor_in_ns(d, DOCTOR_ALL_NS, try_mount_api, NULL, e);
}

static int try_devpts(void *arg, struct err *e)
{
	static const struct mount_opt opts[] = { { "ptmxmode", "0666" }, { "mode", "0620" },
		{ NULL, NULL } };
	auto_close int pts =
		mount_new("devpts", opts, SYS_MOUNT_ATTR_NOSUID | SYS_MOUNT_ATTR_NOEXEC, e);
	int r = pts < 0 ? pts : mount_attach(pts, AT_FDCWD, "/", e);
	if (r < 0)
		return r;
	int unlock = 0;
	auto_close int master = openat(pts, "ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (master < 0 || ioctl(master, TIOCSPTLCK, &unlock) < 0)
		return err_set(e, ERR_SETUP, errno, "open a terminal of a new devpts");
	auto_close int slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0 || write(slave, "x", 1) != 1)
		return err_set(e, ERR_SETUP, errno, "use a terminal of a new devpts");
	return 0;
}

int doctor_devpts(struct doctor *d, struct doctor_finding *f, struct err *e)
{
	return doctor_in_ns(d, DOCTOR_ALL_NS, try_devpts, NULL, e);
}
