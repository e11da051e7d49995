/* What git has written so far: see git_meter.h. */
#include "daemon/git_meter.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/dir.h"
#include "base/fd.h"
#include "task/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#define INTERVAL_MS 1000
/* Looking takes no more than this part of the time. */
#define COST_PART 10

struct git_look {
	uint64_t serial, max_bytes;
	int fd;
	bool is_over, is_odd;
};

struct sum {
	uint64_t bytes, files, max_bytes;
	const volatile bool *is_stopping;
};

/* ---- looking ---- */

static bool sum_is_over(const struct sum *s)
{
	return s->bytes > s->max_bytes || s->files > GIT_METER_FILES_MAX;
}

/* What is gone meanwhile takes nothing. */
static bool look(int dirfd, const char *name, unsigned depth, struct sum *s)
{
	auto_close int fd = dir_open(dirfd, name);
	auto_closedir DIR *d = fd < 0 ? NULL : dir_list(fd);
	struct dirent *entry;
	if (!d)
		return fd != -ENOENT;
	while (!*s->is_stopping && (entry = dir_next(d))) {
		struct stat st;
		if (fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		s->bytes += (uint64_t)st.st_blocks * 512;
		s->files++;
		if (sum_is_over(s))
			return true;
		if (S_ISDIR(st.st_mode) &&
			(depth == GIT_METER_DEPTH_MAX || look(fd, entry->d_name, depth + 1, s)))
			return true;
	}
	return false;
}

bool git_meter_is_over(
	int fd, uint64_t max_bytes, const volatile bool *is_stopping, bool *ret_is_odd)
{
	struct sum s = { .max_bytes = max_bytes, .is_stopping = is_stopping };
	bool is_over = look(fd, ".", 0, &s);
	*ret_is_odd = is_over && !sum_is_over(&s);
	return is_over;
}

static void on_work(uv_work_t *work)
{
	struct git_meter *g = work->data;
	for (size_t i = 0; i < g->n_looks && !g->is_stopping; i++) {
		struct git_look *l = &g->looks[i];
		l->is_over = git_meter_is_over(l->fd, l->max_bytes, &g->is_stopping, &l->is_odd);
	}
}

/* ---- on the loop ---- */

static void drop_looks(struct git_meter *g)
{
	for (size_t i = 0; i < g->n_looks; i++)
		fd_close(&g->looks[i].fd);
	free(g->looks);
	g->looks = NULL;
	g->n_looks = 0;
}

static struct git_metered *find(const struct git_meter *g, uint64_t serial)
{
	list_for_each (pos, &g->all) {
		struct git_metered *m = list_entry(pos, struct git_metered, link);
		if (m->serial == serial)
			return m;
	}
	return NULL;
}

static void on_looked(uv_work_t *work, int status)
{
	struct git_meter *g = work->data;
	uint64_t cost_ms = (clock_boot_ns() - g->began_ns) / NS_PER_MS;
	g->is_looking = false;
	for (size_t i = 0; i < g->n_looks && !g->is_stopping; i++) {
		/* It may be over by now, and another in its place. */
		struct git_metered *m = g->looks[i].is_over ? find(g, g->looks[i].serial) : NULL;
		if (!m)
			continue;
		git_meter_end(m);
		m->is_odd = g->looks[i].is_odd;
		g->fn(m);
	}
	drop_looks(g);
	if (!g->is_stopping && !list_empty(&g->all))
		alarm_set(g->alarm, INTERVAL_MS + cost_ms * COST_PART);
}

static void on_alarm(void *owner)
{
	struct git_meter *g = owner;
	size_t n = 0;
	list_for_each (pos, &g->all)
		n++;
	if (g->is_looking || !n)
		return;
	g->looks = calloc(n, sizeof(*g->looks));
	list_for_each (pos, &g->all) {
		const struct git_metered *m = list_entry(pos, struct git_metered, link);
		int fd = g->looks ? fcntl(m->fd, F_DUPFD_CLOEXEC, 3) : -1;
		if (fd >= 0)
			g->looks[g->n_looks++] =
				(struct git_look){ m->serial, m->max_bytes, fd, false, false };
	}
	g->began_ns = clock_boot_ns();
	g->work.data = g;
	g->is_looking = uv_queue_work(g->loop, &g->work, on_work, on_looked) == 0;
	if (!g->is_looking) {
		drop_looks(g);
		alarm_set(g->alarm, INTERVAL_MS);
	}
}

void git_meter_begin(struct git_meter *g, struct git_metered *m, int fd, uint64_t max_bytes)
{
	bool is_first = list_empty(&g->all);
	git_meter_end(m);
	if (!max_bytes)
		return;
	*m = (struct git_metered){ .fd = fd, .max_bytes = max_bytes, .serial = ++g->n_serials };
	list_append(&g->all, &m->link);
	if (is_first && !g->is_looking)
		alarm_set(g->alarm, INTERVAL_MS);
}

void git_meter_end(struct git_metered *m)
{
	if (!m->serial)
		return;
	list_remove(&m->link);
	m->serial = 0;
}

int git_meter_init(struct git_meter *g, uv_loop_t *loop, void (*fn)(struct git_metered *m))
{
	*g = (struct git_meter){ .loop = loop, .fn = fn };
	list_init(&g->all);
	return alarm_create(loop, on_alarm, g, &g->alarm);
}

void git_meter_finish(struct git_meter *g)
{
	g->is_stopping = true;
	while (g->is_looking)
		uv_run(g->loop, UV_RUN_ONCE);
	alarm_destroy(&g->alarm);
}
