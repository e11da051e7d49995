/* The history's thread: see history.h. All that blocks is here. */
#include "base/clock.h"
#include "history/history_priv.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Messages that wait for the loop. */
#define MESSAGES_MAX 32
/* Tasks of an earlier daemon that are given to the loop at once. */
#define LOST_AT_ONCE 256

/* What one round of the thread has before it. */
struct round {
	struct history_queue rows;
	struct history_query *query;
	struct history_bounds bounds;
	bool is_last;
};

/* ---- telling ---- */

static void say(struct history *h, enum log_level level, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static void say(struct history *h, enum log_level level, const char *fmt, ...)
{
	struct history_message *m = calloc(1, sizeof(*m));
	va_list ap;
	size_t n = 0;
	if (!m)
		return;
	m->level = level;
	va_start(ap, fmt);
	vsnprintf(m->text, sizeof(m->text), fmt, ap);
	va_end(ap);
	uv_mutex_lock(&h->mutex);
	list_for_each (pos, &h->messages)
		n++;
	if (n < MESSAGES_MAX)
		list_append(&h->messages, &m->link);
	else
		free(m);
	uv_mutex_unlock(&h->mutex);
}

/* Its state is written here only. A change is told once. */
static void set_mode(struct history *h, enum history_mode mode, const char *fault)
{
	uv_mutex_lock(&h->mutex);
	enum history_mode before = h->status.mode;
	h->status.mode = mode;
	snprintf(h->status.fault, sizeof(h->status.fault), "%s", fault);
	uv_mutex_unlock(&h->mutex);
	if (mode == before)
		return;
	if (mode == HISTORY_REFUSED)
		say(h, LOG_LEVEL_ERROR,
			"no history: %s is left as it is: %s; start the dayflyd that wrote it, or "
			"move it away",
			h->place.path, fault);
	else if (mode == HISTORY_FAULTY)
		say(h, LOG_LEVEL_ERROR,
			"the history in %s cannot be written: %s; tasks run all the same",
			h->place.path, fault);
	else if (before == HISTORY_FAULTY)
		say(h, LOG_LEVEL_INFO, "the history in %s can be written again", h->place.path);
}

static void set_faulty(struct history *h, const char *fault)
{
	h->retry_ns = clock_mono_ns() + HISTORY_RETRY_NS;
	set_mode(h, HISTORY_FAULTY, fault);
}

/* ---- opening, and what is damaged ---- */

static void set_aside(struct history *h, const char *why)
{
	char aside[512], text[320];
	struct err e;
	store_close(&h->store);
	snprintf(text, sizeof(text), "is damaged (%s)", why);
	if (place_set_aside(&h->place, text, aside, sizeof(aside), &e) < 0)
		set_faulty(h, e.msg);
	else
		say(h, LOG_LEVEL_ERROR, "%s", aside);
}

/* What is to be done about a fault of the store. */
static void deal_with(struct history *h, enum store_fault fault)
{
	char text[sizeof(h->store.fault)];
	if (fault == STORE_OK || fault == STORE_SLOW)
		return;
	snprintf(text, sizeof(text), "%s", h->store.fault);
	if (fault == STORE_DAMAGED)
		set_aside(h, text);
	else if (fault == STORE_NEWER)
		set_mode(h, HISTORY_REFUSED, text);
	else if (fault == STORE_FULL)
		set_faulty(h, "no space is left; make room there, or set a smaller max_bytes in "
			      "[history]");
	else
		set_faulty(h, text);
}

static void open_store(struct history *h)
{
	char aside[512];
	struct err e;
	if (place_open(&h->place, aside, sizeof(aside), &e) < 0)
		return set_faulty(h, e.msg);
	if (aside[0])
		say(h, LOG_LEVEL_ERROR, "%s", aside);
	/* Twice: a damaged one makes room for a new one. */
	for (int i = 0; i < 2; i++) {
		enum store_fault fault = store_open(&h->store, h->place.path);
		deal_with(h, fault);
		if (fault == STORE_OK)
			set_mode(h, HISTORY_ON, "");
		if (fault != STORE_DAMAGED)
			return;
	}
}

static bool is_open(const struct history *h)
{
	return h->store.db != NULL;
}

static bool is_refused(const struct history *h)
{
	/* Only this thread writes it. */
	return h->status.mode == HISTORY_REFUSED;
}

static void open_if_due(struct history *h)
{
	if (!is_open(h) && !is_refused(h) && clock_mono_ns() >= h->retry_ns)
		open_store(h);
}

/* ---- writing ---- */

/* The history takes no space that the journal, and who else is there, may need. */
static bool has_space(const struct history *h, uint64_t bytes)
{
	uint64_t n_free, all, reserve = HISTORY_RESERVE_BYTES;
	if (place_space(&h->place, &n_free, &all) < 0)
		return true; /* writing will tell */
	if (all / 2 < reserve)
		reserve = all / 2;
	return n_free >= reserve + 2 * bytes;
}

static void note_written(struct history *h, size_t n, const struct store_size *size)
{
	uv_mutex_lock(&h->mutex);
	h->status.written += n;
	h->status.rows = size->rows;
	h->status.bytes = size->bytes;
	uv_mutex_unlock(&h->mutex);
}

static enum store_fault write_rows(struct history *h, struct history_queue *rows)
{
	struct store_size size;
	if (!has_space(h, rows->bytes))
		return STORE_FULL;
	size_t n = rows->n;
	enum store_fault fault = n ? store_write(&h->store, rows) : STORE_OK;
	if (fault != STORE_OK)
		return fault;
	history_queue_finish(rows);
	fault = store_measure(&h->store, &size);
	if (fault == STORE_OK)
		note_written(h, n, &size);
	return fault;
}

/* A row that SQLite refuses would be in the way of the others for ever. */
static void write_each(struct history *h, struct history_queue *rows)
{
	struct history_queue one;
	struct history_row *r;
	history_queue_init(&one);
	while ((r = history_queue_pop(rows))) {
		history_queue_add(&one, r);
		if (store_write(&h->store, &one) != STORE_OK)
			say(h, LOG_LEVEL_WARNING, "the history lacks task %s: %s", r->id,
				h->store.fault);
		history_queue_finish(&one);
	}
}

static bool is_row_refused(const struct history *h)
{
	return strstr(h->store.fault, "constraint") || strstr(h->store.fault, "too big");
}

/* The oldest; it stays where it cannot be written. */
static enum store_fault write_first(struct history *h, struct history_queue *rows)
{
	struct history_queue one;
	history_queue_init(&one);
	history_queue_add(&one, history_queue_pop(rows));
	enum store_fault fault = write_rows(h, &one);
	if (fault != STORE_OK)
		history_queue_put_back(rows, &one);
	return fault;
}

/* Where there is no room for all, there may be for some: many wait when it was full for long. */
static enum store_fault write_what_fits(struct history *h, struct history_queue *rows)
{
	enum store_fault fault = write_rows(h, rows);
	if (fault != STORE_FULL || rows->n < 2)
		return fault;
	do {
		fault = write_first(h, rows);
	} while (fault == STORE_OK && rows->n);
	return fault;
}

static void do_write(struct history *h, struct round *round)
{
	if (!is_open(h) || clock_mono_ns() < h->retry_ns || !round->rows.n)
		return;
	enum store_fault fault = write_what_fits(h, &round->rows);
	if (fault == STORE_FAILED && is_row_refused(h)) {
		write_each(h, &round->rows);
		fault = STORE_OK;
	}
	deal_with(h, fault);
	/* In the new one. */
	if (fault == STORE_DAMAGED && clock_mono_ns() >= h->retry_ns) {
		open_store(h);
		if (is_open(h))
			fault = write_rows(h, &round->rows);
	}
	if (fault == STORE_OK)
		set_mode(h, HISTORY_ON, "");
}

/* ---- tasks of an earlier daemon ---- */

static void add_lost(void *owner, struct history_row *take_row)
{
	struct history *h = owner;
	list_append(&h->lost, &take_row->link);
}

/* When all that the journal knows is written. Those that are found come back with a result. */
static void find_lost(struct history *h)
{
	size_t n = 0;
	/* Only this thread writes the mode. What comes back is to be written, too. */
	if (!h->has_lost || !is_open(h) || h->status.mode != HISTORY_ON)
		return;
	enum store_fault fault = store_each_active(
		&h->store, h->epoch_ns, &h->lost_after, LOST_AT_ONCE, add_lost, h);
	deal_with(h, fault);
	uv_mutex_lock(&h->mutex);
	while (!list_empty(&h->lost)) {
		struct list *link = h->lost.next;
		list_remove(link);
		list_append(&h->found_lost, link);
		n++;
	}
	uv_mutex_unlock(&h->mutex);
	h->has_lost = fault == STORE_OK && n == LOST_AT_ONCE;
}

/* ---- answering ---- */

static int no_history(struct history *h, struct history_query *q)
{
	char fault[sizeof(h->status.fault)];
	uv_mutex_lock(&h->mutex);
	snprintf(fault, sizeof(fault), "%s", h->status.fault);
	uv_mutex_unlock(&h->mutex);
	err_set(&q->err, ERR_NO_HISTORY, 0, "the history cannot be read: %.200s", fault);
	err_hint(&q->err, "`dayfly info` shows where it lies and what is wrong with it");
	return -EIO;
}

static int answer_fault(struct history *h, struct history_query *q, enum store_fault fault)
{
	if (fault == STORE_SLOW) {
		err_set(&q->err, ERR_BUSY, 0,
			"the history has more tasks than can be looked through in a second");
		err_hint(&q->err, "narrow it down: since, until, or fewer conditions");
		return -EBUSY;
	}
	if (is_open(h) && fault == STORE_FAILED) {
		err_set(&q->err, ERR_NO_HISTORY, 0, "the history cannot be read: %.200s",
			h->store.fault);
		return -EIO;
	}
	return no_history(h, q);
}

static int check_found(
	const struct history *h, struct history_query *q, const struct store_found *found)
{
	if (!found->n)
		return err_set(&q->err, ERR_NOT_FOUND, ENOENT, "there is no task \"%s\"", q->word);
	if (found->n > 1)
		return err_set_field(&q->err, ERR_AMBIGUOUS, "task",
			"more than one task of the history begins with \"%s\"", q->word);
	memcpy(q->id, found->id, sizeof(q->id));
	q->created_ns = found->created_ns;
	q->finished_ns = found->finished_ns;
	q->output_bytes = found->output_bytes;
	return 0;
}

static enum store_fault ask_store(
	struct history *h, struct history_query *q, struct store_found *found, struct buf *out)
{
	const struct store_wanted wanted = {
		.uid = q->of_uid,
		.any_uid = q->any_uid,
		.word = q->word,
		.is_id = q->is_id,
		.with_all = q->with_all,
		.epoch_ns = h->epoch_ns,
	};
	return q->is_list ? store_list(&h->store, &q->filter, out)
			  : store_find(&h->store, &wanted, found, out);
}

static void answer(struct history *h, struct history_query *q)
{
	struct store_found found = { 0 };
	struct buf out;
	buf_init(&out, 0);
	if (!is_open(h)) {
		q->r = no_history(h, q);
	} else {
		enum store_fault fault = ask_store(h, q, &found, &out);
		q->r = fault != STORE_OK ? answer_fault(h, q, fault)
		       : q->is_list	 ? 0
					 : check_found(h, q, &found);
		/* The answer has told it; now it is dealt with. */
		if (fault == STORE_DAMAGED)
			deal_with(h, fault);
	}
	if (q->r == 0 && out.start == 0) {
		q->text = out.data;
		q->len = buf_len(&out);
	} else {
		buf_finish(&out);
	}
	uv_mutex_lock(&h->mutex);
	list_append(&h->answers, &q->link);
	uv_mutex_unlock(&h->mutex);
}

/* ---- forgetting ---- */

static void expire(struct history *h, const struct history_bounds *bounds)
{
	struct store_size size;
	bool has_more = false;
	uint64_t now = clock_real_ns(), age = bounds->max_age_ms * NS_PER_MS;
	if (!is_open(h) || clock_mono_ns() < h->expire_ns || clock_mono_ns() < h->retry_ns)
		return;
	enum store_fault fault = store_expire(
		&h->store, age && age < now ? now - age : 0, bounds->max_bytes, &has_more);
	if (fault == STORE_OK)
		fault = store_measure(&h->store, &size);
	if (fault == STORE_OK)
		note_written(h, 0, &size);
	deal_with(h, fault);
	h->expire_ns = clock_mono_ns() + (has_more ? 0 : HISTORY_EXPIRE_NS);
}

/* What was written may be too much. */
static void expire_soon(struct history *h, const struct round *round)
{
	uint64_t max = round->bounds.max_bytes;
	if (max && h->status.bytes > max)
		h->expire_ns = 0;
}

/* On a full disk rows would wait for ever where only what is old could make room for them. */
static void make_space(struct history *h, const struct round *round)
{
	uint64_t retry_ns = h->retry_ns;
	if (h->status.mode != HISTORY_FAULTY || round->is_last || !round->rows.n)
		return;
	expire_soon(h, round);
	expire(h, &round->bounds);
	/* Writing is tried all the same, and says when it is tried next. */
	if (is_open(h))
		h->retry_ns = retry_ns;
}

/* ---- the thread ---- */

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Until when there is nothing to do; 0: there is something now. With the mutex. */
static uint64_t idle_until(const struct history *h)
{
	uint64_t now = clock_mono_ns(), until;
	if (h->is_stopping || !list_empty(&h->queries))
		return 0;
	if (h->status.mode == HISTORY_REFUSED)
		return now + HISTORY_EXPIRE_NS;
	if (!h->store.db || h->retry_ns > now)
		until = h->retry_ns;
	else
		until = h->expire_ns;
	if (h->rows.n && h->store.db && h->retry_ns <= now)
		until = h->rows.bytes >= HISTORY_GATHER_BYTES
				? 0
				: earlier(until, h->rows_since_ns + HISTORY_GATHER_NS);
	return until > now ? until : 0;
}

/* With the mutex. */
static void wait_for_work(struct history *h)
{
	uint64_t until;
	while ((until = idle_until(h))) {
		uint64_t now = clock_mono_ns();
		uv_cond_timedwait(&h->work, &h->mutex, until > now ? until - now : 1);
	}
}

/* With the mutex. */
static void begin_round(struct history *h, struct round *round)
{
	*round = (struct round){ .bounds = h->bounds, .is_last = h->is_stopping };
	history_queue_init(&round->rows);
	history_queue_take(&h->rows, &round->rows);
	/* At the end no question is begun. */
	if (list_empty(&h->queries) || h->is_stopping)
		return;
	round->query = list_entry(h->queries.next, struct history_query, link);
	list_remove(&round->query->link);
	list_for_each (pos, &h->queries) {
		struct history_query *q = list_entry(pos, struct history_query, link);
		q->rank -= q->uid == round->query->uid && q->rank > 0;
	}
}

/* With the mutex. */
static void end_round(struct history *h, struct round *round)
{
	if (h->status.mode == HISTORY_REFUSED)
		history_queue_finish(&round->rows);
	if (round->rows.n)
		h->status.dropped += history_queue_put_back(&h->rows, &round->rows);
	if (h->rows.n)
		h->rows_since_ns = clock_mono_ns();
	if (!h->is_abandoned && (!list_empty(&h->answers) || !list_empty(&h->messages) ||
					!list_empty(&h->found_lost)))
		uv_async_send(&h->news);
}

void history_work(void *arg)
{
	struct history *h = arg;
	struct round round = { 0 };
	uv_mutex_lock(&h->mutex);
	while (!round.is_last) {
		wait_for_work(h);
		begin_round(h, &round);
		uv_mutex_unlock(&h->mutex);
		if (round.is_last)
			h->retry_ns = 0; /* one more try */
		open_if_due(h);
		make_space(h, &round);
		do_write(h, &round);
		find_lost(h);
		if (round.query)
			answer(h, round.query);
		expire_soon(h, &round);
		if (!round.is_last)
			expire(h, &round.bounds);
		uv_mutex_lock(&h->mutex);
		end_round(h, &round);
	}
	uv_mutex_unlock(&h->mutex);
	/* The last words of the database. */
	store_close(&h->store);
	uv_mutex_lock(&h->mutex);
	h->has_ended = true;
	uv_cond_signal(&h->end);
	uv_mutex_unlock(&h->mutex);
}
