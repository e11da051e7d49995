/* The task's own process, from its clone to execve: see task.h. */
#include "jail/task.h"
#include "jail/seccomp.h"
#include "jail/steps.h"
#include "jail/sys.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/*
 * Until the command is executed: paths and error texts, and all of argv, which execvp() copies
 * there to give a script without a first line to the shell. It lies amid jail init's memory. What
 * is not touched takes none.
 */
#define TASK_STACK_BYTES ((256u << 10) + LIMIT_ARGV_COUNT * sizeof(char *))

/* Where jail.exec_fd is kept when all others are closed. */
#define EXEC_FD 3

/* What a task that asked to be root keeps, inside its own user namespace only: enough to install
 * packages into the overlay. */
static const unsigned root_capabilities[] = {
	CAP_CHOWN,
	CAP_DAC_OVERRIDE,
	CAP_FOWNER,
	CAP_FSETID,
	CAP_KILL,
	CAP_SETGID,
	CAP_SETUID,
	CAP_SETFCAP,
};

uid_t jail_task_uid(const struct jail *j)
{
	return j->plan->user == PLAN_USER_ROOT ? 0 : PLAN_AGENT_ID;
}

int step_session(struct jail *j, struct err *e)
{
	if (setsid() < 0)
		return err_set(e, ERR_SETUP, errno, "start a session");
	if (j->tty_fd >= 0 && ioctl(j->tty_fd, TIOCSCTTY, 0) < 0)
		return err_set(e, ERR_SETUP, errno, "take the terminal");
	return 0;
}

static int set_rlimit(int resource, const char *name, uint64_t value, struct err *e)
{
	struct rlimit old, new = { .rlim_cur = value, .rlim_max = value };
	if (getrlimit(resource, &old) < 0)
		return err_set(e, ERR_SETUP, errno, "read limit %s", name);
	/* Above the hard limit that we were given only the host's root can go: lower than asked is
	 * no weaker. */
	if (old.rlim_max != RLIM_INFINITY && value > old.rlim_max)
		new.rlim_cur = new.rlim_max = old.rlim_max;
	/* At the hard limit the kernel kills without a word: SIGXCPU comes a second earlier. */
	if (resource == RLIMIT_CPU && new.rlim_max != RLIM_INFINITY &&new.rlim_max < old.rlim_max)
		new.rlim_max++;
	if (setrlimit(resource, &new) < 0)
		return err_set(e, ERR_SETUP, errno, "set limit %s", name);
	return 0;
}

int step_rlimits(struct jail *j, struct err *e)
{
	const struct plan_limits *l = &j->plan->limits;
	/* Queues, locked memory and pending signals count for the maker of the user namespace as
	 * well. Rootless, that is the user: one task must not take all that he may have. */
	const struct {
		int resource;
		const char *name;
		uint64_t value;
	} limits[] = {
		{ RLIMIT_NOFILE, "open_files", l->open_files },
		{ RLIMIT_CORE, "core", l->core_bytes },
		{ RLIMIT_FSIZE, "file_size", l->file_bytes ? l->file_bytes : RLIM_INFINITY },
		{ RLIMIT_NPROC, "processes", l->processes },
		{ RLIMIT_DATA, "memory", l->data_bytes ? l->data_bytes : RLIM_INFINITY },
		{ RLIMIT_CPU, "cpu", l->cpu_ms ? (l->cpu_ms + 999) / 1000 : RLIM_INFINITY },
		{ RLIMIT_RTPRIO, "rtprio", 0 },
		{ RLIMIT_MSGQUEUE, "msgqueue", j->mode == WARDEN_MODE_ROOT ? 819200 : 819200 / 8 },
		{ RLIMIT_MEMLOCK, "memlock", 8u << 20 },
		{ RLIMIT_SIGPENDING, "sigpending", 4096 },
	};
	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		int r = set_rlimit(limits[i].resource, limits[i].name, limits[i].value, e);
		if (r < 0)
			return r;
	}
	umask(022);
	return 0;
}

