/* Checks of calls that need no namespace. Each runs in a throw-away child. */
#include "jail/doctor_priv.h"

#include "base/fd.h"
#include "jail/seccomp.h"
#include "jail/sys.h"
#include "jail/throwaway.h"
#include "jail/warden.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#endif
#ifndef SYS_landlock_restrict_self
#define SYS_landlock_restrict_self 446
#endif
/* ABI 6, Linux 6.12. */
#define LANDLOCK_ABI_SCOPES	6
#define LANDLOCK_SCOPE_ABSTRACT 1ull
#define LANDLOCK_SCOPE_SIGNALS	2ull
#define MEMFD_EXEC_FLAG		0x0010u /* MFD_EXEC, Linux 6.3 */

static int run(int (*fn)(void *arg, struct err *e), void *arg, struct err *e)
{
	struct throwaway t = { .fn = fn, .arg = arg };
	return throwaway_run(&t, e);
}

int doctor_mode(struct doctor *d, struct doctor_finding *f, struct err *e)
{
	if (d->is_root)
		doctor_why(f, "root mode: every task has a range of 65536 ids of its own");
	else
		doctor_why(f, "rootless mode, as %s", d->user);
	return 0;
}

int doctor_kernel(struct doctor *d, struct doctor_finding *f, struct err *e)
{
	unsigned major = 0, minor = 0, want_minor = d->is_root ? 10 : 14;
	struct utsname u;
	if (uname(&u) < 0 || sscanf(u.release, "%u.%u", &major, &minor) != 2)
		return err_set(e, ERR_INTERNAL, EINVAL, "read the kernel's release");
	doctor_why(f, "Linux %s", u.release);
	if (major < 5 || (major == 5 && minor < want_minor)) {
		doctor_set(f, DOCTOR_DEGRADED,
			"older than 5.%u, the oldest that this mode is made for", want_minor);
		doctor_fix(f, "install a newer kernel of your distribution and reboot");
	}
	return 0;
}

int doctor_capabilities(struct doctor *d, struct doctor_finding *f, struct err *e)
{
	static const struct {
		unsigned cap;
		const char *name;
	} wanted[] = {
		{ CAP_SYS_ADMIN, "CAP_SYS_ADMIN" },
		{ CAP_SETUID, "CAP_SETUID" },
		{ CAP_SETGID, "CAP_SETGID" },
		{ CAP_KILL, "CAP_KILL" },
	};
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };
	char lacking[128] = "";
	if (syscall(SYS_capget, &header, data) < 0)
		return err_set(e, ERR_INTERNAL, errno, "read the capabilities");
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		size_t len = strlen(lacking);
		if (!(data[0].effective & (1u << wanted[i].cap)))
			snprintf(lacking + len, sizeof(lacking) - len, " %s", wanted[i].name);
	}
	return lacking[0] ? err_set(e, ERR_SETUP, EPERM, "root without%s", lacking) : 0;
}

void doctor_hint_capabilities(const struct doctor *d, const struct err *e, struct doctor_finding *f)
{
	if (d->container[0])
		doctor_fix(f,
			"run dayfly as a plain user of the container, or give the container these "
			"capabilities (docker run --cap-add SYS_ADMIN)");
	else
		doctor_fix(
			f, "remove what limits this service (CapabilityBoundingSet= in its unit)");
}

/* A grandchild that only waits; it dies with its parent. */
static pid_t start_waiting(int *ret_pidfd)
{
	pid_t pid = sys_clone(0, ret_pidfd);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (int i = 0; i < 10; i++)
			poll(NULL, 0, 1000);
		_exit(0);
	}
	return pid;
}

static int try_clone3(void *arg, struct err *e)
{
	int pidfd = -1;
	siginfo_t info;
	pid_t pid = start_waiting(&pidfd);
	if (pid < 0)
		return err_set(e, ERR_SETUP, -pid, "clone3");
	int r = sys_pidfd_send_signal(pidfd, SIGKILL);
	if (r < 0) {
		kill(pid, SIGKILL);
		return err_set(e, ERR_SETUP, -r, "pidfd_send_signal");
	}
	struct pollfd p = { .fd = pidfd, .events = POLLIN };
	if (poll(&p, 1, 2000) != 1)
		return err_set(
			e, ERR_SETUP, ETIMEDOUT, "wait for the end of a process on its pidfd");
	if (waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED) < 0)
		return err_set(e, ERR_SETUP, errno, "waitid on a pidfd");
	r = sys_pidfd_open(getpid());
	return r < 0 ? err_set(e, ERR_SETUP, -r, "pidfd_open") : 0;
}

