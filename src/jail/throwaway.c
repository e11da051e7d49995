/* Children that are thrown away: see throwaway.h. */
#include "jail/throwaway.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/sig.h"
#include "jail/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* How long a killed child may take to die before it is left to the kernel. */
#define REAP_MS 3000

struct answer {
	int value;
	struct err err;
	char result[THROWAWAY_RESULT_MAX];
};

struct child {
	pid_t pid;
	int pidfd;
	int go_fd;     /* closed or written: the child may start */
	int answer_fd; /* what the child says */
	uint64_t deadline_ns;
};

static void child_close(struct child *c)
{
	fd_close(&c->pidfd);
	fd_close(&c->go_fd);
	fd_close(&c->answer_fd);
}

/*
 * clone3 where it is there. Seccomp filters of containers often answer ENOSYS, as they cannot look
 * into its arguments: then clone, so that a probe of something else can still say what is the
 * matter.
 */
static pid_t clone_child(uint64_t flags, int *ret_pidfd)
{
	pid_t pid = sys_clone(flags, ret_pidfd);
	if (pid != -ENOSYS)
		return pid;
#if defined(__s390__)
	long r = syscall(SYS_clone, 0, flags | CLONE_PIDFD | SIGCHLD, ret_pidfd, NULL, 0);
#else
	long r = syscall(SYS_clone, flags | CLONE_PIDFD | SIGCHLD, 0, ret_pidfd, NULL, 0);
#endif
	return r < 0 ? -errno : (pid_t)r;
}

static int remaining_ms(uint64_t deadline_ns)
{
	uint64_t now = clock_mono_ns();
	return now >= deadline_ns ? 0 : (int)((deadline_ns - now) / NS_PER_MS) + 1;
}

/* Waits for one event. Returns 1, 0 at the deadline, or -errno. */
static int wait_fd(int fd, short events, uint64_t deadline_ns)
{
	for (;;) {
		struct pollfd p = { .fd = fd, .events = events };
		int ms = remaining_ms(deadline_ns);
		int n = poll(&p, 1, ms);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0)
			return 1;
		if (ms == 0)
			return 0;
	}
}

static void kill_child(const struct child *c)
{
	/* The pid is ours until it is reaped, so it is as good as the pidfd where a filter forbids
	 * the latter. */
	if (c->pidfd < 0 || sys_pidfd_send_signal(c->pidfd, SIGKILL) < 0)
		kill(c->pid, SIGKILL);
}

/* Returns 0 with the wait status, or -ETIMEDOUT for a child that does not die (in uninterruptible
 * sleep). */
static int reap_child(const struct child *c, uint64_t deadline_ns, int *ret_status)
{
	if (wait_fd(c->pidfd, POLLIN, deadline_ns) == 0)
		return -ETIMEDOUT;
	pid_t r;
	do {
		r = waitpid(c->pid, ret_status, 0);
	} while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : 0;
}

static void limit_child(void)
{
	/* Not non-dumpable: then the parent could not open this process's uid_map. */
	const struct rlimit no_core = { 0, 0 };
	setrlimit(RLIMIT_CORE, &no_core);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
}

_Noreturn static void child_main(const struct throwaway *t, int go_fd, int answer_fd)
{
	struct answer a = { 0 };
	char go;
	sig_reset();
	limit_child();
	/* End of file: the parent is gone or could not write the maps. */
	if (t->map && fd_read_all(go_fd, &go, 1) < 0)
		_exit(1);
	a.value = t->fn(t->arg, &a.err);
	if (t->result)
		memcpy(a.result, t->result, t->result_size);
	fd_write_all(answer_fd, &a, offsetof(struct answer, result) + t->result_size);
	_exit(0);
}