int step_stdio(struct jail *j, struct err *e)
{
	for (int i = 0; i < 3; i++) {
		int from = j->tty_fd >= 0 ? j->tty_fd : j->stdio[i];
		auto_close int null_fd = -1;
		if (from < 0) {
			null_fd = open("/dev/null", O_RDWR | O_NOCTTY | O_CLOEXEC);
			from = null_fd;
		}
		if (from < 0 || dup2(from, i) < 0)
			return err_set(e, ERR_SETUP, errno, "set up descriptor %d", i);
		/* dup2 onto itself would keep CLOEXEC; it never is: the jail's descriptors lie
		 * above 2. */
	}
	return 0;
}

static bool is_roots(unsigned cap)
{
	bool found = false;
	for (size_t i = 0; i < ARRAY_SIZE(root_capabilities); i++)
		found = found || root_capabilities[i] == cap;
	return found;
}

static int drop_bounding(unsigned cap, struct err *e)
{
	if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == 0)
		return 0;
	return err_set(e, ERR_SETUP, errno, "drop capability %u from the bounding set", cap);
}

/* In jail init, which executes nothing: what every task inherits. */
int step_bounding_set(struct jail *j, struct err *e)
{
	for (unsigned cap = 0; cap <= 63 && prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++) {
		int r = is_roots(cap) ? 0 : drop_bounding(cap, e);
		if (r < 0)
			return r;
	}
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return err_set(e, ERR_SETUP, errno, "clear the ambient capabilities");
	return 0;
}

int step_capabilities(struct jail *j, struct err *e)
{
	int r = 0;
	for (size_t i = 0;
		r == 0 && j->plan->user == PLAN_USER_AGENT && i < ARRAY_SIZE(root_capabilities);
		i++)
		r = drop_bounding(root_capabilities[i], e);
	return r;
}

static int set_capabilities(uint64_t set, struct err *e)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = {
		{ .effective = (uint32_t)set, .permitted = (uint32_t)set },
		{ .effective = (uint32_t)(set >> 32), .permitted = (uint32_t)(set >> 32) },
	};
	if (syscall(SYS_capset, &header, data) < 0)
		return err_set(e, ERR_SETUP, errno, "set capabilities");
	return 0;
}

int step_credentials(struct jail *j, struct err *e)
{
	uid_t id = jail_task_uid(j);
	/* In single-id mode setgroups is denied for good, and there are no groups but the one. */
	if (j->mode != WARDEN_MODE_SINGLE && setgroups(0, NULL) < 0)
		return err_set(e, ERR_SETUP, errno, "drop supplementary groups");
	if (setresgid(id, id, id) < 0 || setresuid(id, id, id) < 0)
		return err_set(e, ERR_SETUP, errno, "become uid %u", id);
	uint64_t keep = 0;
	for (size_t i = 0; j->plan->user == PLAN_USER_ROOT && i < ARRAY_SIZE(root_capabilities);
		i++)
		keep |= 1ull << root_capabilities[i];
	return set_capabilities(keep, e);
}

int step_workdir(struct jail *j, struct err *e)
{
	if (chdir(j->cwd) < 0) {
		err_set_field(e, ERR_BAD_VALUE, "task.cwd", "cannot start in %s: %s", j->cwd,
			strerror(errno));
		e->errnum = errno;
		err_hint(e, "it must be a directory inside the jail that the task may enter");
		return -errno;
	}
	/* A path through a magic link can lead outside the root: the kernel then says
	 * "(unreachable)". */
	char where[4096];
	long n = syscall(SYS_getcwd, where, sizeof(where));
	if (n <= 0 || where[0] != '/')
		return err_set_field(
			e, ERR_BAD_VALUE, "task.cwd", "%s is not inside the jail", j->cwd);
	return 0;
}

int step_no_new_privs(struct jail *j, struct err *e)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_set(e, ERR_SETUP, errno, "set no_new_privs");
	return 0;
}

int step_landlock(struct jail *j, struct err *e)
{
	/* Scopes came with ABI 6: abstract Unix sockets and signals stay within this domain. */
	struct {
		uint64_t handled_access_fs, handled_access_net, scoped;
	} attr = { .scoped = 3 };
	if (j->landlock_abi < 6)
		return 0;
	auto_close int fd = (int)syscall(444, &attr, sizeof(attr), 0);
	if (fd < 0 || syscall(446, fd, 0) < 0)
		return err_set(
			e, ERR_SETUP, errno, "restrict signals and abstract sockets with Landlock");
	return 0;
}

