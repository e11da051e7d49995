/*
 * What a task uses while it runs: see warden.h. The warden's one thread must not be kept by a task
 * that has very many processes: without a cgroup, which would count them, so many are looked at and
 * no more, and of a larger task nothing is known.
 */
#include "jail/proc_stat.h"
#include "jail/warden.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fd.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PROCESSES_MAX 128
#define THREADS_MAX   512
#define FILE_MAX      16384

struct walk {
	pid_t left[PROCESSES_MAX]; /* to be looked at */
	size_t n_left, n_seen, n_threads;
	uint64_t ticks, pages;
};

static int add_children(struct walk *w, pid_t pid, const char *tid)
{
	char path[64];
	auto_free char *text = NULL;
	pid_t child;
	snprintf(path, sizeof(path), "/proc/%d/task/%.12s/children", (int)pid, tid);
	ssize_t n = fd_read_file(-1, path, FILE_MAX, &text);
	if (n < 0)
		return (int)n;
	for (const char *p = text; proc_children_next(&p, &child);) {
		if (w->n_left == PROCESSES_MAX || w->n_seen + w->n_left >= PROCESSES_MAX)
			return -E2BIG;
		w->left[w->n_left++] = child;
	}
	return 0;
}

/* A child hangs on the thread that has forked it. */
static int add_all_children(struct walk *w, pid_t pid)
{
	char path[32];
	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	DIR *dir = opendir(path);
	int r = dir ? 0 : -errno;
	struct dirent *d;
	while (r == 0 && (d = readdir(dir))) {
		if (d->d_name[0] == '.')
			continue;
		r = ++w->n_threads > THREADS_MAX ? -E2BIG : add_children(w, pid, d->d_name);
		/* A thread that has just ended. */
		if (r == -ESRCH || (r == -ENOENT && w->n_seen > 1))
			r = 0;
	}
	if (dir)
		closedir(dir);
	return r;
}

static int add_process(struct walk *w, pid_t pid)
{
	char path[32];
	auto_free char *text = NULL;
	struct proc_stat stat;
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	ssize_t n = fd_read_file(-1, path, FILE_MAX, &text);
	int r = n < 0 ? (int)n : proc_stat_parse(text, &stat);
	if (r < 0)
		return r;
	w->n_seen++;
	w->ticks += stat.cpu_ticks;
	w->pages += stat.rss_pages;
	return add_all_children(w, pid);
}

static void read_processes(pid_t init, struct wire_now *now)
{
	struct walk w = { .left = { init }, .n_left = 1 };
	long hz = sysconf(_SC_CLK_TCK), page = sysconf(_SC_PAGESIZE);
	while (w.n_left) {
		pid_t pid = w.left[--w.n_left];
		int r = add_process(&w, pid);
		/* One that has just ended is counted with its parent the next time. */
		bool has_ended = (r == -ENOENT || r == -ESRCH) && pid != init;
		if (r < 0 && !has_ended)
			return;
	}
	if (hz <= 0 || page <= 0)
		return;
	now->source = WIRE_NOW_PROCESSES;
	now->known = WIRE_NOW_CPU | WIRE_NOW_MEMORY | WIRE_NOW_PIDS;
	now->cpu_us = w.ticks * (NS_PER_S / NS_PER_US) / (uint64_t)hz;
	now->memory_bytes = w.pages * (uint64_t)page;
	/* Jail init is not the task's, and has one thread. */
	now->pids = w.n_threads > 0 ? w.n_threads - 1 : 0;
}

void now_read(const struct warden_jail *j, struct wire_now *ret)
{
	*ret = (struct wire_now){ 0 };
	if (j->cgroup.fd >= 0)
		cgroup_task_read_now(&j->cgroup, ret);
	else if (j->pid > 0)
		read_processes(j->pid, ret);
}

void now_answer(const struct warden_jail *j, uint64_t id, struct wire_event *ret)
{
	wire_event_init(ret, WIRE_NOW, id);
	if (j && j->state == WARDEN_JAIL_LIVE)
		now_read(j, &ret->now);
	ret->now.at_ns = clock_boot_ns();
}
