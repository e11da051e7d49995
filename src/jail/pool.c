/* Jails made ahead of need: see pool.h. */
#include "jail/pool.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/id.h"
#include "base/log.h"
#include "jail/host_view.h"
#include "jail/sys.h"
#include "jail/warden.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>

/* So long must nothing happen before one is made: whoever comes meanwhile goes first. */
#define QUIET_MS 4
/* After one that could not be made. */
#define FAILURE_PAUSE_NS (10 * NS_PER_S)
/* So many requests without a cow workspace, and none is expected any more. */
#define COW_MEMORY 16

void pool_init(struct pool *p)
{
	memset(p, 0, sizeof(*p));
	list_init(&p->parked);
	p->mounts_fd = -1;
	p->n_cow = COW_MEMORY;
}

/* ---- leaving ---- */

static void take_out(struct pool *p, struct warden_jail *j)
{
	list_remove(&j->link);
	p->n_parked--;
}

/* Nothing of it ever belonged to a task, so nobody waits for its end. */
static void drop(struct warden *w, struct warden_jail *j)
{
	take_out(&w->pool, j);
	if (j->pidfd >= 0) {
		sys_pidfd_send_signal(j->pidfd, SIGKILL);
		waitpid(j->pid, NULL, 0);
	}
	jail_unwatch(j);
	cgroup_task_remove(&w->cgroup, &j->cgroup);
	if (j->disk_name[0])
		store_remove_now(w, j);
	jail_destroy(j);
}

void pool_drop(struct warden *w)
{
	/* All at once: each takes its time to die. */
	list_for_each (l, &w->pool.parked)
		sys_pidfd_send_signal(list_entry(l, struct warden_jail, link)->pidfd, SIGKILL);
	while (!list_empty(&w->pool.parked))
		drop(w, list_entry(w->pool.parked.next, struct warden_jail, link));
}

bool pool_give_way(struct warden *w)
{
	if (list_empty(&w->pool.parked))
		return false;
	drop(w, list_entry(w->pool.parked.next, struct warden_jail, link));
	return true;
}

/* Changes are an exceptional condition of the file; it can always be read. */
static void watch_mounts(struct warden *w)
{
	struct pool *p = &w->pool;
	struct epoll_event ev = { .events = EPOLLPRI, .data.ptr = &w->mounts_watch };
	p->mounts_fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	w->mounts_watch = (struct watch){ WATCH_MOUNTS, NULL };
	if (p->mounts_fd < 0 || epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, p->mounts_fd, &ev) < 0)
		log_warning("pool: changes of mounts are not seen before the next task");
}

void pool_set(struct warden *w, unsigned max, uint64_t max_age_ns)
{
	struct pool *p = &w->pool;
	pool_drop(w);
	p->max = max;
	p->max_age_ns = max_age_ns;
	p->not_before_ns = 0;
	if (max && p->mounts_fd < 0)
		watch_mounts(w);
}

void pool_on_child(struct warden *w, struct warden_jail *parked)
{
	struct wire_event ev;
	int fds[FD_PASS_MAX];
	size_t n_fds = 0;
	ssize_t n = parked->status_fd < 0
			    ? -EAGAIN
			    : fd_recv(parked->status_fd, &ev, sizeof(ev), fds, &n_fds);
	if (n > 0)
		fd_close_many(fds, n_fds);
	if (n > 0 && wire_event_check(&ev, (size_t)n) == 0 && ev.type == WIRE_FAILED)
		log_warning("pool: a jail could not be made: %s: %s", ev.failed.err.step,
			ev.failed.err.msg);
	/* Whatever it says, and whatever it died of: it is not what a task may be given. */
	w->pool.not_before_ns = clock_mono_ns() + FAILURE_PAUSE_NS;
	drop(w, parked);
}

/* ---- coming ---- */

static struct plan *make_template(const struct pool *p)
{
	char id[ID_TASK_SIZE];
	struct plan *plan = plan_create();
	if (!plan || id_make_task(id) < 0 || !(plan->task = strdup(id))) {
		plan_destroy(plan);
		return NULL;
	}
	/* What was asked for last: what is asked for next is likely to be the same. */
	plan->limits.disk_bytes = p->disk_bytes;
	plan->limits.disk_inodes = p->disk_inodes;
	plan->limits.processes = p->processes.value;
	return plan;
}

