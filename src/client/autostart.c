/*
 * Starting a private daemon: see autostart.h. The daemon is a grandchild, so that the caller has no
 * child to wait for, in a session of its own, with a clean environment and none of the caller's
 * descriptors. It says on a pipe when it listens, or why it cannot.
 */
#include "client/autostart.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/sig.h"
#include "base/str.h"
#include "client/error.h"
#include "client/programs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define IDLE_SECONDS "60"
/* The daemon's end of the pipe, in the daemon. */
#define READY_FD   3
#define READY_TEXT "1\n"

static int find_daemon(char ret[PATH_MAX], struct dayfly_error *e)
{
	int r = program_find("dayflyd", "../sbin", DAYFLY_SBINDIR, ret);
	if (r < 0) {
		error_text(e, ERR_CONNECT, ENOENT,
			"no daemon is running, and there is no dayflyd to start");
		error_hint(e, "install dayflyd in %s or beside dayfly", DAYFLY_SBINDIR);
	}
	return r;
}

/* The few variables that the daemon has a use for. Nothing else of the caller's environment may get
 * near a task. */
static char **clean_environment(void)
{
	static const char *const kept[] = { "PATH", "HOME", "XDG_RUNTIME_DIR", "XDG_STATE_HOME",
		"LANG", "TZ", "USER" };
	char **env = NULL;
	for (size_t i = 0; i < ARRAY_SIZE(kept); i++) {
		const char *value = getenv(kept[i]);
		auto_free char *pair = NULL;
		if (!value)
			continue;
		if (asprintf(&pair, "%s=%s", kept[i], value) < 0) {
			pair = NULL;
			strv_free(env);
			return NULL;
		}
		if (strv_add(&env, pair) < 0) {
			strv_free(env);
			return NULL;
		}
	}
	return env ? env : calloc(1, sizeof(*env));
}

static _Noreturn void fail(int ready_fd, const char *what)
{
	int errnum = errno;
	char text[PATH_MAX + 64];
	int n = snprintf(text, sizeof(text), "%s: %s\n", what, strerror(errnum));
	if (n > 0)
		fd_write_all(ready_fd, text, (size_t)n);
	_exit(127);
}

/*
 * In the grandchild: only calls that are safe after a fork in a program with threads (fail()
 * formats plain text in the C locale, for which neither glibc nor musl allocates). The log file is
 * open already, or -1.
 */
static _Noreturn void become_daemon(
	const char *const argv[], char *const env[], int ready_fd, int log_fd)
{
	sig_reset();
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	/* Out of the way of the numbers that are given out below. */
	int ready = fcntl(ready_fd, F_DUPFD_CLOEXEC, READY_FD + 1);
	if (null < 0 || ready < 0)
		fail(ready_fd, "open /dev/null");
	int errors = log_fd >= 0 ? log_fd : null;
	if (dup2(errors, 2) < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 ||
		dup2(ready, READY_FD) < 0)
		fail(ready, "dup2");
	execve(argv[0], (char *const *)argv, env);
	fail(READY_FD, argv[0]);
}

static int spawn(const char *const argv[], char *const env[], int ready_fd, int log_fd,
	struct dayfly_error *e)
{
	pid_t child = fork();
	if (child < 0)
		return error_set(e, ERR_CONNECT, errno, "start dayflyd: fork");
	if (child == 0) {
		setsid();
		pid_t grandchild = fork();
		if (grandchild != 0)
			_exit(grandchild < 0 ? errno : 0);
		become_daemon(argv, env, ready_fd, log_fd);
	}
	int status = 0;
	while (waitpid(child, &status, 0) < 0) {
		/* ECHILD: the caller ignores SIGCHLD; the pipe tells the rest. */
		if (errno != EINTR)
			return 0;
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) != 0)
		return error_set(e, ERR_CONNECT, WEXITSTATUS(status), "start dayflyd: fork");
	return 0;
}

/* Reads what the daemon says until its line is complete or it closes. Returns the length, or
 * -errno. */
static ssize_t read_ready(int fd, char *text, size_t size, uint64_t deadline_ns)
{
	size_t len = 0;
	while (len + 1 < size) {
		uint64_t now = clock_mono_ns();
		struct pollfd p = { .fd = fd, .events = POLLIN };
		int r = poll(
			&p, 1, now < deadline_ns ? (int)((deadline_ns - now) / NS_PER_MS) + 1 : 0);
		if (r == 0)
			return -ETIMEDOUT;
		if (r < 0 && errno != EINTR)
			return -errno;
		ssize_t n = r < 0 ? -1 : read(fd, text + len, size - 1 - len);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0)
			break;
		len += n > 0 ? (size_t)n : 0;
		if (len >= strlen(READY_TEXT) && str_starts(text, READY_TEXT))
			break;
	}
	text[len] = '\0';
	return (ssize_t)len;
}

/* The first line is the cause; lines that follow it are the hint. */
static int daemon_said(char *text, struct dayfly_error *e)
{
	size_t len = strlen(text);
	while (len && text[len - 1] == '\n')
		text[--len] = '\0';
	char *rest = strchr(text, '\n');
	if (rest)
		*rest++ = '\0';
	error_text(e, ERR_CONNECT, EAGAIN, "%s", text);
	if (rest)
		error_hint(e, "%s", rest);
	return -EAGAIN;
}

/* DAYFLY_LOG names the file for the daemon's own messages; without it they go nowhere, since no
 * file may stay behind. */
static int open_log(int *ret_fd, struct dayfly_error *e)
{
	const char *path = getenv("DAYFLY_LOG");
	if (!path || !*path)
		return 0;
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0600);
	if (fd < 0)
		return error_set(e, ERR_CONNECT, errno, "open DAYFLY_LOG %s", path);
	*ret_fd = fd;
	return 0;
}

int autostart_daemon(const char *socket_path, uint64_t deadline_ns, struct dayfly_error *e)
{
	char program[PATH_MAX], text[1024] = "";
	int pipe_fds[2];
	auto_close int log_fd = -1;
	int r = find_daemon(program, e);
	if (r == 0)
		r = open_log(&log_fd, e);
	if (r < 0)
		return r;
	_Static_assert(READY_FD == 3, "the argument below");
	const char *const argv[] = { program, "--socket", socket_path, "--idle-exit", IDLE_SECONDS,
		"--ready-fd", "3", NULL };
	r = fd_pipe(pipe_fds);
	if (r < 0)
		return error_set(e, ERR_CONNECT, -r, "start dayflyd: pipe");
	auto_close int ready = pipe_fds[0];
	auto_close int theirs = pipe_fds[1];
	char **env = clean_environment();
	r = env ? spawn(argv, env, theirs, log_fd, e)
		: error_set(e, ERR_INTERNAL, ENOMEM, "start dayflyd");
	strv_free(env);
	fd_close(&theirs);
	if (r < 0)
		return r;
	ssize_t n = read_ready(ready, text, sizeof(text), deadline_ns);
	if (n < 0)
		return error_set(
			e, ERR_CONNECT, (int)-n, "dayflyd was started and does not answer");
	if (n == 0)
		snprintf(text, sizeof(text), "dayflyd was started and ended without a word");
	return str_starts(text, READY_TEXT) ? 0 : daemon_said(text, e);
}
