/* The history, as the loop sees it: see history.h. */
#include "history/history.h"

#include "base/clock.h"
#include "history/history_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Of the thread: SQLite compiles statements there. */
#define THREAD_STACK_BYTES (512u << 10)

const char *history_mode_name(enum history_mode mode)
{
	static const char *const names[] = {
		[HISTORY_OPENING] = "opening",
		[HISTORY_ON] = "on",
		[HISTORY_FAULTY] = "faulty",
		[HISTORY_REFUSED] = "refused",
	};
	return names[mode];
}

/* ---- news from the thread ---- */

static void hand_out(
	struct history *h, struct list *messages, struct list *answers, struct list *lost)
{
	list_for_each_safe (pos, messages) {
		struct history_message *m = list_entry(pos, struct history_message, link);
		list_remove(pos);
		log_line(m->level, "%s", m->text);
		free(m);
	}
	list_for_each_safe (pos, lost) {
		list_remove(pos);
		h->hooks.on_lost(h->owner, list_entry(pos, struct history_row, link));
	}
	while (!list_empty(answers)) {
		struct history_query *q = list_entry(answers->next, struct history_query, link);
		list_remove(&q->link);
		h->hooks.on_answer(h->owner, q);
	}
}

static void move_all(struct list *from, struct list *to)
{
	list_init(to);
	if (list_empty(from))
		return;
	list_insert(from, to);
	list_remove(from);
}

static void take_news(struct history *h)
{
	struct list messages, answers, lost;
	uv_mutex_lock(&h->mutex);
	move_all(&h->messages, &messages);
	move_all(&h->answers, &answers);
	move_all(&h->found_lost, &lost);
	uv_mutex_unlock(&h->mutex);
	hand_out(h, &messages, &answers, &lost);
}

static void on_news(uv_async_t *handle)
{
	take_news(handle->data);
}

/* ---- life ---- */

static void destroy(struct history *h)
{
	history_queue_finish(&h->rows);
	uv_cond_destroy(&h->work);
	uv_cond_destroy(&h->end);
	uv_mutex_destroy(&h->mutex);
	place_finish(&h->place);
	free(h);
}

static int init_handles(struct history *h)
{
	int r = uv_mutex_init(&h->mutex);
	if (r < 0)
		return r;
	r = uv_cond_init(&h->work);
	if (r < 0) {
		uv_mutex_destroy(&h->mutex);
		return r;
	}
	r = uv_cond_init(&h->end);
	if (r == 0) {
		r = uv_async_init(h->loop, &h->news, on_news);
		if (r < 0)
			uv_cond_destroy(&h->end);
	}
	if (r < 0) {
		uv_cond_destroy(&h->work);
		uv_mutex_destroy(&h->mutex);
	}
	return r;
}

int history_create(uv_loop_t *loop, const char *dir, bool makes_dirs,
	const struct history_bounds *bounds, const struct history_hooks *hooks, void *owner,
	struct history **ret)
{
	struct history *h = calloc(1, sizeof(*h));
	if (!h)
		return -ENOMEM;
	h->loop = loop;
	h->hooks = *hooks;
	h->owner = owner;
	h->epoch_ns = clock_real_ns();
	h->bounds = *bounds;
	h->has_lost = true;
	history_queue_init(&h->rows);
	list_init(&h->queries);
	list_init(&h->answers);
	list_init(&h->messages);
	list_init(&h->found_lost);
	list_init(&h->lost);
	store_init(&h->store);
	h->store.is_hurried = &h->is_hurried;
	int r = place_init(&h->place, dir, makes_dirs);
	if (r == 0)
		r = init_handles(h);
	if (r < 0) {
		place_finish(&h->place);
		free(h);
		return r;
	}
	h->news.data = h;
	*ret = h;
	return 0;
}

int history_start(struct history *h)
{
	const uv_thread_options_t options = { .flags = UV_THREAD_HAS_STACK_SIZE,
		.stack_size = THREAD_STACK_BYTES };
	int r = uv_thread_create_ex(&h->thread, &options, history_work, h);
	h->has_thread = r == 0;
	return r;
}

static void on_closed(uv_handle_t *handle)
{
	destroy(handle->data);
}

