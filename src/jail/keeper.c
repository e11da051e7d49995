/* The keeper: see keeper.h. It does nothing but wait, so it is what is still there when everything
 * else has died. */
#include "jail/keeper.h"
#include "jail/doctor.h"
#include "jail/sys.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "plan/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* One second in all. */
#define LOCK_TRIES    200
#define LOCK_PAUSE_US 5000

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif

/* In a child. What the keeper ignores stays ignored: only the end of dayflyd is to end it. */
static void leave_keeper(const sigset_t *unblocked)
{
	signal(SIGCHLD, SIG_DFL);
	sigprocmask(SIG_SETMASK, unblocked, NULL);
	sys_close_range(KEEPER_FD, KEEPER_FD);
}

static void start_worker(int fd, const struct warden_options *options, const sigset_t *unblocked)
{
	int32_t answer;
	pid_t pid = fork();
	if (pid == 0) {
		leave_keeper(unblocked);
		_exit(warden_main(fd, options));
	}
	answer = pid < 0 ? -errno : pid;
	fd_send(KEEPER_FD, &answer, sizeof(answer), NULL, 0);
}

/* In a child, as the keeper has to wait for dayflyd. It ends by itself when nobody reads. */
static void start_probe(
	int fd, const char *path, const struct warden_options *options, const sigset_t *unblocked)
{
	pid_t pid = fork();
	if (pid > 0)
		return;
	if (pid < 0) {
		log_error("no probe of the host: %s", strerror(errno));
		return;
	}
	leave_keeper(unblocked);
	prctl(PR_SET_NAME, "dayfly-probe");
	FILE *out = fdopen(fd, "we");
	const struct doctor_options o = {
		.out = out,
		.self = path[0] ? path : NULL,
		.state_dir = options->state_dir,
	};
	_exit(out ? doctor_main(&o) : 1);
}

/* Reaps until there is a record or the end of file; SIGCHLD is blocked but for here. */
static void wait_record(const sigset_t *unblocked)
{
	struct pollfd p = { .fd = KEEPER_FD, .events = POLLIN };
	do {
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	} while (ppoll(&p, 1, NULL, unblocked) < 0);
}

static void on_child(int signo)
{
	/* It ends ppoll. */
}

/*
 * The lock of dayflyd, which may take a moment to be gone altogether. If the next dayflyd has it
 * already, its socket may have the old one's inode, and nothing is to be removed.
 */
static int lock_dir(int fd)
{
	for (int i = 0; flock(fd, LOCK_EX | LOCK_NB) < 0; i++) {
		if (errno != EWOULDBLOCK || i == LOCK_TRIES)
			return -errno;
		usleep(LOCK_PAUSE_US);
	}
	return 0;
}

/* The names are removed only if they are still what dayflyd made. */
static void unlink_names(const struct keeper_request *names)
{
	struct stat st;
	auto_free char *dir = strdup(names->path);
	char *slash = dir ? strrchr(dir, '/') : NULL;
	if (!slash || slash == dir)
		return;
	*slash = '\0';
	auto_close int dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dirfd < 0 || lock_dir(dirfd) < 0)
		return;
	if (fstatat(dirfd, slash + 1, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISSOCK(st.st_mode) &&
		st.st_dev == names->dev && st.st_ino == names->ino)
		unlinkat(dirfd, slash + 1, 0);
	if (names->remove_dir)
		rmdir(dir);
}

static bool is_request(const struct keeper_request *rq, ssize_t n)
{
	return n == (ssize_t)sizeof(*rq) && rq->version == KEEPER_VERSION &&
	       memchr(rq->path, '\0', sizeof(rq->path));
}

/* We are the last of our processes there. */
static void leave_cgroup(void)
{
	struct cgroup_place place;
	if (cgroup_place_read(&place, -1) == 0)
		cgroup_tree_undo(&place);
	cgroup_place_finish(&place);
}

/*
 * What killed wardens left on disk. Where tasks have a range of ids, their files are not ours to
 * remove but from a user namespace that has the range, which a child of ours enters as wardens do.
 */
static void sweep(const char *base)
{
	enum warden_mode mode;
	struct err e;
	if (store_sweep(base) == 0 || geteuid() == 0)
		return;
	pid_t pid = fork();
	if (pid == 0) {
		if (rights_find_mode(&mode, &e) == 0 && mode == WARDEN_MODE_SUBUID)
			store_sweep(base);
		_exit(0);
	}
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

int keeper_main(const struct warden_options *options)
{
	struct keeper_request rq, names = { 0 };
	int fds[FD_PASS_MAX];
	size_t n_fds;
	sigset_t children, unblocked;

	prctl(PR_SET_NAME, "dayfly-keeper");
	fd_set_cloexec(KEEPER_FD, 1);
	/* A terminal's Ctrl-C, and a signal to the daemon's whole process group, are the daemon's
	 * affair; we end when it does. */
	setsid();
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGCHLD, on_child);
	sigemptyset(&children);
	sigaddset(&children, SIGCHLD);
	sigprocmask(SIG_BLOCK, &children, &unblocked);
	for (;;) {
		wait_record(&unblocked);
		ssize_t n = fd_recv(KEEPER_FD, &rq, sizeof(rq), fds, &n_fds);
		if (n <= 0)
			break;
		if (is_request(&rq, n) && rq.type == KEEPER_WORKER && n_fds == 1)
			start_worker(fds[0], options, &unblocked);
		else if (is_request(&rq, n) && rq.type == KEEPER_PROBE && n_fds == 1)
			start_probe(fds[0], rq.path, options, &unblocked);
		else if (is_request(&rq, n) && rq.type == KEEPER_UNLINK)
			names = rq;
		else
			log_error("bad record from dayflyd");
		fd_close_many(fds, n_fds);
	}
	unlink_names(&names);
	/* The wardens see the same end of file. What they leave on disk, if they were killed too,
	 * is swept here. */
	while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
		;
	sweep(options->state_dir);
	leave_cgroup();
	return 0;
}

int keeper_seal_executable(char **argv)
{
	auto_close int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	struct stat st;
	if (self < 0 || fstat(self, &st) < 0)
		return -errno;
	const int seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
	if (fcntl(self, F_GET_SEALS) == seals)
		return 0;
	/* Where vm.memfd_noexec is set, being executable must be asked for; kernels before 6.3 do
	 * not know the flag. */
	auto_close int copy =
		memfd_create("dayfly-warden", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);
	if (copy < 0 && errno == EINVAL)
		copy = memfd_create("dayfly-warden", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (copy < 0)
		return -errno;
	for (off_t done = 0; done < st.st_size;) {
		ssize_t n = sendfile(copy, self, NULL, (size_t)(st.st_size - done));
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		done += n;
	}
	if (fchmod(copy, 0500) < 0 || fcntl(copy, F_ADD_SEALS, seals) < 0)
		return -errno;
	fexecve(copy, argv, environ);
	return -errno;
}
