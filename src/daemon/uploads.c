/* Uploads: see uploads.h. Here: what there is of them, and their end. */
#include "daemon/uploads.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "daemon/uploads_priv.h"
#include "task/spool_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *upload_state_name(enum upload_state state)
{
	static const char *const names[] = {
		[UPLOAD_QUEUED] = "queued",
		[UPLOAD_SENDING] = "sending",
		[UPLOAD_DONE] = "done",
		[UPLOAD_FAILED] = "failed",
	};
	return names[state];
}

/* ---- batches and their uploads ---- */

struct upload_batch *uploads_find(const struct uploads *u, uid_t uid, const char *task)
{
	const struct list *const lists[] = { &u->batches, &u->finished };
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
		list_for_each (pos, lists[i]) {
			struct upload_batch *b = list_entry(pos, struct upload_batch, link);
			if (b->is_kept && b->owner->uid == uid && !strcmp(b->task, task))
				return b;
		}
	return NULL;
}

struct upload_owner *upload_owner_find(const struct uploads *u, uid_t uid)
{
	list_for_each (pos, &u->owners) {
		struct upload_owner *w = list_entry(pos, struct upload_owner, link);
		if (w->uid == uid)
			return w;
	}
	return NULL;
}

/* NULL: no memory. */
static struct upload_owner *get_owner(struct uploads *u, uid_t uid)
{
	struct upload_owner *w = upload_owner_find(u, uid);
	if (w)
		return w;
	w = calloc(1, sizeof(*w));
	if (!w)
		return NULL;
	w->uid = uid;
	list_append(&u->owners, &w->link);
	return w;
}

void upload_count(struct upload *up, int n)
{
	struct upload_batch *b = up->batch;
	b->uploads->count += (size_t)n;
	b->owner->n_waiting += (size_t)n;
}

void upload_count_bytes(struct upload_batch *b, uint64_t bytes)
{
	b->bytes += bytes;
	b->owner->bytes += bytes;
	b->uploads->bytes += bytes;
}

struct upload_batch *upload_batch_create(
	struct uploads *u, const char *task, uid_t uid, uint64_t created_ns)
{
	struct upload_owner *w = get_owner(u, uid);
	struct upload_batch *b = w ? calloc(1, sizeof(*b)) : NULL;
	if (!b)
		return NULL;
	b->uploads = u;
	b->owner = w;
	w->n_batches++;
	b->spool = -1;
	b->created_ns = created_ns;
	snprintf(b->task, sizeof(b->task), "%s", task);
	list_init(&b->list);
	list_append(&u->batches, &b->link);
	return b;
}

struct upload *upload_create(struct upload_batch *b, unsigned number, const char *path)
{
	struct upload *up = calloc(1, sizeof(*up));
	char *copy = up ? strdup(path) : NULL;
	if (!copy) {
		free(up);
		return NULL;
	}
	up->batch = b;
	up->number = number;
	up->path = copy;
	list_append(&b->list, &up->link);
	b->n++;
	upload_touch(up);
	return up;
}

void upload_free(struct upload *up)
{
	upload_stop(up);
	list_remove(&up->link);
	free(up->path);
	free(up->target);
	free(up->key);
	if (up->url)
		explicit_bzero(up->url, strlen(up->url));
	free(up->url);
	free(up->origin);
	free(up->upload_id);
	strv_free(up->etags);
	free(up);
}

void upload_batch_free(struct upload_batch *b)
{
	struct uploads *u = b->uploads;
	struct upload_owner *w = b->owner;
	list_for_each_safe (pos, &b->list)
		upload_free(list_entry(pos, struct upload, link));
	if (b->finished_ns) {
		u->n_finished -= b->n;
		w->n_finished -= b->n;
	}
	fd_close(&b->spool);
	syncer_forget(&b->wait);
	upload_secret_wipe(&b->secret);
	list_remove(&b->link);
	free(b);
	if (--w->n_batches)
		return;
	list_remove(&w->link);
	free(w);
}

bool upload_is_over(const struct upload *up)
{
	return up->state == UPLOAD_DONE || up->state == UPLOAD_FAILED;
}

void upload_touch(struct upload *up)
{
	struct uploads *u = up->batch->uploads;
	static uint64_t version;
	up->version = ++version;
	if (u->watches.next && !list_empty(&u->watches) && u->telling)
		alarm_set(u->telling, UPLOADS_TELL_MS);
}

void upload_set_state(struct upload *up, enum upload_state state)
{
	struct uploads *u = up->batch->uploads;
	bool was_over = upload_is_over(up);
	if (up->state == state)
		return;
	log_task(LOG_LEVEL_DEBUG, up->batch->task, "upload %u: %s -> %s", up->number,
		upload_state_name(up->state), upload_state_name(state));
	up->state = state;
	upload_touch(up);
	if (was_over || !upload_is_over(up))
		return;
	upload_count(up, -1);
	metrics_add(
		u->metrics, state == UPLOAD_DONE ? METRIC_UPLOADS_DONE : METRIC_UPLOADS_FAILED, 1);
	if (state == UPLOAD_DONE)
		metrics_add(u->metrics, METRIC_UPLOAD_BYTES, up->bytes);
	upload_store(up);
}

