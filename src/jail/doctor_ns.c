/* Checks of namespaces and of what is mounted in them. A namespace counts as working only when its
 * id map, a mount and its loopback work too. */
#include "jail/doctor_priv.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/str.h"
#include "jail/ids.h"
#include "jail/mount.h"
#include "jail/mountinfo.h"
#include "jail/throwaway.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
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
	if (r < 0)
		return r;
	if ((w->flags & CLONE_NEWNS) && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return err_set(e, ERR_SETUP, errno, "make all mounts private");
	return w->fn(w->arg, e);
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
		doctor_fix(f,
			"echo 'user.max_%s_namespaces = 15000' | sudo tee "
			"/etc/sysctl.d/90-dayfly.conf && sudo sysctl --system",
			names[i]);
	}
	return 0;
}

/* A chroot has no mount at its root; the kernel then refuses user namespaces with EPERM. */
static bool in_chroot(void)
{
	auto_free char *text = NULL;
	if (fd_read_file(AT_FDCWD, "/proc/self/mountinfo", 1u << 20, &text) <= 0)
		return false;
	struct doctor_mount m;
	for (const char *line = text; *line; line = mountinfo_next(line))
		if (doctor_parse_mount(line, &m) == 0 && !strcmp(m.point, "/"))
			return false;
	return true;
}

/* The shipped profile attaches by path; for another place it has to be written for that place. */
static void hint_apparmor(const struct doctor *d, struct doctor_finding *f)
{
	doctor_why(f,
		"kernel.apparmor_restrict_unprivileged_userns=1 and no profile allows it to %s",
		d->self);
	if (!strcmp(d->self, "/usr/libexec/dayfly/dayfly-warden") ||
		!strcmp(d->self, "/usr/local/libexec/dayfly/dayfly-warden"))
		doctor_fix(f, "sudo install -m644 contrib/apparmor/dayfly /etc/apparmor.d/ && sudo "
			      "systemctl reload apparmor");
	else
		doctor_fix(f,
			"printf 'abi <abi/4.0>,\\ninclude <tunables/global>\\nprofile dayfly-here "
			"\"%s\" flags=(unconfined) {\\n  userns,\\n}\\n' "
			"| sudo tee /etc/apparmor.d/dayfly-here && sudo systemctl reload apparmor",
			d->self);
}

