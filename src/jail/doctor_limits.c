/* Checks of limits that a task shares with all else that runs as the same user. Each is used up, as
 * far as tasks need it. */
#include "jail/doctor_priv.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* What 64 tasks and 1024 clients, the usual most, take in dayflyd and in the warden. */
#define WANT_FILES 2048
/* A few tasks with a compiler each. */
#define WANT_PROCESSES 64
/* As many as a task may have: src/jail/proc.c. */
#define WANT_INOTIFY 16

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

static int start_processes(pid_t *pids, struct err *e)
{
	pid_t parent = getpid();
	for (int i = 0; i < WANT_PROCESSES; i++) {
		pid_t pid = fork();
		if (pid == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			/* The parent may be gone already: then nobody else would end this. */
			if (getppid() == parent)
				pause();
			_exit(0);
		}
		if (pid < 0)
			return err_set(e, ERR_SETUP, errno, "start process %d of %d", i + 1,
				WANT_PROCESSES);
		pids[i] = pid;
	}
	return 0;
}

/* They are reaped here: until they are, they count. */
static int try_processes(void *arg, struct err *e)
{
	pid_t pids[WANT_PROCESSES] = { 0 };
	int r = start_processes(pids, e);
	for (int i = 0; i < WANT_PROCESSES && pids[i]; i++)
		kill(pids[i], SIGKILL);
	while (waitpid(-1, NULL, 0) > 0)
		;
	return r;
}

int doctor_user_processes(struct doctor *d, struct doctor_finding *f, struct err *e)
{
	return doctor_in_child(try_processes, NULL, e);
}

void doctor_hint_user_processes(
	const struct doctor *d, const struct err *e, struct doctor_finding *f)
{
	struct rlimit l = { RLIM_INFINITY, RLIM_INFINITY };
	getrlimit(RLIMIT_NPROC, &l);
	if (l.rlim_cur != RLIM_INFINITY)
		doctor_why(f, "RLIMIT_NPROC is %llu, for all processes of %s together",
			(unsigned long long)l.rlim_cur, d->user);
	else
		doctor_why(f, "a limit on the processes of this cgroup, or of the whole host, is "
			      "reached");
	if (access("/run/systemd/system", F_OK) == 0)
		doctor_fix(f, "in the service's unit: TasksMax=infinity and LimitNPROC=infinity");
	else
		doctor_fix(f,
			"echo '%s - nproc 65536' | sudo tee "
			"/etc/security/limits.d/dayfly-nproc.conf   "
			"# from the next login on",
			d->user);
}

/* dayflyd raises its soft limit to the hard one. */
static int try_files(void *arg, struct err *e)
{
	struct rlimit l;
	if (getrlimit(RLIMIT_NOFILE, &l) < 0)
		return err_set(e, ERR_SETUP, errno, "read RLIMIT_NOFILE");
	l.rlim_cur = l.rlim_max;
	setrlimit(RLIMIT_NOFILE, &l);
	for (int n = 0; n < WANT_FILES; n++)
		if (fcntl(0, F_DUPFD_CLOEXEC, 0) < 0)
			return err_set(
				e, ERR_SETUP, errno, "open file %d of %d", n + 1, WANT_FILES);
	return 0;
}

int doctor_open_files(struct doctor *d, struct doctor_finding *f, struct err *e)
{
	return doctor_in_child(try_files, NULL, e);
}

void doctor_hint_open_files(const struct doctor *d, const struct err *e, struct doctor_finding *f)
{
	struct rlimit l = { 0 };
	getrlimit(RLIMIT_NOFILE, &l);
	doctor_why(f,
		"RLIMIT_NOFILE is %llu at most; dayflyd takes fewer tasks and clients at a time",
		(unsigned long long)l.rlim_max);
	if (access("/run/systemd/system", F_OK) == 0)
		doctor_fix(f, "in the service's unit: LimitNOFILE=1048576");
	else
		doctor_fix(f,
			"echo '%s - nofile 65536' | sudo tee "
			"/etc/security/limits.d/dayfly-nofile.conf   "
			"# from the next login on",
			d->user);
}