static int make(struct warden *w, struct err *e)
{
	/* Before anything of it is looked at. */
	uint64_t view = host_view_sum();
	if (view != w->pool.view)
		pool_drop(w);
	w->pool.view = view;
	struct warden_jail *j = jail_create(w, 0);
	if (!j)
		return err_set(e, ERR_INTERNAL, ENOMEM, "make a jail");
	j->state = WARDEN_JAIL_PARKED;
	j->pivots_early = w->ids.mode == WARDEN_MODE_ROOT && w->pool.n_cow == 0;
	list_append(&w->pool.parked, &j->link);
	w->pool.n_parked++;
	j->plan = make_template(&w->pool);
	int r = j->plan ? launch_parked(w, j, e) : err_set(e, ERR_INTERNAL, ENOMEM, "make a plan");
	if (r == 0)
		r = jail_watch(j);
	if (r < 0)
		drop(w, j);
	return r;
}

static unsigned wanted(const struct pool *p, uint64_t now_ns)
{
	return pool_size_wanted(&p->demand, now_ns, p->max);
}

/* Without a request that shows what is asked for there is nothing to make. */
static bool is_short(const struct warden *w, uint64_t now_ns)
{
	const struct pool *p = &w->pool;
	return p->max && p->demand.last_ns && now_ns >= p->not_before_ns &&
	       p->n_parked < wanted(p, now_ns) && ids_has_slot(&w->ids);
}

int pool_wait_ms(struct warden *w, uint64_t now_ns)
{
	struct pool *p = &w->pool;
	while (!list_empty(&p->parked)) {
		struct warden_jail *j = list_entry(p->parked.next, struct warden_jail, link);
		uint64_t end_ns = j->received_ns + p->max_age_ns;
		if (now_ns < end_ns) {
			int ms = (int)((end_ns - now_ns) / NS_PER_MS) + 1;
			return is_short(w, now_ns) ? QUIET_MS : ms;
		}
		drop(w, j);
	}
	if (is_short(w, now_ns))
		return QUIET_MS;
	/* After a failure the next try comes with the next request. */
	return -1;
}

void pool_refill(struct warden *w)
{
	struct pool *p = &w->pool;
	struct err e;
	if (!is_short(w, clock_mono_ns()))
		return;
	if (make(w, &e) < 0) {
		log_warning("pool: a jail could not be made: %s", e.msg);
		p->not_before_ns = clock_mono_ns() + FAILURE_PAUSE_NS;
	}
}

/* ---- claiming ---- */

static bool is_for(const struct plan *p)
{
	return p->image == PLAN_IMAGE_HOST && p->user == PLAN_USER_AGENT &&
	       p->network == PLAN_NETWORK_NONE;
}

/* What is parked shows the host as it was. */
static void drop_stale(struct warden *w)
{
	struct pool *p = &w->pool;
	struct err e;
	struct pollfd mounts = { .fd = p->mounts_fd, .events = POLLPRI };
	unsigned before = w->etc.generation;
	bool is_stale = poll(&mounts, 1, 0) != 0 || host_view_sum() != p->view;
	is_stale |= etc_scan_refresh(&w->etc, &e) < 0 || w->etc.generation != before;
	if (is_stale)
		pool_drop(w);
}

/* A private layer over the client's directory. */
static bool needs_host_mounts(const struct plan *p)
{
	return p->has_workspace && p->workspace.mode == PLAN_MODE_COW;
}

/* The oldest that lives and will do. NULL: there is none. */
static struct warden_jail *find_alive(struct warden *w, bool needs_host)
{
	while (!list_empty(&w->pool.parked)) {
		struct warden_jail *j = list_entry(w->pool.parked.next, struct warden_jail, link);
		struct pollfd end = { .fd = j->pidfd, .events = POLLIN };
		if (poll(&end, 1, 0) == 0 && !(needs_host && j->pivots_early))
			return j;
		drop(w, j);
	}
	return NULL;
}

int pool_take(struct warden *w, struct warden_jail *j)
{
	struct pool *p = &w->pool;
	if (!p->max || !is_for(j->plan))
		return 0;
	pool_demand_note(&p->demand, clock_mono_ns());
	if (pool_kind_note(&p->processes, j->plan->limits.processes))
		pool_drop(w);
	if (p->processes.value != j->plan->limits.processes)
		return 0;
	p->disk_bytes = j->plan->limits.disk_bytes;
	p->disk_inodes = j->plan->limits.disk_inodes;
	bool needs_host = needs_host_mounts(j->plan);
	p->n_cow = needs_host ? COW_MEMORY : p->n_cow - (p->n_cow > 0);
	drop_stale(w);
	struct warden_jail *from = find_alive(w, needs_host);
	if (!from)
		return 0;
	take_out(p, from);
	jail_stop_watching(from);
	j->pid = from->pid;
	j->pidfd = fd_take(&from->pidfd);
	j->status_fd = fd_take(&from->status_fd);
	j->slot = from->slot;
	j->cgroup = from->cgroup;
	memcpy(j->disk_name, from->disk_name, sizeof(j->disk_name));
	j->is_pooled = true;
	from->slot = from->cgroup.fd = -1;
	jail_destroy(from);
	return 1;
}
