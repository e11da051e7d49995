/*
 * Jail init: PID 1 inside the jail, a copy of the warden without exec. It runs the setup steps,
 * starts the task, reaps everything, reports, and dies with its lifeline: when the socket to the
 * warden closes, everything in the jail is killed. It keeps its capabilities (in the jail's user
 * namespace only) for counting what was left; the task cannot look into it (not dumpable) nor
 * signal it (PID 1).
 */
#include "jail/claim.h"
#include "jail/collect.h"
#include "jail/fault.h"
#include "jail/jail.h"
#include "jail/steps.h"
#include "jail/sys.h"
#include "jail/task.h"
#include "jail/title.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/sig.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/wait.h>

#define RESOLV_CONF_MAX 8191

void jail_degrade(struct jail *j, enum control c, const char *fmt, ...)
{
	if (j->n_degraded == WIRE_DEGRADED_MAX)
		return;
	char *line = j->degraded[j->n_degraded++];
	int n = snprintf(line, WIRE_DEGRADED_SIZE, "%s: ", control_name(c));
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(line + n, WIRE_DEGRADED_SIZE - (size_t)n, fmt, ap);
	va_end(ap);
}

static void send_event(struct jail *j, const struct wire_event *ev)
{
	/* Nobody to tell: the lifeline is gone, and so are we in a moment. */
	if (fd_send(j->status_fd, ev, sizeof(*ev), NULL, 0) < 0)
		_exit(1);
}

static _Noreturn void fail(struct jail *j, bool phase_exec, const struct err *e)
{
	struct wire_event ev;
	wire_event_init(&ev, WIRE_FAILED, j->id);
	ev.failed.phase_exec = phase_exec;
	ev.failed.err = *e;
	send_event(j, &ev);
	_exit(1);
}

/* In single-id mode the namespace's owner maps its own id; otherwise the warden has done it and
 * says so. */
static int map_own_ids(struct jail *j, struct err *e)
{
	char uid_map[64], gid_map[64];
	unsigned inside = jail_task_uid(j);
	snprintf(uid_map, sizeof(uid_map), "%u %u 1", inside, j->owner_uid);
	snprintf(gid_map, sizeof(gid_map), "%u %u 1", inside, j->owner_gid);
	int r = fd_write_file(AT_FDCWD, "/proc/self/setgroups", "deny");
	if (r == 0)
		r = fd_write_file(AT_FDCWD, "/proc/self/uid_map", uid_map);
	if (r == 0)
		r = fd_write_file(AT_FDCWD, "/proc/self/gid_map", gid_map);
	if (r < 0) {
		err_set(e, ERR_SETUP, -r, "write /proc/self/uid_map");
		err_hint(e, "see `dayfly doctor`: this host restricts user namespaces");
	}
	return r;
}

/* Until the warden has done what it does to this process from outside. */
static int wait_for_warden(struct jail *j, struct err *e)
{
	struct wire_request rq;
	int fds[FD_PASS_MAX];
	size_t n_fds;
	ssize_t n = fd_recv(j->status_fd, &rq, sizeof(rq), fds, &n_fds);
	if (n <= 0)
		_exit(JAIL_EXIT_NO_START);
	if (wire_request_check(&rq, (size_t)n) < 0 || rq.type != WIRE_START)
		return err_set(e, ERR_INTERNAL, EPROTO, "unexpected word from the warden");
	return 0;
}

static int take_ids(struct jail *j, struct err *e)
{
	if (j->mode == WARDEN_MODE_SINGLE)
		return map_own_ids(j, e);
	if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
		return err_set(e, ERR_SETUP, errno, "become root of the user namespace");
	return 0;
}

static void read_resolv_conf(struct jail *j)
{
	if (j->plan->network == PLAN_NETWORK_HOST)
		fd_read_file(AT_FDCWD, "/etc/resolv.conf", RESOLV_CONF_MAX, &j->resolv_conf);
}

