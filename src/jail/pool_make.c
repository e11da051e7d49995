/* Jails made ahead of need, the making: see pool.h. */
#include "jail/pool_priv.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/id.h"
#include "base/log.h"
#include "base/str.h"
#include "jail/host_view.h"
#include "jail/jail.h"
#include "jail/pool_stamp.h"
#include "jail/sys.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

/* After one that could not be made. */
#define FAILURE_PAUSE_NS (10 * NS_PER_S)
/* What has changed this moment can soon be told from what it will be. */
#define FRESH_PAUSE_NS (150 * NS_PER_MS)
/* So often what is not in memory may yet come. */
#define COLD_TRIES 3
/* So many of images that are directories may be dying while another one is made. */
#define LEAVING_MAX 4

void pool_make_failed(struct warden *w, struct pool_kind *k, const char *why)
{
	k->not_before_ns = clock_mono_ns() + FAILURE_PAUSE_NS;
	k->has_failed = true;
	pool_has_news(w, k);
	/* What a client's image is like is not the administrator's affair. */
	log_line(k->key.image == PLAN_IMAGE_HOST ? LOG_LEVEL_WARNING : LOG_LEVEL_DEBUG,
		"pool: a jail could not be made: %s", why);
}

static struct plan *make_template(const struct pool_kind *k)
{
	char id[ID_TASK_SIZE];
	struct plan *plan = plan_create();
	bool is_dir = k->key.image == PLAN_IMAGE_DIR;
	if (!plan || id_make_task(id) < 0 || !(plan->task = strdup(id)) ||
		(is_dir && (!k->path || !(plan->image_source.path = strdup(k->path)))) ||
		(is_dir && k->image_roots && !(plan->image_roots = strv_copy(k->image_roots)))) {
		plan_destroy(plan);
		return NULL;
	}
	plan->image = k->key.image;
	plan->image_source.fd_index = -1;
	plan->user = k->key.user;
	plan->network = k->key.network;
	plan->limits.processes = k->key.processes;
	/* What was asked for last: what is asked for next is likely to be the same. */
	plan->limits.disk_bytes = k->disk_bytes;
	plan->limits.disk_inodes = k->disk_inodes;
	return plan;
}

/* It has just changed, or whoever asked for it first is about to look at it. */
static void try_again(struct pool_kind *k)
{
	/* Less and less often, where it always is so. */
	uint64_t pause_ns = FRESH_PAUSE_NS << k->n_fresh;
	k->n_fresh += pause_ns < FAILURE_PAUSE_NS;
	k->not_before_ns = clock_mono_ns() + pause_ns;
}

/* The jail is the pool's then, or gone. */
static void park(struct warden *w, struct warden_jail *j, struct pool_kind *k)
{
	struct err e = { 0 };
	int r = pool_stamp_for_making(&k->key, j->opened[0], j->image_never_waits, &j->stamp);
	if (r == -EBUSY || (r == -EAGAIN && k->n_fresh < COLD_TRIES))
		try_again(k);
	else if (r < 0)
		pool_make_failed(w, k, strerror(-r));
	if (r < 0) {
		jail_destroy(j);
		return;
	}
	j->state = WARDEN_JAIL_PARKED;
	j->pivots_early = w->ids.mode == WARDEN_MODE_ROOT && k->n_cow == 0;
	pool_enter(w, j, k);
	r = launch_parked(w, j, &e);
	jail_close_inputs(j);
	if (r == 0)
		r = jail_watch(j);
	k->has_failed = r < 0;
	k->n_fresh = 0;
	if (r < 0) {
		pool_make_failed(w, k, e.msg);
		pool_leave(w, j);
	}
}

/* The client may not reach it any more, or something else lies there. */
static void open_image(struct warden *w, struct warden_jail *j, struct pool_kind *k)
{
	struct err e = { 0 };
	j->state = WARDEN_JAIL_PREPARING;
	j->peer = k->peer;
	pool_enter(w, j, k);
	int r = opener_start(w, j, &e);
	if (r == 0)
		r = jail_watch(j);
	if (r < 0) {
		pool_make_failed(w, k, e.msg);
		pool_leave(w, j);
	}
}

static int check_image(const struct warden_jail *j, const struct pool_key *key, struct err *e)
{
	struct jail_source s = { 0 };
	int r = launch_look_at_image(j, &s, e);
	free(s.path);
	if (r == 0 && (s.dev != key->dev || s.ino != key->ino || s.mount != key->mount))
		r = err_set(e, ERR_SOURCE, ESTALE, "the image is not what the client had opened");
	return r;
}

void pool_on_opened(struct warden *w, struct warden_jail *j)
{
	struct err e = { 0 };
	struct pool_kind *k = j->kind;
	int r = opener_finish(j, &e);
	pool_take_out(w, j);
	/* It has said its last word, or is dead. */
	sys_pidfd_send_signal(j->pidfd, SIGKILL);
	waitpid(j->pid, NULL, 0);
	jail_unwatch(j);
	if (r == 0)
		r = check_image(j, &k->key, &e);
	if (r == 0) {
		park(w, j, k);
		return;
	}
	pool_make_failed(w, k, e.msg);
	jail_destroy(j);
}

void pool_make(struct warden *w, struct pool_kind *k)
{
	bool is_dir = k->key.image == PLAN_IMAGE_DIR;
	if (is_dir && w->pool.n_leaving >= LEAVING_MAX) {
		try_again(k); /* it is not to blame for others that are being removed */
		return;
	}
	/* Before anything of it is looked at. */
	uint64_t view = is_dir ? w->pool.view : host_view_sum();
	if (view != w->pool.view)
		pool_leave_all(w, NULL, PLAN_IMAGE_HOST);
	w->pool.view = view;
	struct warden_jail *j = jail_create(w, 0);
	if (j)
		j->plan = make_template(k);
	if (!j || !j->plan) {
		if (j)
			jail_destroy(j);
		pool_make_failed(w, k, "out of memory");
	} else if (is_dir) {
		open_image(w, j, k);
	} else {
		park(w, j, k);
	}
}