static void hint_container(const struct doctor *d, struct doctor_finding *f)
{
	doctor_why(f, "inside a container (%s), whose seccomp or LSM profile may forbid it",
		d->container);
	if (!strcmp(d->container, "docker"))
		doctor_fix(f, "docker run --security-opt seccomp=unconfined --security-opt "
			      "apparmor=unconfined "
			      "--security-opt systempaths=unconfined --cgroupns=private ... (or a "
			      "seccomp profile that allows "
			      "clone, clone3, unshare, mount and the mount API)");
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
		doctor_fix(f, "echo 'user.max_user_namespaces = 15000' | sudo tee "
			      "/etc/sysctl.d/90-dayfly.conf && sudo sysctl --system");
	} else if (e->errnum == ENOSPC || e->errnum == EUSERS) {
		doctor_why(f, "a limit on namespaces is reached: of this user, or of a user "
			      "namespace around this one");
		doctor_fix(f, "sysctl -a -r 'user.max_.*_namespaces', here and outside of the "
			      "container, and raise the small one");
	} else if (!d->is_root && doctor_sysctl("kernel/unprivileged_userns_clone", 1) == 0) {
		doctor_why(f, "kernel.unprivileged_userns_clone=0");
		doctor_fix(f, "echo 'kernel.unprivileged_userns_clone = 1' | sudo tee "
			      "/etc/sysctl.d/90-dayfly.conf && sudo sysctl --system");
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
		hint_apparmor(d, f);
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

void doctor_hint_proc(const struct doctor *d, const struct err *e, struct doctor_finding *f)
{
	auto_free char *text = NULL;
	char point[256];
	if (e->errnum != EPERM || !str_starts(e->msg, "proc")) {
		doctor_hint_syscall(d, e, f);
		return;
	}
	doctor_why(f, "the kernel allows a new /proc only where the visible one is complete and "
		      "writable");
	if (fd_read_file(AT_FDCWD, "/proc/self/mountinfo", 1u << 20, &text) > 0 &&
		doctor_find_below(text, "/proc", point, sizeof(point)) == 0)
		doctor_why(f, "%s is mounted over", point);
	if (!strcmp(d->container, "podman"))
		doctor_fix(f, "podman run --security-opt unmask=ALL ...");
	else if (d->container[0])
		doctor_fix(f, "docker run --security-opt systempaths=unconfined ...");
	else
		doctor_fix(f, "in the service's unit, leave out ProtectKernelTunables=, "
			      "ProtectProc= and what else mounts over /proc");
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

static pid_t fork_waiting(void)
{
	pid_t pid = fork();
	if (pid == 0) {
		pause();
		_exit(0);
	}
	return pid < 0 ? -errno : pid;
}

/* Room for this process and one more. Counted on the host, the user's other processes would already
 * be too many. */
static int try_nproc(void *arg, struct err *e)
{
	const struct rlimit two = { 2, 2 };
	/* Id 0 here is no exception for the kernel: it is not the host's. */
	if (setrlimit(RLIMIT_NPROC, &two) < 0)
		return err_set(e, ERR_SETUP, errno, "set RLIMIT_NPROC");
	pid_t first = fork_waiting();
	if (first < 0)
		return err_set(e, ERR_SETUP, (int)-first,
			"RLIMIT_NPROC counts the user's processes on the host");
	if (fork_waiting() <= 0)
		return 0;
	err_set(e, ERR_SETUP, 0,
		"RLIMIT_NPROC is not enforced, as it is for no process of the host's root");
	return -EIO;
}

int doctor_nproc(struct doctor *d, struct doctor_finding *f, struct err *e)
{
	int r = doctor_in_ns(d, DOCTOR_ALL_NS, try_nproc, NULL, e);
	if (r < 0 && e->errnum == EAGAIN)
		doctor_fix(f, "install a newer kernel: Linux 5.14 and later count processes per "
			      "user namespace");
	return r;
}

static int try_ptrace(void *arg, struct err *e)
{
	/* As a task, which has no capability to trace with. */
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	const struct __user_cap_data_struct none[2] = { 0 };
	int status = 0;
	if (syscall(SYS_capset, &header, none) < 0)
		return err_set(e, ERR_SETUP, errno, "drop all capabilities");
	pid_t pid = fork();
	if (pid == 0) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
			_exit(errno & 0xff);
		raise(SIGSTOP);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, WUNTRACED) < 0)
		return err_set(e, ERR_SETUP, errno, "start a process to trace");
	if (!WIFSTOPPED(status))
		return err_set(e, ERR_SETUP, WIFEXITED(status) ? WEXITSTATUS(status) : EIO,
			"trace a process");
	return ptrace(PTRACE_CONT, pid, NULL, NULL) < 0
		       ? err_set(e, ERR_SETUP, errno, "continue a traced process")
		       : 0;
}

int doctor_ptrace(struct doctor *d, struct doctor_finding *f, struct err *e)
{
	return doctor_in_ns(d, DOCTOR_ALL_NS, try_ptrace, NULL, e);
}

void doctor_hint_ptrace(const struct doctor *d, const struct err *e, struct doctor_finding *f)
{
	long scope = doctor_sysctl("kernel/yama/ptrace_scope", 0);
	doctor_why(f, "gdb and strace will not work in tasks");
	if (scope >= 2) {
		doctor_why(f, "kernel.yama.ptrace_scope=%ld", scope);
		doctor_fix(f, scope == 2 ? "sudo sysctl -w kernel.yama.ptrace_scope=1"
					 : "set kernel.yama.ptrace_scope to 1 in /etc/sysctl.d and "
					   "reboot: 3 cannot be undone at run time");
	}
}
