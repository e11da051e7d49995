/* The daemon's side of the keeper: see keeper.h. */
#include "daemon/keeper.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"
#include "plan/keeper.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define WARDEN_NAME   "dayfly-warden"
#define UNPACK_NAME   "dayfly-unpack"
#define CLOSE_WAIT_MS 2000

extern char **environ;

/* Beside a program of ours (a build folder), or where an installation that was moved has it. NULL:
 * in neither place. */
static char *find_beside(const char *name, int dir_len, const char *exe)
{
	static const char *const places[] = { "/", "/../libexec/dayfly/" };
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		char *path = NULL;
		if (asprintf(&path, "%.*s%s%s", dir_len, exe, places[i], name) < 0)
			return NULL;
		if (access(path, X_OK) == 0)
			return path;
		free(path);
	}
	return NULL;
}

int keeper_find_warden(const char *given, char **ret_path, struct err *e)
{
	char exe[4096] = "";
	auto_free char *path = NULL;
	if (given) {
		path = strdup(given);
	} else {
		ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
		exe[n > 0 ? n : 0] = '\0';
		char *slash = strrchr(exe, '/');
		path = slash ? find_beside(WARDEN_NAME, (int)(slash - exe), exe) : NULL;
		if (!path)
			path = strdup(DAYFLY_LIBEXECDIR "/" WARDEN_NAME);
	}
	if (!path)
		return err_set(e, ERR_INTERNAL, ENOMEM, "find the warden");
	if (access(path, X_OK) < 0) {
		int r = err_set(e, ERR_INTERNAL, errno, "the warden cannot be run: %s", path);
		err_hint(e, "%s",
			given || exe[0] ? "give its path with --warden"
					: "mount /proc: dayflyd cannot see where it lies itself");
		return r;
	}
	*ret_path = take_ptr(path);
	return 0;
}

/* Beside the warden, then where the warden is looked for. The warden says when it is missing and
 * needed. */
static char *find_unpack(const char *warden)
{
	char exe[4096];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	exe[n > 0 ? n : 0] = '\0';
	const char *const beside[] = { warden, exe };
	for (size_t i = 0; i < ARRAY_SIZE(beside); i++) {
		const char *slash = strrchr(beside[i], '/');
		char *path = slash ? find_beside(UNPACK_NAME, (int)(slash - beside[i]), beside[i])
				   : NULL;
		if (path)
			return path;
	}
	return strdup(DAYFLY_LIBEXECDIR "/" UNPACK_NAME);
}

/* Ours without what a service manager says to us alone. The texts are borrowed. */
static char **keeper_environment(void)
{
	static const char *const kept_back[] = { "NOTIFY_SOCKET=", "LISTEN_", "WATCHDOG_",
		"CREDENTIALS_DIRECTORY=" };
	char **env = calloc(strv_len(environ) + 1, sizeof(*env));
	size_t n = 0;
	for (char **v = environ; env && v && *v; v++) {
		bool is_kept_back = false;
		for (size_t i = 0; i < ARRAY_SIZE(kept_back); i++)
			is_kept_back = is_kept_back || str_starts(*v, kept_back[i]);
		if (!is_kept_back)
			env[n++] = *v;
	}
	return env;
}

static int spawn(struct keeper *k, int theirs, const char *path, const struct keeper_args *args)
{
	char ids[48], total[96], owner[16];
	auto_free char *unpack = find_unpack(path);
	const struct plan_limits *t = &args->total;
	snprintf(ids, sizeof(ids), "%" PRIu64 ":%" PRIu64, args->ids_base, args->ids_count);
	snprintf(total, sizeof(total), "%" PRIu64 ":%" PRIu64 ":%" PRIu64 ":%" PRIu64,
		t->memory_bytes, t->swap_bytes, t->cpu_millis, t->pids);
	snprintf(owner, sizeof(owner), "%" PRIu32, args->owner_uid);
	const char *const argv[] = { WARDEN_NAME, "--keeper", "--upper", args->upper, "--ids", ids,
		"--total", total, "--unpack", unpack, args->owner_uid ? "--owner" : "--total",
		args->owner_uid ? owner : total, args->state_dir ? "--state-dir" : NULL,
		args->state_dir, NULL };
	auto_free char **env = keeper_environment();
	if (!env || !unpack)
		return -ENOMEM;
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t all, none;
	sigfillset(&all);
	sigemptyset(&none);
	int r = posix_spawn_file_actions_init(&actions);
	if (r)
		return -r;
	r = posix_spawnattr_init(&attr);
	if (r) {
		posix_spawn_file_actions_destroy(&actions);
		return -r;
	}
	/* A session of its own: Ctrl-C at the daemon's terminal is not for it. */
	posix_spawnattr_setflags(
		&attr, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
	posix_spawnattr_setsigdefault(&attr, &all);
	posix_spawnattr_setsigmask(&attr, &none);
	r = posix_spawn_file_actions_adddup2(&actions, theirs, KEEPER_FD);
	if (r == 0)
		r = posix_spawn(&k->pid, path, &actions, &attr, (char **)argv, env);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&actions);
	return -r;
}