static int set_up(struct jail *j, struct err *e)
{
	int r = fault_check("ids", e);
	if (r == 0)
		r = wait_for_warden(j, e);
	if (r == 0)
		r = take_ids(j, e);
	if (r < 0) {
		snprintf(e->step, sizeof(e->step), "ids");
		return r;
	}
	/* After the last change of ids, which clears it. The lifeline covers a warden that died
	 * before this. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return err_set(e, ERR_SETUP, errno, "bind to the life of the warden");
	if (j->has_cgroup && unshare(CLONE_NEWCGROUP) < 0)
		return err_set(e, ERR_SETUP, errno, "make the cgroup namespace");
	umask(0);
	read_resolv_conf(j);
	jail_enforce(j, CONTROL_USER_NS);
	jail_enforce(j, CONTROL_IPC_NS);
	jail_enforce(j, CONTROL_CGROUP_NS);
	jail_enforce(j, CONTROL_LIFELINE);
	if (j->mode == WARDEN_MODE_ROOT)
		jail_enforce(j, CONTROL_ID_RANGE);
	net_begin(j);
	r = steps_run_shared(j, e);
	/* Nothing after this needs its own /proc files, and a parked one is there for long. */
	if (r == 0 && prctl(PR_SET_DUMPABLE, 0) < 0)
		r = err_set(e, ERR_SETUP, errno, "hide jail init from the task");
	if (r == 0 && j->is_parked)
		r = claim_wait(j, e);
	return r < 0 ? r : steps_run_init(j, e);
}

/* What the task's own steps put in force; they are all or nothing. */
static void enforce_task_controls(struct jail *j)
{
	jail_enforce(j, CONTROL_RLIMITS);
	jail_enforce(j, CONTROL_NO_NEW_PRIVS);
	jail_enforce(j, CONTROL_SECCOMP);
	if (j->plan->user == PLAN_USER_AGENT)
		jail_enforce(j, CONTROL_NO_CAPABILITIES);
	if (j->landlock_abi >= 6)
		jail_enforce(j, CONTROL_LANDLOCK_SCOPE);
}

static pid_t start_task(struct jail *j, struct task_start *s, struct err *e)
{
	pid_t pid = task_start(j, s);
	if (pid < 0)
		return err_set(e, ERR_SETUP, -pid, "clone the task");
	if (s->has_failed) {
		*e = s->err;
		return -EIO;
	}
	/* Killed on its way, by the host's want of memory for one: it has never been the task. */
	if (s->phase != TASK_PHASE_EXEC)
		return err_set(e, ERR_SETUP, 0,
			"the task's process died before it could execute the command");
	enforce_task_controls(j);
	return pid;
}

static void report_started(struct jail *j, uint64_t exec_ns)
{
	struct wire_event ev;
	wire_event_init(&ev, WIRE_STARTED, j->id);
	ev.started.at_ns = exec_ns;
	ev.started.enforced = j->enforced;
	ev.started.n_degraded = j->n_degraded;
	memcpy(ev.started.degraded, j->degraded, sizeof(ev.started.degraded));
	send_event(j, &ev);
}

static void kill_all(void)
{
	/* Everything in this pid namespace but ourselves. A fork under way either sees the signal
	 * or its child gets it. */
	do
		kill(-1, SIGKILL);
	while (waitpid(-1, NULL, 0) > 0 || errno == EINTR);
}

/* Acts on what the warden says. Returns false when everything is to end. */
static bool handle_word(struct jail *j, pid_t main_pid)
{
	struct wire_request rq;
	int fds[FD_PASS_MAX];
	size_t n_fds;
	ssize_t n = fd_recv(j->status_fd, &rq, sizeof(rq), fds, &n_fds);
	if (n == 0 || (n < 0 && n != -EAGAIN)) {
		kill_all();
		_exit(1);
	}
	if (n < 0 || wire_request_check(&rq, (size_t)n) < 0)
		return true;
	if (rq.type == WIRE_KILL)
		return false;
	/* The task leads its own session and group; a child that moved to another one is the
	 * shell's affair. */
	if (rq.type == WIRE_SIGNAL && kill(-main_pid, rq.value) < 0)
		kill(main_pid, rq.value);
	return true;
}

/* A process may ask its parent to trace it. We do not: it goes on as if it had not asked, but for
 * the trap of an execve under trace, which is only there for a tracer. */
static void let_go(pid_t pid, int status)
{
	long signo = WSTOPSIG(status) == SIGTRAP ? 0 : WSTOPSIG(status);
	ptrace(PTRACE_DETACH, pid, 0l, signo);
}

/* Reaps whatever is dead. Returns true, with the status, once the main process is. */
static bool reap(pid_t main_pid, int *ret_status)
{
	bool ended = false;
	int status;
	pid_t pid;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (WIFSTOPPED(status)) {
			let_go(pid, status);
		} else if (pid == main_pid) {
			*ret_status = status;
			ended = true;
		}
	}
	return ended;
}