/* Returns whether the thread is at its end. */
static bool wait_end(struct history *h)
{
	const uint64_t deadline = clock_mono_ns() + HISTORY_STOP_NS;
	uv_mutex_lock(&h->mutex);
	h->is_stopping = true;
	atomic_store(&h->is_hurried, true);
	uv_cond_signal(&h->work);
	uint64_t now = clock_mono_ns();
	while (!h->has_ended && now < deadline) {
		uv_cond_timedwait(&h->end, &h->mutex, deadline - now);
		now = clock_mono_ns();
	}
	bool has_ended = h->has_ended;
	h->is_abandoned = !has_ended;
	uv_mutex_unlock(&h->mutex);
	return has_ended;
}

static void end_queries(struct history *h)
{
	list_for_each_safe (pos, &h->queries) {
		struct history_query *q = list_entry(pos, struct history_query, link);
		list_remove(pos);
		q->r = err_set(&q->err, ERR_SHUTDOWN, EIO, "the daemon is stopping");
		list_append(&h->answers, pos);
	}
}

void history_stop(struct history *h)
{
	if (!h)
		return;
	bool has_ended = !h->has_thread || wait_end(h);
	uv_mutex_lock(&h->mutex);
	end_queries(h);
	uv_mutex_unlock(&h->mutex);
	take_news(h);
	if (has_ended && h->has_thread)
		uv_thread_join(&h->thread);
	else if (h->has_thread)
		log_warning("the history in %s takes too long: its last rows may be missing",
			h->place.path);
	if (has_ended && h->rows.n)
		log_warning("the history in %s lacks %zu tasks: %s", h->place.path, h->rows.n,
			h->status.fault);
	/* A thread that hangs in a system call keeps what it has. */
	uv_close((uv_handle_t *)&h->news, has_ended ? on_closed : NULL);
}

/* ---- handing over ---- */

void history_note(struct history *h, struct history_row *take_row)
{
	uv_mutex_lock(&h->mutex);
	if (h->status.mode == HISTORY_REFUSED) {
		history_row_destroy(take_row);
	} else {
		bool was_empty = !h->rows.n, was_small = h->rows.bytes < HISTORY_GATHER_BYTES;
		if (was_empty)
			h->rows_since_ns = clock_mono_ns();
		h->status.dropped += history_queue_add(&h->rows, take_row);
		/* In between the thread sleeps until its time. */
		if (was_empty || (was_small && h->rows.bytes >= HISTORY_GATHER_BYTES))
			uv_cond_signal(&h->work);
	}
	uv_mutex_unlock(&h->mutex);
}

/* Everybody's first question comes before anybody's second. */
static void enqueue(struct history *h, struct history_query *q)
{
	struct list *before = &h->queries;
	q->rank = 0;
	list_for_each (pos, &h->queries)
		q->rank += list_entry(pos, struct history_query, link)->uid == q->uid;
	list_for_each (pos, &h->queries) {
		if (list_entry(pos, struct history_query, link)->rank > q->rank)
			break;
		before = pos;
	}
	list_insert(before, &q->link);
}

void history_ask(struct history *h, struct history_query *q)
{
	uv_mutex_lock(&h->mutex);
	enqueue(h, q);
	uv_cond_signal(&h->work);
	uv_mutex_unlock(&h->mutex);
}

bool history_cancel(struct history *h, struct history_query *q)
{
	bool waits = false;
	uv_mutex_lock(&h->mutex);
	list_for_each (pos, &h->queries)
		waits |= pos == &q->link;
	if (waits)
		list_remove(&q->link);
	uv_mutex_unlock(&h->mutex);
	return waits;
}

void history_set_bounds(struct history *h, const struct history_bounds *bounds)
{
	uv_mutex_lock(&h->mutex);
	h->bounds = *bounds;
	uv_mutex_unlock(&h->mutex);
}

void history_get_status(struct history *h, struct history_status *ret)
{
	uv_mutex_lock(&h->mutex);
	*ret = h->status;
	ret->waiting = h->rows.n;
	uv_mutex_unlock(&h->mutex);
}

const char *history_path(const struct history *h)
{
	return h->place.path;
}