int keeper_start(
	struct keeper *k, const char *warden_path, const struct keeper_args *args, struct err *e)
{
	int pair[2];
	*k = (struct keeper){ .fd = -1 };
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_set(e, ERR_INTERNAL, errno, "make a socket pair");
	k->fd = pair[0];
	auto_close int theirs = pair[1];
	int r = fd_set_nonblock(k->fd);
	if (r == 0)
		r = spawn(k, theirs, warden_path, args);
	if (r < 0) {
		fd_close(&k->fd);
		k->pid = 0;
		return err_set(e, ERR_INTERNAL, -r, "start %s", warden_path);
	}
	return 0;
}

static int send_request(struct keeper *k, const struct keeper_request *rq, const int *fds,
	size_t n_fds, struct err *e)
{
	ssize_t n = k->fd < 0 ? -EPIPE : fd_send(k->fd, rq, sizeof(*rq), fds, n_fds);
	return n < 0 ? err_set(e, ERR_WARDEN, (int)-n, "talk to the keeper") : 0;
}

int keeper_guard_socket(
	struct keeper *k, const char *path, dev_t dev, ino_t ino, bool remove_dir, struct err *e)
{
	struct keeper_request rq = {
		.version = KEEPER_VERSION,
		.type = KEEPER_UNLINK,
		.dev = dev,
		.ino = ino,
		.remove_dir = remove_dir,
	};
	if (strlen(path) >= sizeof(rq.path))
		return err_set(e, ERR_INTERNAL, ENAMETOOLONG, "guard %s", path);
	memcpy(rq.path, path, strlen(path) + 1);
	return send_request(k, &rq, NULL, 0, e);
}

int keeper_ask_warden(struct keeper *k, int *ret_fd, struct err *e)
{
	struct keeper_request rq = { .version = KEEPER_VERSION, .type = KEEPER_WORKER };
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_set(e, ERR_INTERNAL, errno, "make a socket pair");
	auto_close int ours = pair[0];
	auto_close int theirs = pair[1];
	int r = send_request(k, &rq, &theirs, 1, e);
	if (r < 0)
		return r;
	r = fd_set_nonblock(ours);
	if (r < 0)
		return err_set(e, ERR_INTERNAL, -r, "set up the warden's connection");
	*ret_fd = fd_take(&ours);
	return 0;
}

int keeper_ask_probe(struct keeper *k, const char *warden_path, int *ret_fd, struct err *e)
{
	struct keeper_request rq = { .version = KEEPER_VERSION, .type = KEEPER_PROBE };
	int fds[2];
	int r = fd_pipe(fds);
	if (r < 0)
		return err_set(e, ERR_INTERNAL, -r, "make a pipe");
	auto_close int ours = fds[0];
	auto_close int theirs = fds[1];
	/* Only for advice in the findings: one that does not fit is left out. */
	if (strlen(warden_path) < sizeof(rq.path))
		memcpy(rq.path, warden_path, strlen(warden_path) + 1);
	r = send_request(k, &rq, &theirs, 1, e);
	if (r == 0)
		r = fd_set_nonblock(ours);
	if (r == 0)
		*ret_fd = fd_take(&ours);
	return r;
}

int keeper_read_answer(struct keeper *k, int32_t *ret_answer)
{
	ssize_t n;
	do
		/* MSG_TRUNC: the length that was sent. */
		n = recv(k->fd, ret_answer, sizeof(*ret_answer), MSG_DONTWAIT | MSG_TRUNC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? 0 : -EPIPE;
	return n == sizeof(*ret_answer) ? 1 : -EPIPE;
}

int keeper_wait_readable(int fd, int timeout_ms)
{
	uint64_t end = clock_mono_ns() + (uint64_t)timeout_ms * NS_PER_MS;
	struct pollfd p = { .fd = fd, .events = POLLIN };
	for (;;) {
		uint64_t now = clock_mono_ns();
		int r = poll(&p, 1, now >= end ? 0 : (int)((end - now) / NS_PER_MS) + 1);
		if (r > 0)
			return 0;
		if (r == 0)
			return -ETIMEDOUT;
		if (errno != EINTR)
			return -errno;
	}
}

void keeper_close(struct keeper *k, bool wait)
{
	if (k->fd >= 0 && wait && shutdown(k->fd, SHUT_WR) == 0) {
		/* End of file on our side says that it is gone. Late answers come before that. */
		int32_t answer;
		while (keeper_wait_readable(k->fd, CLOSE_WAIT_MS) == 0 &&
			keeper_read_answer(k, &answer) >= 0)
			;
	}
	fd_close(&k->fd);
	if (k->pid > 0)
		waitpid(k->pid, NULL, WNOHANG);
	k->pid = 0;
}
