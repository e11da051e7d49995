/* Jails made ahead of need, and the tasks that take them: see pool.h. */
#include "jail/pool_priv.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"
#include "jail/host_view.h"
#include "jail/jail.h"
#include "jail/pool_stamp.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

/* So many requests without a cow workspace, and none is expected any more. */
#define COW_MEMORY 16

/* ---- what is asked for ---- */

/* image: what it is, where it is a directory. Returns false where that cannot be seen: whoever
 * makes the jail then says why. */
static bool read_key(const struct warden_jail *j, struct jail_source *image, struct pool_key *ret)
{
	const struct plan *p = j->plan;
	struct err e;
	memset(ret, 0, sizeof(*ret));
	ret->image = p->image;
	ret->user = p->user;
	ret->network = p->network;
	ret->processes = p->limits.processes;
	if (p->image != PLAN_IMAGE_DIR)
		return true;
	if (launch_look_at_image(j, image, &e) < 0)
		return false;
	ret->dev = image->dev;
	ret->ino = image->ino;
	ret->mount = image->mount;
	ret->uid = j->peer.uid;
	ret->gid = j->peer.gid;
	return true;
}

/* The known one, or a new one in place of another. NULL: there can be none. */
static struct pool_kind *find_kind(struct warden *w, const struct pool_key *key, uid_t owner)
{
	struct pool_kinds *t = &w->pool.kinds;
	struct pool_kind *victim, *k = pool_kinds_find(t, key, owner);
	if (k)
		return k;
	if (!pool_kinds_victim(t, owner, &victim))
		return NULL;
	if (victim) {
		pool_leave_all(w, victim, PLAN_IMAGE_COUNT);
		/* Some take their time. */
		if (victim->n_busy)
			return NULL;
		pool_forget(w, victim);
	}
	k = pool_kinds_add(t, key, owner);
	if (k)
		k->n_cow = COW_MEMORY;
	return k;
}

/* A layer over a directory of the client's. */
static bool needs_host_mounts(const struct plan *p)
{
	bool found = plan_workspace_is_layer(p);
	for (size_t i = 0; i < p->n_mounts; i++)
		found = found || p->mounts[i].mode == PLAN_MODE_COW;
	return found;
}

/* What another one is made from. */
static void note_image(
	struct pool_kind *k, const struct warden_jail *j, const struct jail_source *s)
{
	bool is_new = k->n_asked == 1;
	if (is_new || !k->path || strcmp(k->path, s->path)) {
		free(k->path);
		k->path = strdup(s->path);
	}
	if (is_new) {
		strv_free(k->image_roots);
		k->image_roots = strv_copy(j->plan->image_roots);
	}
	k->peer = j->peer;
}

static void note(struct warden *w, struct pool_kind *k, const struct warden_jail *j)
{
	const struct plan *p = j->plan;
	pool_kind_note(k, clock_mono_ns());
	k->disk_bytes = p->limits.disk_bytes;
	k->disk_inodes = p->limits.disk_inodes;
	k->n_cow = needs_host_mounts(p) ? COW_MEMORY : k->n_cow - (k->n_cow > 0);
	w->pool.is_unsettled = true;
	pool_has_news(w, k);
}

/* ---- what is there ---- */

/* What is parked shows the host as it was. */
static void drop_stale(struct warden *w, const struct pool_kind *k)
{
	struct pool *p = &w->pool;
	struct err e;
	struct pollfd mounts = { .fd = p->mounts_fd, .events = POLLPRI };
	unsigned before = w->etc.generation;
	if (poll(&mounts, 1, 0) != 0) {
		pool_on_mounts(w);
	} else if (k->key.image == PLAN_IMAGE_HOST) {
		bool is_stale = host_view_sum() != p->view;
		is_stale |= etc_scan_refresh(&w->etc, &e) < 0 || w->etc.generation != before;
		if (is_stale)
			pool_leave_all(w, NULL, PLAN_IMAGE_HOST);
	}
}

static bool is_alive(const struct warden_jail *j)
{
	struct pollfd end = { .fd = j->pidfd, .events = POLLIN };
	return poll(&end, 1, 0) == 0;
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

/* The oldest that lives and will do. NULL: there is none; what will not do has left. */
static struct warden_jail *find_jail(struct warden *w, struct pool_kind *k, int image_fd,
	bool needs_host, enum wire_pool_why *ret_why)
{
	struct pool_kind *lender;
	while ((lender = pool_kinds_lender(&w->pool.kinds, k))) {
		uint64_t stamp = 0;
		struct warden_jail *j = oldest_of(&w->pool, lender);
		int r = pool_stamp(&k->key, image_fd, j->image_never_waits, &stamp);
		bool is_same = r == 0 && stamp == j->stamp;
		bool is_early = needs_host && j->pivots_early;
		if (is_same && !is_early && is_alive(j))
			return j;
		if (!is_same || is_early)
			*ret_why = is_same ? WIRE_POOL_WHY_COW : WIRE_POOL_WHY_CHANGED;
		/* It does for whose it is. */
		if (is_same && is_early && lender != k)
			return NULL;
		pool_leave(w, j);
	}
	return NULL;
}

static enum wire_pool_why why_none(const struct pool_kind *k)
{
	if (k->has_failed)
		return WIRE_POOL_WHY_UNREACHABLE;
	if (k->n_asked == 1 || (k->n_asked == 2 && !k->is_first))
		return WIRE_POOL_WHY_NEW;
	return k->lacks_room ? WIRE_POOL_WHY_NO_ROOM : WIRE_POOL_WHY_TAKEN;
}

static void move(struct warden *w, struct warden_jail *from, struct warden_jail *j)
{
	pool_take_out(w, from);
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
}

int pool_take(struct warden *w, struct warden_jail *j)
{
	struct jail_source image = { .fd = -1 };
	struct pool_key key;
	struct pool_kind *k = NULL;
	struct warden_jail *from = NULL;
	j->pool_why = WIRE_POOL_WHY_NEW;
	if (!w->pool.max)
		return 0;
	if (read_key(j, &image, &key)) {
		k = find_kind(w, &key, j->peer.uid);
		if (!k)
			j->pool_why = WIRE_POOL_WHY_NO_ROOM;
	}
	if (k) {
		unsigned before = k->n_ready;
		note(w, k, j);
		if (key.image == PLAN_IMAGE_DIR)
			note_image(k, j, &image);
		drop_stale(w, k);
		j->pool_why = k->n_ready < before ? WIRE_POOL_WHY_CHANGED : why_none(k);
		from = find_jail(w, k, image.fd, needs_host_mounts(j->plan), &j->pool_why);
		k->hits += from != NULL;
		k->misses[j->pool_why] += !from;
	}
	free(image.path);
	if (!from)
		return 0;
	move(w, from, j);
	return 1;
}