int step_close_fds(struct jail *j, struct err *e)
{
	int first = STDERR_FILENO + 1;
	if (j->exec_fd >= 0) {
		if (j->exec_fd != EXEC_FD && dup3(j->exec_fd, EXEC_FD, O_CLOEXEC) < 0)
			return err_set(e, ERR_SETUP, errno, "keep a descriptor");
		first = EXEC_FD + 1;
	}
	int r = sys_close_range((unsigned)first, ~0u);
	return r < 0 ? err_set(e, ERR_SETUP, -r, "close descriptors") : 0;
}

int step_seccomp(struct jail *j, struct err *e)
{
	int r = j->seccomp_shared ? seccomp_filter_load(j->seccomp_shared) : 0;
	if (r == 0)
		r = seccomp_filter_load(j->seccomp);
	return r < 0 ? err_set(e, ERR_SETUP, -r, "load the system call filter") : 0;
}

/* The environment: a fixed base, then the request's own entries, which win. */
static int make_environment(const struct jail *j, char ***ret_env)
{
	bool root = j->plan->user == PLAN_USER_ROOT;
	const char *const base[] = {
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		root ? "HOME=/root" : "HOME=" PLAN_AGENT_HOME,
		root ? "USER=root" : "USER=" PLAN_AGENT_NAME,
		root ? "LOGNAME=root" : "LOGNAME=" PLAN_AGENT_NAME,
		"LANG=C.UTF-8",
		j->plan->tty ? "TERM=xterm-256color" : "TERM=dumb",
		"TMPDIR=/tmp",
	};
	size_t n = 0, given = strv_len(j->plan->env);
	char **env = calloc(ARRAY_SIZE(base) + given + 1, sizeof(char *));
	if (!env)
		return -ENOMEM;
	for (size_t i = 0; i < ARRAY_SIZE(base); i++) {
		size_t name_len = strcspn(base[i], "=") + 1;
		bool replaced = false;
		for (size_t k = 0; k < given; k++)
			replaced |= !strncmp(j->plan->env[k], base[i], name_len);
		if (!replaced)
			env[n++] = (char *)base[i];
	}
	for (size_t k = 0; k < given; k++)
		env[n++] = j->plan->env[k];
	*ret_env = env;
	return 0;
}

/* The process. What it returns is its exit code: it has failed. */
static int task_main(void *arg)
{
	struct task_start *s = arg;
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (steps_run_task(s->jail, &s->err) < 0) {
		s->has_failed = true;
		return 127;
	}
	s->phase = TASK_PHASE_EXEC;
	s->exec_ns = clock_mono_ns();
	const char *name = s->jail->plan->argv[0];
	if (s->jail->exec_fd >= 0) {
		static const char *const no_env[] = { NULL };
		name = s->jail->exec_argv[0];
		syscall(SYS_execveat, EXEC_FD, "", s->jail->exec_argv, no_env, AT_EMPTY_PATH);
	} else {
		/* execvp looks for the command in the task's PATH, not in ours. */
		environ = s->env;
		execvp(name, s->jail->plan->argv);
	}
	err_set(&s->err, ERR_EXEC, errno, "execute %.200s", name);
	s->has_failed = true;
	return 127;
}

pid_t task_start(struct jail *j, struct task_start *s)
{
	static _Alignas(16) char stack[TASK_STACK_BYTES];
	char **own_env = environ;
	*s = (struct task_start){ .jail = j, .phase = TASK_PHASE_SETUP };
	if (make_environment(j, &s->env) < 0)
		return -ENOMEM;
	pid_t pid = clone(task_main, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | SIGCHLD, s);
	int r = pid < 0 ? -errno : pid;
	environ = own_env;
	free(s->env);
	s->env = NULL;
	/* Its change of ids has made the memory that both have as dumpable as the host's
	 * fs.suid_dumpable says. */
	if (prctl(PR_SET_DUMPABLE, 0) < 0)
		abort();
	return r;
}