/* Inside a user namespace: its counts are held against the user of the host as well. */
static int try_inotify(void *arg, struct err *e)
{
	for (int n = 0; n < WANT_INOTIFY; n++) {
		int fd = inotify_init1(IN_CLOEXEC);
		if (fd < 0 || inotify_add_watch(fd, "/", IN_CREATE) < 0)
			return err_set(e, ERR_SETUP, errno, "watch files, instance %d of %d", n + 1,
				WANT_INOTIFY);
	}
	return 0;
}

int doctor_inotify(struct doctor *d, struct doctor_finding *f, struct err *e)
{
	return doctor_in_ns(d, DOCTOR_ALL_NS, try_inotify, NULL, e);
}

void doctor_hint_inotify(const struct doctor *d, const struct err *e, struct doctor_finding *f)
{
	if (e->errnum != EMFILE && e->errnum != ENOSPC)
		return;
	doctor_why(f,
		"a limit of this user, or of a user namespace around this one, is reached "
		"(fs.inotify.max_user_instances=%ld, max_user_watches=%ld)",
		doctor_sysctl("fs/inotify/max_user_instances", -1),
		doctor_sysctl("fs/inotify/max_user_watches", -1));
	if (e->errnum == EMFILE)
		doctor_fix_sysctl(f, "fs.inotify.max_user_instances", "1024");
	else
		doctor_fix_sysctl(f, "fs.inotify.max_user_watches", "524288");
}

static int try_keyring(void *arg, struct err *e)
{
	long r = syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL);
	if (r >= 0 &&
		syscall(SYS_add_key, "user", "dayfly-probe", "x", 1, KEY_SPEC_SESSION_KEYRING) >= 0)
		return 0;
	/* No keys at all, or not for us: nothing that a quota could run out of. */
	return errno == ENOSYS || errno == EPERM
		       ? 1
		       : err_set(e, ERR_SETUP, errno, "make a keyring and a key in it");
}

int doctor_keyring(struct doctor *d, struct doctor_finding *f, struct err *e)
{
	int r = doctor_in_child(try_keyring, NULL, e);
	if (r == 1)
		doctor_why(f, "there are no key calls here");
	return r < 0 ? r : 0;
}

void doctor_hint_keyring(const struct doctor *d, const struct err *e, struct doctor_finding *f)
{
	if (e->errnum != EDQUOT)
		return;
	doctor_why(f,
		"the user's quota of keys is used up (kernel.keys.maxkeys=%ld): programs "
		"beside dayfly will miss it",
		doctor_sysctl("kernel/keys/maxkeys", -1));
	doctor_fix_sysctl(f, "kernel.keys.maxkeys", "2000");
}

/* With the ids of a task, in the host's network. */
static int try_ping(void *arg, struct err *e)
{
	auto_close int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_ICMP);
	return fd < 0 ? err_set(e, ERR_SETUP, errno, "open a socket for ping") : 0;
}

int doctor_ping(struct doctor *d, struct doctor_finding *f, struct err *e)
{
	return doctor_in_ns(d, CLONE_NEWUSER, try_ping, NULL, e);
}

void doctor_hint_ping(const struct doctor *d, const struct err *e, struct doctor_finding *f)
{
	auto_free char *range = doctor_read("/proc/sys/net/ipv4/ping_group_range");
	if (e->errnum != EACCES)
		return;
	if (range) {
		range[strcspn(range, "\n")] = '\0';
		range[strcspn(range, "\t")] = ' ';
		doctor_why(f, "net.ipv4.ping_group_range=%s leaves the group of tasks out", range);
	}
	doctor_fix_sysctl(f, "net.ipv4.ping_group_range", "0 2147483647");
}
