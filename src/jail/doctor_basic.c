/* Checks of the host, and of calls that need no namespace. Each runs in a throw-away child. */
#include "jail/doctor_priv.h"

#include "base/fd.h"
#include "jail/sys.h"
#include "jail/throwaway.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#define MEMFD_EXEC_FLAG 0x0010u /* MFD_EXEC, Linux 6.3 */

int doctor_in_child(int (*fn)(void *arg, struct err *e), void *arg, struct err *e)
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
	unsigned major = 0, minor = 0, want_minor = d->is_root ? 12 : 14;
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

int doctor_container(struct doctor *d, struct doctor_finding *f, struct err *e)
{
	if (d->container[0])
		doctor_why(f, "inside a container (%s)", d->container);
	else
		doctor_why(f, "no container was noticed");
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
	return doctor_in_child(try_clone3, NULL, e);
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
	return doctor_in_child(try_close_range, NULL, e);
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
	return doctor_in_child(try_openat2, NULL, e);
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
	return doctor_in_child(try_sealed_memfd, NULL, e);
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
	int r = doctor_in_child(try_memfd_exec, NULL, e);
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
