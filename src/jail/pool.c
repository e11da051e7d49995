/* Jails made ahead of need, those that are there: see pool.h. */
#include "jail/pool_priv.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "jail/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>

/* So long must nothing happen before one is made: whoever comes meanwhile goes first. */
#define QUIET_MS 4
/* The child that opens an image. */
#define OPEN_TIMEOUT_NS (5 * NS_PER_S)
/* dayflyd is told when nothing else is to be done, but not later than that. */
#define TELL_NS (250 * NS_PER_MS)
/* One that is killed to make way. */
#define WAY_MS 10
/* What works on the host's own filesystems is gone long before. */
#define HOST_WAY_MS 500

void pool_init(struct pool *p)
{
	memset(p, 0, sizeof(*p));
	list_init(&p->parked);
	list_init(&p->leaving);
	p->mounts_fd = -1;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return !a || (b && b < a) ? b : a;
}

/* ---- who is there ---- */

bool pool_has(const struct warden_jail *j)
{
	return j->state == WARDEN_JAIL_PREPARING || j->state == WARDEN_JAIL_PARKED ||
	       j->state == WARDEN_JAIL_LEAVING;
}

void pool_has_news(struct warden *w, struct pool_kind *k)
{
	k->has_news = w->pool.has_news = true;
}

static uint64_t end_of(const struct pool *p, const struct warden_jail *j)
{
	return j->received_ns +
	       (j->state == WARDEN_JAIL_PREPARING ? OPEN_TIMEOUT_NS : p->max_age_ns);
}

void pool_enter(struct warden *w, struct warden_jail *j, struct pool_kind *k)
{
	struct pool *p = &w->pool;
	bool is_parked = j->state == WARDEN_JAIL_PARKED;
	j->kind = k;
	list_append(&p->parked, &j->link);
	p->n_parked++;
	k->n_ready += is_parked;
	k->n_busy += !is_parked;
	p->check_at_ns = earlier(p->check_at_ns, end_of(p, j));
	pool_has_news(w, k);
}

void pool_take_out(struct warden *w, struct warden_jail *j)
{
	bool is_parked = j->state == WARDEN_JAIL_PARKED;
	list_remove(&j->link);
	w->pool.n_parked--;
	w->pool.is_unsettled = true;
	j->kind->n_ready -= is_parked;
	j->kind->n_busy -= !is_parked;
	pool_has_news(w, j->kind);
}

/* Nothing of it ever belonged to a task, so nobody waits for its end. */
static void finish(struct warden *w, struct warden_jail *j)
{
	jail_unwatch(j);
	cgroup_task_remove(&w->cgroup, &j->cgroup);
	if (j->disk_name[0])
		store_remove_now(w, j);
	jail_destroy(j);
}

static bool is_dead(const struct warden_jail *j, int wait_ms)
{
	struct pollfd end = { .fd = j->pidfd, .events = POLLIN };
	return poll(&end, 1, wait_ms) > 0;
}

/* Jail init of the image `host` works on the host's own filesystems alone, but these may hang too:
 * one that waits for them is enough. */
static bool host_hangs(const struct pool *p)
{
	list_for_each (l, &p->leaving)
		if (list_entry(l, struct warden_jail, link)->kind->key.image == PLAN_IMAGE_HOST)
			return true;
	return false;
}

static void leave(struct warden *w, struct warden_jail *j, int wait_ms)
{
	struct pool *p = &w->pool;
	struct pool_kind *k = j->kind;
	pool_take_out(w, j);
	if (j->pidfd >= 0)
		sys_pidfd_send_signal(j->pidfd, SIGKILL);
	if (k->key.image == PLAN_IMAGE_HOST)
		wait_ms = host_hangs(p) ? 0 : HOST_WAY_MS;
	if (j->pidfd < 0 || is_dead(j, wait_ms)) {
		if (j->pidfd >= 0)
			waitpid(j->pid, NULL, 0);
		finish(w, j);
		return;
	}
	/* Its end is waited for in the loop. */
	if (j->status_fd >= 0)
		epoll_ctl(w->epoll_fd, EPOLL_CTL_DEL, j->status_fd, NULL);
	fd_close(&j->status_fd);
	j->pid_watch = (struct watch){ WATCH_PID, j };
	warden_watch_add(w, j->pidfd, &j->pid_watch);
	j->state = WARDEN_JAIL_LEAVING;
	list_append(&p->leaving, &j->link);
	p->n_leaving++;
	k->n_busy++;
}

void pool_leave(struct warden *w, struct warden_jail *j)
{
	leave(w, j, 0);
}

static void on_left(struct warden *w, struct warden_jail *j)
{
	if (waitpid(j->pid, NULL, WNOHANG) != j->pid)
		return;
	list_remove(&j->link);
	w->pool.n_leaving--;
	w->pool.is_unsettled = true;
	j->kind->n_busy--;
	finish(w, j);
}

