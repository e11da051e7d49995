/* Checks of what a task is locked in with beside its namespaces: security modules, seccomp,
 * Landlock. */
#include "jail/doctor_priv.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "jail/seccomp.h"
#include "jail/sys.h"

#include <errno.h>
#include <linux/capability.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
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

/* Text only: whether a module stands in the way is what the checks of namespaces and mounts find
 * out. */
int doctor_lsm(struct doctor *d, struct doctor_finding *f, struct err *e)
{
	char label[128];
	auto_free char *enforce = doctor_read("/sys/fs/selinux/enforce");
	doctor_apparmor_label(label, sizeof(label));
	if (label[0])
		doctor_why(f, "AppArmor: this process is %s", label);
	if (enforce && enforce[0] == '1') {
		doctor_why(f, "SELinux is enforcing: a directory that is given to a task needs a "
			      "label that tasks may read, or it gets \"Permission denied\"");
		doctor_fix(f,
			"sudo ausearch -m avc -ts recent   # what was denied, and to which label");
	} else if (enforce) {
		doctor_why(f, "SELinux is permissive");
	}
	if (!f->why[0])
		doctor_why(f, "neither AppArmor nor SELinux is at work");
	return 0;
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
	const struct scmp_version *v = seccomp_version();
	if (v)
		doctor_why(f, "libseccomp %u.%u.%u", v->major, v->minor, v->micro);
	return doctor_in_child(try_seccomp, NULL, e);
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
	return doctor_in_child(try_landlock_scopes, NULL, e);
}

/* The call that a hole was found behind; what is mended cannot be tried, so the release is told. */
static int try_unix_oob(void *arg, struct err *e)
{
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return err_set(e, ERR_SETUP, errno, "make a socket pair");
	return send(pair[0], "x", 1, MSG_OOB | MSG_NOSIGNAL) == 1 ? 1 : 0;
}

int doctor_unix_oob(struct doctor *d, struct doctor_finding *f, struct err *e)
{
	unsigned major = 0, minor = 0;
	struct utsname u;
	int r = doctor_in_child(try_unix_oob, NULL, e);
	if (r < 0)
		return r;
	if (r == 0 || uname(&u) < 0 || sscanf(u.release, "%u.%u", &major, &minor) != 2)
		doctor_why(f, "this kernel has no urgent data on Unix sockets");
	else if (major > 6 || (major == 6 && minor >= 16))
		doctor_why(f, "Linux %u.%u has CVE-2025-38236 mended", major, minor);
	else
		doctor_why(f,
			"Linux %u.%u may have CVE-2025-38236 (urgent data on Unix sockets), which "
			"tasks could use: see that this kernel has its distribution's updates",
			major, minor);
	return 0;
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