int doctor_clone3(struct doctor *d, struct doctor_finding *f, struct err *e)
{
	return run(try_clone3, NULL, e);
}

static int try_close_range(void *arg, struct err *e)
{
	int fd = open("/", O_PATH | O_CLOEXEC);
	if (fd < 0)
		return err_set(e, ERR_SETUP, errno, "open /");
	int r = sys_close_range((unsigned)fd, (unsigned)fd);
	if (r < 0)
		return err_set(e, ERR_SETUP, -r, "close_range");
	if (fcntl(fd, F_GETFD) >= 0)
		return err_set(e, ERR_SETUP, EIO, "close_range did not close");
	return 0;
}

int doctor_close_range(struct doctor *d, struct doctor_finding *f, struct err *e)
{
	return run(try_close_range, NULL, e);
}

static int try_openat2(void *arg, struct err *e)
{
	auto_close int dir = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_set(e, ERR_SETUP, errno, "open /proc");
	auto_close int in =
		sys_openat2(dir, "sys", O_PATH, 0, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
	if (in < 0)
		return err_set(e, ERR_SETUP, -in, "openat2");
	auto_close int out = sys_openat2(dir, "../etc", O_PATH, 0, RESOLVE_BENEATH);
	if (out >= 0)
		return err_set(
			e, ERR_SETUP, EIO, "openat2 left the directory that it must stay beneath");
	return 0;
}

int doctor_openat2(struct doctor *d, struct doctor_finding *f, struct err *e)
{
	return run(try_openat2, NULL, e);
}

static int try_sealed_memfd(void *arg, struct err *e)
{
	auto_close int fd = fd_sealed_memfd("dayfly-probe", "x", 1);
	if (fd < 0)
		return err_set(e, ERR_SETUP, -fd, "make a sealed memfd");
	if (write(fd, "y", 1) >= 0 || ftruncate(fd, 0) >= 0)
		return err_set(e, ERR_SETUP, EIO, "a sealed memfd can still be changed");
	return 0;
}

int doctor_sealed_memfd(struct doctor *d, struct doctor_finding *f, struct err *e)
{
	return run(try_sealed_memfd, NULL, e);
}

static int copy_file(const char *path, int to)
{
	char block[65536];
	auto_close int from = open(path, O_RDONLY | O_CLOEXEC);
	if (from < 0)
		return -errno;
	for (;;) {
		ssize_t n = read(from, block, sizeof(block));
		if (n <= 0)
			return n < 0 ? -errno : 0;
		int r = fd_write_all(to, block, (size_t)n);
		if (r < 0)
			return r;
	}
}

/* The exit status of the grandchild tells: 0, or the errno of its execve. */
static int try_memfd_exec(void *arg, struct err *e)
{
	static char name[] = "true";
	static char *const argv[] = { name, NULL };
	static char *const env[] = { NULL };
	int status = 0;
	auto_close int fd = memfd_create("dayfly-probe", MFD_CLOEXEC | MEMFD_EXEC_FLAG);
	if (fd < 0 && errno == EINVAL)
		fd = memfd_create("dayfly-probe", MFD_CLOEXEC);
	if (fd < 0)
		return err_set(e, ERR_SETUP, errno, "make an executable memfd");
	int r = copy_file("/bin/true", fd);
	if (r < 0)
		return err_set(e, ERR_SETUP, -r, "copy /bin/true");
	pid_t pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		fexecve(fd, argv, env);
		_exit(errno & 0xff);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return err_set(e, ERR_SETUP, errno, "run a program from a memfd");
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return err_set(e, ERR_SETUP, WIFEXITED(status) ? WEXITSTATUS(status) : EIO,
			"run a program from a memfd");
	return 0;
}

int doctor_memfd_exec(struct doctor *d, struct doctor_finding *f, struct err *e)
{
	int r = run(try_memfd_exec, NULL, e);
	if (r < 0)
		err_wrap(e, "tools that run programs from memory will fail in tasks");
	return r;
}

void doctor_hint_memfd(const struct doctor *d, const struct err *e, struct doctor_finding *f)
{
	long v = doctor_sysctl("vm/memfd_noexec", 0);
	if (v < 1) {
		doctor_hint_syscall(d, e, f);
		return;
	}
	doctor_why(f, "vm.memfd_noexec=%ld", v);
	doctor_fix(f, "sudo sysctl -w vm.memfd_noexec=0");
}

/* The filter that tasks get, loaded for real. */
static int try_seccomp(void *arg, struct err *e)
{
	struct sock_fprog prog = { 0 };
	uint32_t action = 0x80000000u; /* SECCOMP_RET_KILL_PROCESS */
	if (syscall(SYS_seccomp, 2 /* SECCOMP_GET_ACTION_AVAIL */, 0, &action) < 0)
		return err_set(
			e, ERR_SETUP, errno, "seccomp: killing a whole process is not known");
	int r = seccomp_filter_compile(PLAN_PROFILE_DEV, PLAN_NETWORK_NONE, &prog, e);
	if (r < 0)
		return r;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_set(e, ERR_SETUP, errno, "set no_new_privs");
	r = seccomp_filter_load(&prog);
	if (r < 0)
		return err_set(
			e, ERR_SETUP, -r, "load a seccomp filter of %u instructions", prog.len);
	/* Outside the filter this is a valid call. */
	if (syscall(SYS_unshare, 0) == 0)
		return err_set(e, ERR_SETUP, EIO, "a loaded seccomp filter has no effect");
	return 0;
}

int doctor_seccomp(struct doctor *d, struct doctor_finding *f, struct err *e)
{
	return run(try_seccomp, NULL, e);
}

struct landlock_ruleset {
	uint64_t handled_access_fs, handled_access_net, scoped;
};

/* A socket that was bound before must be out of reach after. */
static int try_landlock_scopes(void *arg, struct err *e)
{
	const struct landlock_ruleset set = { .scoped = LANDLOCK_SCOPE_ABSTRACT |
							LANDLOCK_SCOPE_SIGNALS };
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int n = snprintf(
		addr.sun_path + 1, sizeof(addr.sun_path) - 1, "dayfly-probe-%d", (int)getpid());
	socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
	auto_close int server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	auto_close int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (server < 0 || client < 0 || bind(server, (struct sockaddr *)&addr, len) < 0 ||
		listen(server, 1) < 0)
		return err_set(e, ERR_SETUP, errno, "make an abstract socket");
	auto_close int ruleset = (int)syscall(SYS_landlock_create_ruleset, &set, sizeof(set), 0);
	if (ruleset < 0)
		return err_set(e, ERR_SETUP, errno, "landlock_create_ruleset with scopes");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
		syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
		return err_set(e, ERR_SETUP, errno, "landlock_restrict_self");
	if (connect(client, (struct sockaddr *)&addr, len) == 0)
		return err_set(e, ERR_SETUP, EIO, "a Landlock scope has no effect");
	return 0;
}

int doctor_landlock(struct doctor *d, struct doctor_finding *f, struct err *e)
{
	int abi = sys_landlock_abi();
	if (abi == 0) {
		doctor_set(f, DOCTOR_DEGRADED,
			"this kernel has no Landlock, a second lock on abstract sockets and "
			"signals");
		doctor_fix(f, "boot a kernel 6.12 or newer with landlock in its lsm= list (cat "
			      "/sys/kernel/security/lsm)");
		return 0;
	}
	doctor_why(f, "ABI %d", abi);
	if (abi < LANDLOCK_ABI_SCOPES) {
		doctor_set(f, DOCTOR_DEGRADED,
			"scopes for abstract sockets and signals need ABI %d (Linux 6.12)",
			LANDLOCK_ABI_SCOPES);
		return 0;
	}
	return run(try_landlock_scopes, NULL, e);
}

int doctor_no_new_privs(struct doctor *d, struct doctor_finding *f, struct err *e)
{
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		return 0;
	doctor_set(f, DOCTOR_DEGRADED,
		"no_new_privs is set on this process, so newuidmap cannot gain its rights: tasks "
		"have a single id");
	doctor_fix(f, "start dayfly without it (NoNewPrivileges=no in a systemd unit; not from "
		      "inside a sandbox)");
	return 0;
}

void doctor_hint_syscall(const struct doctor *d, const struct err *e, struct doctor_finding *f)
{
	if (e->errnum != ENOSYS && e->errnum != EPERM && e->errnum != EINVAL)
		return;
	if (d->container[0]) {
		doctor_why(f, "the container's seccomp profile may forbid it (%s)", d->container);
		doctor_fix(f,
			"start the container with a profile that allows the system calls of "
			"namespaces and mounts: "
			"--security-opt seccomp=PROFILE.json --security-opt apparmor=unconfined "
			"--security-opt systempaths=unconfined");
	} else if (e->errnum == ENOSYS) {
		doctor_why(f, "the kernel is too old, or a seccomp filter on this process hides "
			      "the call");
		doctor_fix(f, "install a newer kernel of your distribution and reboot");
	}
}
