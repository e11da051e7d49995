/*
 * Tars become files of the jail. Jail init only makes the directory; dayfly-unpack does the rest,
 * as the first process of the jail, with all that the task gets and no more: ids, limits, filters,
 * network. Nothing of it is left when the task starts. Runs in jail init.
 */
#include "jail/mount.h"
#include "jail/steps.h"
#include "jail/task.h"

#include "base/fd.h"
#include "base/str.h"
#include "unpack/status.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#define WORD_BYTES 200

/* Who says a word to us, or goes, wants the jail to end: there is no task yet. */
static void check_lifeline(struct jail *j)
{
	struct wire_request rq;
	int fds[FD_PASS_MAX];
	size_t n_fds = 0;
	ssize_t n = fd_recv(j->status_fd, &rq, sizeof(rq), fds, &n_fds);
	if (n == -EAGAIN)
		return;
	if (n <= 0 || wire_request_check(&rq, (size_t)n) < 0 || rq.type == WIRE_KILL)
		_exit(1);
	fd_close_many(fds, n_fds);
}

/* What the process says of itself until it ends: its first bytes, never believed. */
static void listen_to(struct jail *j, int fd, char word[WORD_BYTES])
{
	struct pollfd polls[2] = {
		{ .fd = fd, .events = POLLIN },
		{ .fd = j->status_fd, .events = POLLIN },
	};
	size_t len = 0;
	for (;;) {
		char more[512];
		if (poll(polls, 2, -1) < 0)
			continue;
		if (polls[1].revents)
			check_lifeline(j);
		if (!polls[0].revents)
			continue;
		ssize_t n = read(fd, more, sizeof(more));
		if (n == 0 || (n < 0 && errno != EINTR))
			break;
		size_t room = WORD_BYTES - 1 - len, take = n > 0 ? (size_t)n : 0;
		take = take < room ? take : room;
		memcpy(word + len, more, take);
		len += take;
	}
	word[len] = '\0';
	word[strcspn(word, "\n")] = '\0';
}

static int explain(const struct plan_tar *t, int status, const char *word, struct err *e)
{
	char shown[WORD_BYTES * 4];
	str_escape(word, strlen(word), shown, sizeof(shown));
	if (WIFSIGNALED(status))
		return err_set(e, ERR_SETUP, EIO, "unpack it at %.100s: ended by signal %d",
			t->target, WTERMSIG(status));
	if (!WIFEXITED(status) || WEXITSTATUS(status) == UNPACK_OK)
		return 0;
	switch (WEXITSTATUS(status)) {
	case UNPACK_REFUSED:
		err_set(e, ERR_BAD_VALUE, 0, "not a tar that can be taken: %.150s", shown);
		err_hint(e, "ustar, pax and GNU tar, plain or by gzip, bzip2, xz or zstd; files, "
			    "directories and links below their directory");
		return -EINVAL;
	case UNPACK_NO_ROOM:
		err_set(e, ERR_SETUP, ENOSPC, "unpack it at %.100s: %.150s", t->target, shown);
		err_hint(e, "it counts as what the task writes: raise limits.disk or "
			    "limits.inodes");
		return -ENOSPC;
	default:
		err_set(e, ERR_SETUP, EACCES, "unpack it at %.100s: %.150s", t->target, shown);
		err_hint(e, "it is unpacked with the task's rights: choose a directory that the "
			    "task may write to, or one that is not there yet");
		return -EACCES;
	}
}

static int start(struct jail *j, struct jail *as, int *ret_fd, struct err *e)
{
	struct task_start s;
	int pipe_fds[2];
	int r = fd_pipe(pipe_fds);
	if (r < 0)
		return err_set(e, ERR_SETUP, -r, "make a pipe");
	as->stdio[2] = pipe_fds[1];
	pid_t pid = task_start(as, &s);
	fd_close(&pipe_fds[1]);
	*ret_fd = pipe_fds[0];
	if (pid < 0)
		return err_set(e, ERR_SETUP, -pid, "clone a process");
	if (!s.has_failed && s.phase == TASK_PHASE_EXEC)
		return pid;
	waitpid(pid, NULL, 0);
	if (!s.has_failed)
		return err_set(e, ERR_SETUP, EIO, "the process died before it could start");
	*e = s.err;
	e->code = ERR_SETUP;
	return -EIO;
}

static int unpack(struct jail *j, const struct plan_tar *t, int tar_fd, struct err *e)
{
	char bytes[24], entries[24], word[WORD_BYTES];
	const struct plan_limits *l = &j->plan->limits;
	snprintf(bytes, sizeof(bytes), "%" PRIu64, l->disk_bytes);
	snprintf(entries, sizeof(entries), "%" PRIu64, l->disk_inodes);
	const char *const argv[] = { "dayfly-unpack", bytes, entries, NULL };
	auto_close int dir = mount_dir_for(j->root_fd, t->target, jail_task_uid(j), e);
	if (dir < 0)
		return dir;
	struct jail as = *j;
	as.stdio[0] = tar_fd;
	as.stdio[1] = as.tty_fd = -1;
	as.cwd = t->target;
	as.exec_fd = j->unpack_fd;
	as.exec_argv = argv;
	auto_close int said = -1;
	int status = 0;
	pid_t pid = start(j, &as, &said, e);
	if (pid < 0)
		return pid;
	listen_to(j, said, word);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return explain(t, status, word, e);
}

int step_tars(struct jail *j, struct err *e)
{
	int r = 0;
	for (size_t i = 0; r == 0 && i < j->plan->n_tars; i++) {
		bool is_stdin = j->plan->tars[i].fd_index < 0;
		int *fd = is_stdin ? &j->stdio[0] : &j->tar_fds[i];
		r = unpack(j, &j->plan->tars[i], *fd, e);
		/* The task has no part in it. */
		fd_close(fd);
		if (r < 0)
			snprintf(e->field, sizeof(e->field), "task.tars[%zu]", i);
	}
	/* Whatever an archive may have made of its reader: it ends here. */
	while (kill(-1, SIGKILL) == 0 && waitpid(-1, NULL, 0) > 0)
		;
	fd_close(&j->unpack_fd);
	return r;
}