/* Serves until the main process has ended or the warden says so. Returns whether it has ended by
 * itself. */
static bool serve(struct jail *j, int signal_fd, pid_t main_pid, int *ret_status)
{
	struct pollfd polls[2] = {
		{ .fd = signal_fd, .events = POLLIN },
		{ .fd = j->status_fd, .events = POLLIN },
	};
	for (;;) {
		if (reap(main_pid, ret_status))
			return true;
		if (poll(polls, 2, -1) < 0)
			continue;
		if (polls[0].revents) {
			struct signalfd_siginfo info;
			if (read(signal_fd, &info, sizeof(info)) < 0)
				continue;
		}
		if (polls[1].revents && !handle_word(j, main_pid))
			return false;
	}
}

/* When the main process ends: what it wanted to write had no room, if anything. What is killed
 * afterwards may still make some. */
static void look_at_disk(struct jail *j)
{
	struct statfs fs;
	if (!j->upper_on_disk && fstatfs(j->store_fd, &fs) == 0)
		j->disk_is_full = fs.f_bfree == 0 || fs.f_ffree == 0;
}

static void report_end(struct jail *j)
{
	struct wire_event ev;
	struct rusage usage;
	struct statfs fs;
	wire_event_init(&ev, WIRE_GONE, j->id);
	getrusage(RUSAGE_CHILDREN, &usage);
	ev.gone.user_us =
		(uint64_t)usage.ru_utime.tv_sec * 1000000 + (uint64_t)usage.ru_utime.tv_usec;
	ev.gone.sys_us =
		(uint64_t)usage.ru_stime.tv_sec * 1000000 + (uint64_t)usage.ru_stime.tv_usec;
	ev.gone.max_rss_bytes = (uint64_t)usage.ru_maxrss * 1024;
	if (!j->upper_on_disk && fstatfs(j->store_fd, &fs) == 0) {
		ev.gone.has_disk = 1;
		ev.gone.disk_bytes = (fs.f_blocks - fs.f_bfree) * (uint64_t)fs.f_bsize;
		ev.gone.disk_inodes = fs.f_files - fs.f_ffree;
		ev.gone.disk_is_full = j->disk_is_full;
	}
	collect_changes(j, &ev);
	collect_artifacts(j, &ev);
	send_event(j, &ev);
}

/* The task's ends of its pipes must not stay open here, or nobody would ever see their end of file.
 */
static void close_task_fds(struct jail *j)
{
	fd_close_many(j->stdio, 3);
	fd_close(&j->tty_fd);
}

static int open_signal_fd(void)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC);
}

void jail_init_main(struct jail *j)
{
	struct err e = { 0 };
	struct task_start start;
	title_name(j->is_parked ? "dayfly-making" : "dayfly-init");
	sig_reset();
	int signal_fd = open_signal_fd();
	if (signal_fd < 0) {
		err_set(&e, ERR_SETUP, errno, "make a signal descriptor");
		fail(j, false, &e);
	}
	if (set_up(j, &e) < 0)
		fail(j, false, &e);
	pid_t main_pid = start_task(j, &start, &e);
	close_task_fds(j);
	if (main_pid < 0) {
		kill_all();
		fail(j, start.phase == TASK_PHASE_EXEC, &e);
	}
	report_started(j, start.exec_ns);

	int status = 0;
	if (serve(j, signal_fd, main_pid, &status)) {
		struct wire_event ev;
		wire_event_init(&ev, WIRE_EXITED, j->id);
		ev.exited.status = status;
		ev.exited.at_ns = clock_mono_ns();
		send_event(j, &ev);
		look_at_disk(j);
		kill_all();
	} else {
		/* Killed from outside: the main process's own end still counts. */
		look_at_disk(j);
		kill(-1, SIGKILL);
		pid_t pid;
		int s;
		while ((pid = waitpid(-1, &s, 0)) > 0 || errno == EINTR) {
			if (pid != main_pid || WIFSTOPPED(s))
				continue;
			struct wire_event ev;
			wire_event_init(&ev, WIRE_EXITED, j->id);
			ev.exited.status = s;
			ev.exited.at_ns = clock_mono_ns();
			send_event(j, &ev);
		}
	}
	report_end(j);
	_exit(0);
}
