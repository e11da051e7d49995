/* The cgroup of one jail: see cgroup.h. */
#include "jail/cgroup.h"
#include "jail/cgroup_parse.h"
#include "jail/cgroup_priv.h"
#include "jail/sys.h"

#include "base/cleanup.h"
#include "base/dir.h"
#include "base/fd.h"
#include "base/id.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define NAME_TRIES 8

/* ---- making ---- */

/* A fresh cgroup, whatever lies there already under that name. Returns a descriptor or -errno. */
static int make_fresh(const struct cgroup_tree *t, const char *task, char name[CGROUP_NAME_SIZE])
{
	/* The name comes from the daemon: nothing but a task id becomes part of a path. */
	const char *base = task && id_is_task(task) ? task : "task";
	snprintf(name, CGROUP_NAME_SIZE, "%s", base);
	for (int i = 2; mkdirat(t->tasks_fd, name, 0755) < 0; i++) {
		if (errno != EEXIST || i > NAME_TRIES)
			return -errno;
		snprintf(name, CGROUP_NAME_SIZE, "%.40s.%d", base, i);
	}
	int fd = dir_open(t->tasks_fd, name);
	if (fd < 0)
		unlinkat(t->tasks_fd, name, AT_REMOVEDIR);
	return fd;
}

static int make(struct cgroup_tree *t, const char *task, struct cgroup_task *ret, struct err *e)
{
	ret->fd = make_fresh(t, task, ret->name);
	if (ret->fd == -ENOENT || ret->fd == -ENODEV) {
		/* Somebody has removed `tasks` under us. */
		int r = cgroup_open_tasks(t, e);
		if (r == 0)
			r = cgroup_limits_write_total(t, e);
		if (r < 0)
			return r;
		ret->fd = make_fresh(t, task, ret->name);
	}
	if (ret->fd >= 0)
		return 0;
	int r = ret->fd;
	ret->fd = -1;
	return err_set(e, ERR_SETUP, -r, "make a cgroup in %s/" CGROUP_TASKS, t->path);
}

int cgroup_task_make(struct cgroup_tree *t, const char *task, const struct plan_limits *limits,
	struct cgroup_task *ret, struct err *e)
{
	ret->fd = -1;
	int r = cgroup_limits_check(t, limits, "task.limits", e);
	if (r < 0 || !t->controllers)
		return r;
	r = make(t, task, ret, e);
	if (r == 0)
		r = cgroup_limits_write_task(t, ret->fd, limits, e);
	if (r < 0) {
		if (e)
			snprintf(e->step, sizeof(e->step), "cgroup");
		cgroup_task_remove(t, ret);
		cgroup_task_close(ret);
	}
	return r;
}

int cgroup_task_limit(struct cgroup_tree *t, struct cgroup_task *c,
	const struct plan_limits *limits, struct err *e)
{
	int r = cgroup_limits_check(t, limits, "task.limits", e);
	if (r == 0 && c->fd >= 0)
		r = cgroup_limits_write_task(t, c->fd, limits, e);
	if (r < 0 && e)
		snprintf(e->step, sizeof(e->step), "cgroup");
	return r;
}

/* ---- its end ---- */

void cgroup_task_close(struct cgroup_task *c)
{
	fd_close(&c->fd);
}

bool cgroup_task_is_populated(const struct cgroup_task *c)
{
	auto_free char *text = NULL;
	uint64_t populated = 0;
	return cgroup_read(c->fd, "cgroup.events", &text) == 0 &&
	       cgroup_parse_key(text, "populated", &populated) == 0 && populated;
}

/* Before Linux 5.14: nobody can fork while all are frozen, and a frozen process dies when thawed.
 */
static void freeze_and_kill(int fd)
{
	auto_free char *text = NULL;
	fd_write_file(fd, "cgroup.freeze", "1");
	int r = cgroup_read(fd, "cgroup.procs", &text);
	const char *next = text;
	pid_t pid;
	while (r == 0 && cgroup_parse_pid(&next, &pid))
		/* 0 is one that we cannot see, and would be our own group. */
		if (pid > 1)
			kill(pid, SIGKILL);
	fd_write_file(fd, "cgroup.freeze", "0");
}

void cgroup_task_kill(const struct cgroup_task *c)
{
	if (fd_write_file(c->fd, "cgroup.kill", "1") < 0)
		freeze_and_kill(c->fd);
}

int cgroup_task_remove(const struct cgroup_tree *t, struct cgroup_task *c)
{
	if (c->fd < 0)
		return 0;
	if (unlinkat(t->tasks_fd, c->name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return -errno;
	fd_close(&c->fd);
	return 0;
}

/* ---- trying it ---- */

static bool has_file(int fd, const char *file)
{
	return faccessat(fd, file, W_OK, 0) == 0;
}

/* A process in the new cgroup, as a jail's first will be. */
static int try_clone(int fd, struct err *e)
{
	int pidfd = -1, status;
	pid_t pid = sys_clone_into(0, fd, &pidfd);
	if (pid == 0)
		_exit(0);
	if (pid < 0)
		return err_set(e, ERR_UNSUPPORTED, (int)-pid, "clone a process into a cgroup");
	waitpid(pid, &status, 0);
	fd_close(&pidfd);
	return 0;
}

int cgroup_try(struct cgroup_tree *t, struct err *e)
{
	static const struct plan_limits none;
	static const char *const files[PLAN_CONTROLLER_COUNT] = {
		[PLAN_CONTROLLER_MEMORY] = "memory.max",
		[PLAN_CONTROLLER_PIDS] = "pids.max",
		[PLAN_CONTROLLER_CPU] = "cpu.max",
		[PLAN_CONTROLLER_IO] = "io.max",
	};
	struct cgroup_task c;
	int r = cgroup_task_make(t, NULL, &none, &c, e);
	if (r < 0)
		return r;
	for (unsigned i = 0; i < PLAN_CONTROLLER_COUNT; i++)
		if (!has_file(c.fd, files[i]))
			t->controllers &= ~(1u << i);
	/* Limits of input and output are for a named device each. */
	if (!t->devices)
		t->controllers &= ~(1u << PLAN_CONTROLLER_IO);
	t->has_swap = has_file(c.fd, "memory.swap.max");
	if (!t->is_fake)
		r = try_clone(c.fd, e);
	cgroup_task_remove(t, &c);
	cgroup_task_close(&c);
	return r;
}