void pool_leave_all(struct warden *w, const struct pool_kind *k, enum plan_image image)
{
	/* All at once: each takes its time to die. */
	for (int turn = 0; turn < 2; turn++)
		list_for_each_safe (l, &w->pool.parked) {
			struct warden_jail *j = list_entry(l, struct warden_jail, link);
			if ((k && j->kind != k) ||
				(image != PLAN_IMAGE_COUNT && j->kind->key.image != image))
				continue;
			if (turn)
				pool_leave(w, j);
			else if (j->pidfd >= 0)
				sys_pidfd_send_signal(j->pidfd, SIGKILL);
		}
}

void pool_drop(struct warden *w)
{
	pool_leave_all(w, NULL, PLAN_IMAGE_COUNT);
}

void pool_on_mounts(struct warden *w)
{
	struct pool *p = &w->pool;
	/* What had nothing to lose costs nothing. */
	if (p->n_parked)
		p->not_before_ns = pool_brake_note(&p->brake, clock_mono_ns());
	pool_drop(w);
}

bool pool_give_way(struct warden *w)
{
	for (int turn = 0; turn < 2; turn++)
		list_for_each (l, &w->pool.parked) {
			struct warden_jail *j = list_entry(l, struct warden_jail, link);
			enum plan_image first = turn ? PLAN_IMAGE_DIR : PLAN_IMAGE_HOST;
			if (j->state != WARDEN_JAIL_PARKED || j->kind->key.image != first)
				continue;
			unsigned before = w->pool.n_leaving;
			leave(w, j, WAY_MS);
			return w->pool.n_leaving == before;
		}
	return false;
}

/* ---- dayflyd is told ---- */

/* With a range of subordinate ids the warden has a user namespace, and root of it is the user. */
static uid_t owner_outside(const struct ids *ids, uid_t owner)
{
	return ids->mode == WARDEN_MODE_SUBUID && owner == 0 ? ids->uid : owner;
}

static void tell(struct warden *w, uint64_t now_ns)
{
	struct pool *p = &w->pool;
	p->has_news = false;
	p->told_ns = now_ns;
	for (unsigned i = 0; i < POOL_KINDS_MAX; i++) {
		struct pool_kind *k = p->kinds.all[i];
		struct wire_event ev;
		if (!k || !k->has_news)
			continue;
		k->has_news = false;
		wire_event_init(&ev, WIRE_POOLED, 0);
		ev.pooled = (struct wire_pooled){
			.number = k->number,
			.is_known = 1,
			.image = (uint8_t)k->key.image,
			.user = (uint8_t)k->key.user,
			.network = (uint8_t)k->key.network,
			.is_unreachable = k->has_failed,
			.owner = owner_outside(&w->ids, k->owner),
			.processes = k->key.processes,
			.dev = k->key.dev,
			.ino = k->key.ino,
			.parked = k->n_ready,
			.wanted = k->allotted,
			.hits = k->hits,
		};
		memcpy(ev.pooled.misses, k->misses, sizeof(k->misses));
		snprintf(ev.pooled.path, sizeof(ev.pooled.path), "%s", k->path ? k->path : "");
		warden_tell(w, &ev, -1);
	}
}

void pool_forget(struct warden *w, struct pool_kind *k)
{
	struct wire_event ev;
	wire_event_init(&ev, WIRE_POOLED, 0);
	ev.pooled.number = k->number;
	warden_tell(w, &ev, -1);
	pool_kinds_remove(&w->pool.kinds, k);
}

/* ---- what is old ---- */

/* What is on its way out still says whose it is. */
static void forget_when_left(struct warden *w, struct pool_kind *k, uint64_t now_ns)
{
	pool_leave_all(w, k, PLAN_IMAGE_COUNT);
	if (!k->n_busy)
		pool_forget(w, k);
	else
		w->pool.check_at_ns = earlier(w->pool.check_at_ns, now_ns + NS_PER_S);
}

static void expire(struct warden *w, uint64_t now_ns)
{
	struct pool *p = &w->pool;
	p->check_at_ns = 0;
	list_for_each_safe (l, &p->parked) {
		struct warden_jail *j = list_entry(l, struct warden_jail, link);
		if (now_ns >= end_of(p, j)) {
			if (j->state == WARDEN_JAIL_PREPARING)
				pool_make_failed(
					w, j->kind, "its image could not be opened in time");
			pool_leave(w, j);
		} else {
			p->check_at_ns = earlier(p->check_at_ns, end_of(p, j));
		}
	}
	/* Nobody has asked for these for as long. */
	for (unsigned i = 0; i < POOL_KINDS_MAX; i++) {
		struct pool_kind *k = p->kinds.all[i];
		uint64_t end_ns = k ? pool_kind_end(k, p->max_age_ns) : 0;
		if (k && now_ns >= end_ns)
			forget_when_left(w, k, now_ns);
		else
			p->check_at_ns = earlier(p->check_at_ns, end_ns);
	}
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
	uint64_t now_ns = clock_mono_ns();
	pool_drop(w);
	p->max = max;
	p->max_age_ns = max_age_ns;
	for (unsigned i = 0; i < POOL_KINDS_MAX; i++) {
		struct pool_kind *k = p->kinds.all[i];
		if (!k)
			continue;
		/* Of what is on its way out, the next request is the first again. */
		k->demand = (struct pool_demand){ 0 };
		k->n_asked = 0;
		forget_when_left(w, k, now_ns);
	}
	if (max && p->mounts_fd < 0)
		watch_mounts(w);
}