static int start_child(const struct throwaway *t, struct child *c, struct err *e)
{
	int go[2], answer[2];
	int r = fd_pipe(go);
	if (r < 0)
		return err_set(e, ERR_INTERNAL, -r, "make a pipe");
	r = fd_pipe(answer);
	if (r < 0) {
		fd_close_many(go, 2);
		return err_set(e, ERR_INTERNAL, -r, "make a pipe");
	}
	c->pid = clone_child(t->flags, &c->pidfd);
	if (c->pid == 0) {
		fd_close(&go[1]);
		fd_close(&answer[0]);
		child_main(t, go[0], answer[1]);
	}
	fd_close(&go[0]);
	fd_close(&answer[1]);
	c->go_fd = go[1];
	c->answer_fd = answer[0];
	if (c->pid < 0) {
		child_close(c);
		return err_set(
			e, ERR_SETUP, -c->pid, t->flags ? "create namespaces" : "create a process");
	}
	return 0;
}

static int release_child(const struct throwaway *t, struct child *c, struct err *e)
{
	if (!t->map)
		return 0;
	int r = t->map(c->pid, t->arg, e);
	if (r < 0)
		return r;
	/* A child that has died already shows as a missing answer; its broken pipe must not kill
	 * us. */
	struct sigaction ignore = { .sa_handler = SIG_IGN }, old;
	sigaction(SIGPIPE, &ignore, &old);
	fd_write_all(c->go_fd, "g", 1);
	sigaction(SIGPIPE, &old, NULL);
	return 0;
}

/* Returns 0 with the answer, -ETIMEDOUT, or -EPIPE when the child died first. */
static int read_answer(const struct throwaway *t, const struct child *c, struct answer *a)
{
	size_t want = offsetof(struct answer, result) + t->result_size, have = 0;
	while (have < want) {
		int r = wait_fd(c->answer_fd, POLLIN, c->deadline_ns);
		if (r <= 0)
			return r < 0 ? r : -ETIMEDOUT;
		ssize_t n = read(c->answer_fd, (char *)a + have, want - have);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0)
			return -EPIPE;
		have += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

static int no_answer(int r, int status, struct err *e)
{
	if (r == -ETIMEDOUT)
		return err_set(
			e, ERR_SETUP, ETIMEDOUT, "the probe did not end in time and was killed");
	if (r == -EPIPE && WIFSIGNALED(status)) {
		err_set(e, ERR_SETUP, 0, "the probe was killed by signal %d (%s)", WTERMSIG(status),
			strsignal(WTERMSIG(status)));
		if (e)
			e->errnum = ECHILD;
		return -ECHILD;
	}
	return err_set(
		e, ERR_SETUP, r == -EPIPE ? ECHILD : -r, "the probe ended without an answer");
}

int throwaway_run(const struct throwaway *t, struct err *e)
{
	struct child c = { .pidfd = -1, .go_fd = -1, .answer_fd = -1 };
	struct answer a = { 0 };
	int status = 0;
	if (t->result_size > THROWAWAY_RESULT_MAX)
		return err_set(
			e, ERR_INTERNAL, EINVAL, "the result of a throw-away child is too large");
	c.deadline_ns =
		clock_mono_ns() +
		(uint64_t)(t->timeout_ms ? t->timeout_ms : THROWAWAY_TIMEOUT_MS) * NS_PER_MS;
	int r = start_child(t, &c, e);
	if (r < 0)
		return r;

	int released = release_child(t, &c, e);
	r = released < 0 ? released : read_answer(t, &c, &a);
	/* A child that died without an answer has a status worth reading; any other is not needed
	 * any more. */
	if (r != -EPIPE || wait_fd(c.pidfd, POLLIN, c.deadline_ns) <= 0)
		kill_child(&c);
	int reaped = reap_child(&c, clock_mono_ns() + REAP_MS * NS_PER_MS, &status);
	child_close(&c);
	if (released < 0)
		return released;
	if (reaped < 0)
		return err_set(e, ERR_SETUP, -reaped, "the killed probe (pid %d) does not go away",
			(int)c.pid);
	if (r < 0)
		return no_answer(r, status, e);
	if (t->result_size)
		memcpy(t->result, a.result, t->result_size);
	if (a.value < 0 && e)
		*e = a.err;
	return a.value;
}

static int write_map(pid_t pid, const char *file, const char *text, struct err *e)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	int r = fd_write_file(AT_FDCWD, path, text);
	return r < 0 ? err_set(e, ERR_SETUP, -r, "write /proc/PID/%s", file) : 0;
}