void upload_fail(struct upload *up, const char *cause)
{
	char shown[UPLOAD_CAUSE_SIZE];
	str_escape(cause, strlen(cause), shown, sizeof(shown));
	memcpy(up->cause, shown, sizeof(shown));
	log_task(LOG_LEVEL_WARNING, up->batch->task, "upload %u to %s is given up: %s", up->number,
		up->origin ? up->origin : "?", shown);
	/* What lies at the server is paid for until somebody takes it back. */
	up->is_aborting = up->upload_id != NULL;
	up->attempts = 0;
	up->next_ns = 0;
	upload_set_state(up, UPLOAD_FAILED);
}

/* ---- the end of a batch ---- */

/* Those that are known longest, of the user who has most. */
static void expire(struct uploads *u)
{
	uint64_t now = clock_boot_ns();
	list_for_each_safe (pos, &u->finished) {
		struct upload_batch *b = list_entry(pos, struct upload_batch, link);
		if (now < b->finished_ns + UPLOADS_KEEP_NS)
			break;
		upload_batch_free(b);
	}
	while (u->n_finished > UPLOADS_KEEP_COUNT) {
		const struct upload_owner *most = NULL;
		list_for_each (pos, &u->owners) {
			const struct upload_owner *w = list_entry(pos, struct upload_owner, link);
			if (!most || w->n_finished > most->n_finished)
				most = w;
		}
		list_for_each (pos, &u->finished) {
			struct upload_batch *b = list_entry(pos, struct upload_batch, link);
			if (b->owner == most) {
				upload_batch_free(b);
				break;
			}
		}
	}
}

void upload_batch_settle(struct upload_batch *b)
{
	struct uploads *u = b->uploads;
	list_for_each (pos, &b->list) {
		const struct upload *up = list_entry(pos, struct upload, link);
		if (!upload_is_over(up) || up->is_aborting)
			return;
	}
	list_for_each (pos, &b->list)
		upload_forget(list_entry(pos, struct upload, link));
	upload_batch_forget_credentials(b);
	fd_close(&b->spool);
	if (u->spool_dir)
		spool_file_remove(u->spool_dir, b->task);
	b->owner->bytes -= b->bytes;
	u->bytes -= b->bytes;
	b->finished_ns = clock_boot_ns();
	list_remove(&b->link);
	list_append(&u->finished, &b->link);
	u->n_finished += b->n;
	b->owner->n_finished += b->n;
	expire(u);
}

/* ---- life ---- */

static void on_alarm(void *owner)
{
	uploads_run(owner);
}

static void on_telling(void *owner)
{
	uploads_tell(owner);
}

int uploads_init(struct uploads *u, uv_loop_t *loop, const struct options *options,
	const struct upload_targets *targets, struct metrics *metrics, const char *dir,
	const char *spool_dir)
{
	struct err e;
	*u = (struct uploads){ .loop = loop,
		.options = options,
		.targets = targets,
		.metrics = metrics,
		.spool_dir = spool_dir };
	list_init(&u->batches);
	list_init(&u->finished);
	list_init(&u->watches);
	list_init(&u->owners);
	int r = syncer_create(loop, &u->syncer);
	if (r < 0)
		return r;
	if (outbox_store_init(&u->store, u->syncer, dir, "uploads", &e) < 0)
		log_warning("nothing can be uploaded: %s", e.msg);
	u->store.has_secrets = true;
	r = alarm_create(loop, on_alarm, u, &u->alarm);
	if (r == 0)
		r = alarm_create(loop, on_telling, u, &u->telling);
	if (r == 0 && u->store.path)
		uploads_take_in(u);
	if (r == 0 && u->count)
		alarm_set(u->alarm, 0);
	return r;
}

void uploads_finish(struct uploads *u)
{
	if (!u->loop)
		return;
	if (u->count)
		log_info("%zu uploads wait for the next daemon", u->count);
	struct list *const lists[] = { &u->batches, &u->finished };
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
		list_for_each_safe (pos, lists[i])
			upload_batch_free(list_entry(pos, struct upload_batch, link));
	http_destroy(&u->http);
	upload_mutes_finish(&u->mutes);
	alarm_destroy(&u->alarm);
	alarm_destroy(&u->telling);
	syncer_destroy(&u->syncer);
	outbox_store_finish(&u->store);
}

void uploads_drain(struct uploads *u)
{
	syncer_drain(u->syncer);
}

void uploads_tick(struct uploads *u)
{
	expire(u);
}

void uploads_check_again(struct uploads *u)
{
	if (u->count)
		alarm_set(u->alarm, 0);
}