/* ---- the loop ---- */

void pool_on_child(struct warden *w, struct warden_jail *j)
{
	struct wire_event ev;
	int fds[FD_PASS_MAX];
	size_t n_fds = 0;
	if (j->state == WARDEN_JAIL_LEAVING) {
		on_left(w, j);
		return;
	}
	if (j->state == WARDEN_JAIL_PREPARING) {
		pool_on_opened(w, j);
		return;
	}
	ssize_t n =
		j->status_fd < 0 ? -EAGAIN : fd_recv(j->status_fd, &ev, sizeof(ev), fds, &n_fds);
	if (n > 0)
		fd_close_many(fds, n_fds);
	bool has_said = n > 0 && wire_event_check(&ev, (size_t)n) == 0 && ev.type == WIRE_FAILED;
	/* Whatever it says, and whatever it died of: it is not what a task may be given. */
	pool_make_failed(w, j->kind, has_said ? ev.failed.err.msg : "its first process has died");
	pool_leave(w, j);
}

static int until(uint64_t now_ns, uint64_t then_ns)
{
	uint64_t ms = then_ns > now_ns ? (then_ns - now_ns) / NS_PER_MS + 1 : 1;
	return ms < INT32_MAX ? (int)ms : INT32_MAX;
}

int pool_wait_ms(struct warden *w, uint64_t now_ns)
{
	struct pool *p = &w->pool;
	if (p->check_at_ns && now_ns >= p->check_at_ns)
		expire(w, now_ns);
	if (p->again_at_ns && now_ns >= p->again_at_ns) {
		p->again_at_ns = 0;
		p->is_unsettled = true;
	}
	if (p->has_news && now_ns - p->told_ns >= TELL_NS)
		tell(w, now_ns);
	if (p->is_unsettled || p->has_news)
		return QUIET_MS;
	uint64_t next_ns = earlier(p->check_at_ns, p->again_at_ns);
	return next_ns ? until(now_ns, next_ns) : -1;
}

static struct warden_jail *oldest_of(struct pool *p, const struct pool_kind *k)
{
	list_for_each (l, &p->parked) {
		struct warden_jail *j = list_entry(l, struct warden_jail, link);
		if (j->kind == k && j->state == WARDEN_JAIL_PARKED)
			return j;
	}
	return NULL;
}

/* Those that had just changed are tried again without a request. */
static uint64_t next_try(const struct pool_kinds *t, uint64_t now_ns)
{
	uint64_t next_ns = 0;
	for (unsigned i = 0; i < POOL_KINDS_MAX; i++) {
		const struct pool_kind *k = t->all[i];
		if (k && k->n_fresh && k->not_before_ns > now_ns)
			next_ns = earlier(next_ns, k->not_before_ns);
	}
	return next_ns;
}

/* Returns whether there may be more to do. */
static bool refill(struct warden *w, uint64_t now_ns)
{
	struct pool *p = &w->pool;
	if (!p->max)
		return false;
	pool_kinds_allot(&p->kinds, now_ns, p->max, p->max_age_ns);
	p->again_at_ns = next_try(&p->kinds, now_ns);
	if (now_ns < p->not_before_ns) {
		p->again_at_ns = p->not_before_ns;
		return false;
	}
	struct pool_kind *wanting = pool_kinds_short(&p->kinds, now_ns);
	if (!wanting)
		return false;
	if (p->n_parked >= p->max) {
		struct pool_kind *surplus = pool_kinds_surplus(&p->kinds);
		struct warden_jail *j = surplus ? oldest_of(p, surplus) : NULL;
		if (j)
			pool_leave(w, j);
		return j != NULL;
	}
	p->lacks_ids = !ids_has_slot(&w->ids);
	if (p->lacks_ids)
		return false;
	pool_make(w, wanting);
	return true;
}

void pool_has_room(struct warden *w)
{
	w->pool.is_unsettled |= w->pool.lacks_ids;
}

void pool_refill(struct warden *w)
{
	uint64_t now_ns = clock_mono_ns();
	if (w->pool.is_unsettled)
		w->pool.is_unsettled = refill(w, now_ns);
	if (w->pool.has_news)
		tell(w, now_ns);
}