int throwaway_map_single(pid_t pid, uid_t inside, struct err *e)
{
	char text[64];
	/* Without privileges a gid map is accepted only after setgroups has been given up. */
	int r = write_map(pid, "setgroups", "deny", e);
	snprintf(text, sizeof(text), "%u %u 1\n", inside, geteuid());
	if (r == 0)
		r = write_map(pid, "uid_map", text, e);
	snprintf(text, sizeof(text), "%u %u 1\n", inside, getegid());
	return r < 0 ? r : write_map(pid, "gid_map", text, e);
}

int throwaway_map_range(pid_t pid, uid_t first, uint32_t count, struct err *e)
{
	char text[64];
	snprintf(text, sizeof(text), "0 %u %" PRIu32 "\n", first, count);
	int r = write_map(pid, "uid_map", text, e);
	return r < 0 ? r : write_map(pid, "gid_map", text, e);
}

int throwaway_become_root(struct err *e)
{
	if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
		return err_set(e, ERR_SETUP, errno, "take id 0 of the namespace");
	/* Not allowed where setgroups is denied, and not needed there. */
	if (setgroups(0, NULL) < 0 && errno != EPERM)
		return err_set(e, ERR_SETUP, errno, "drop supplementary groups");
	/* A change of ids clears both. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_DUMPABLE, 1);
	return 0;
}

_Noreturn static void exec_child(const char *path, char *const argv[], int out_fd)
{
	static char *const empty_env[] = { NULL };
	sig_reset();
	limit_child();
	int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (dup2(null_fd, 0) < 0 || dup2(out_fd, 1) < 0 || dup2(out_fd, 2) < 0)
		_exit(127);
	execve(path, argv, empty_env);
	_exit(127);
}

/* Reads to the end of file; what has no room is dropped. Returns 0 or -ETIMEDOUT or another -errno.
 */
static int drain(int fd, uint64_t deadline_ns, char *out, size_t out_size)
{
	char block[512];
	size_t len = 0;
	for (;;) {
		int r = wait_fd(fd, POLLIN, deadline_ns);
		if (r <= 0)
			return r < 0 ? r : -ETIMEDOUT;
		ssize_t n = read(fd, block, sizeof(block));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0;
		size_t keep = (size_t)n < out_size - 1 - len ? (size_t)n : out_size - 1 - len;
		memcpy(out + len, block, keep);
		len += keep;
		out[len] = '\0';
	}
}

int throwaway_exec(const char *path, char *const argv[], unsigned timeout_ms, char *out,
	size_t out_size, struct err *e)
{
	int pipe_fds[2], status = 0;
	struct child c = { .pidfd = -1, .go_fd = -1, .answer_fd = -1 };
	c.deadline_ns = clock_mono_ns() + (uint64_t)timeout_ms * NS_PER_MS;
	out[0] = '\0';
	int r = fd_pipe(pipe_fds);
	if (r < 0)
		return err_set(e, ERR_INTERNAL, -r, "make a pipe");
	c.pid = clone_child(0, &c.pidfd);
	if (c.pid == 0)
		exec_child(path, argv, pipe_fds[1]);
	fd_close(&pipe_fds[1]);
	c.answer_fd = pipe_fds[0];
	if (c.pid < 0) {
		child_close(&c);
		return err_set(e, ERR_INTERNAL, -c.pid, "create a process");
	}
	r = drain(c.answer_fd, c.deadline_ns, out, out_size);
	if (r < 0 || wait_fd(c.pidfd, POLLIN, c.deadline_ns) <= 0) {
		kill_child(&c);
		r = r < 0 ? r : -ETIMEDOUT;
	}
	int reaped = reap_child(&c, clock_mono_ns() + REAP_MS * NS_PER_MS, &status);
	child_close(&c);
	if (r < 0 || reaped < 0)
		return err_set(e, ERR_SETUP, r < 0 ? -r : -reaped, "run %s", path);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
