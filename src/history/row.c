/* One task, and tasks that wait to be written: see row.h. */
#include "history/row.h"

#include <stdlib.h>
#include <string.h>

/* Of a row in the tables beside its texts: numbers, keys in the indexes. */
#define ROW_BYTES 320
/* So many uids are told apart when rows have to go. */
#define SHARES 512

struct history_row *history_row_create(void)
{
	struct history_row *r = calloc(1, sizeof(*r));
	if (r)
		list_init(&r->link);
	return r;
}

void history_row_destroy(struct history_row *r)
{
	if (!r)
		return;
	list_remove(&r->link);
	free(r->name);
	free(r->argv);
	free(r->labels);
	free(r->request);
	free(r->result);
	free(r->log_dir);
	free(r);
}

static size_t text_bytes(const char *s)
{
	return s ? strlen(s) : 0;
}

size_t history_row_bytes(const struct history_row *r)
{
	/* A label stands in its table too. */
	return ROW_BYTES + text_bytes(r->name) + text_bytes(r->argv) + 2 * text_bytes(r->labels) +
	       text_bytes(r->request) + text_bytes(r->result) + text_bytes(r->log_dir);
}

/* ---- rows that wait ---- */

void history_queue_init(struct history_queue *q)
{
	*q = (struct history_queue){ 0 };
	list_init(&q->rows);
}

struct history_row *history_queue_pop(struct history_queue *q)
{
	if (list_empty(&q->rows))
		return NULL;
	struct history_row *r = list_entry(q->rows.next, struct history_row, link);
	list_remove(&r->link);
	q->n--;
	q->bytes -= history_row_bytes(r);
	return r;
}

void history_queue_finish(struct history_queue *q)
{
	struct history_row *r;
	while ((r = history_queue_pop(q)))
		history_row_destroy(r);
}

struct share {
	uid_t uid;
	size_t bytes; /* 0: nobody's yet */
};

/* The place of a uid among so many; NULL: all are taken. */
static struct share *find_share(struct share *shares, size_t n, uid_t uid)
{
	for (size_t i = 0; i < n; i++) {
		struct share *s = &shares[(uid + i) % n];
		if (!s->bytes || s->uid == uid)
			return s;
	}
	return NULL;
}

/* Rare: the disk is full or gone, and there are as many rows as may wait. */
static uid_t find_heaviest(const struct history_queue *q)
{
	struct share shares[SHARES] = { 0 };
	const struct share *most = &shares[0];
	list_for_each (pos, &q->rows) {
		const struct history_row *r = list_entry(pos, struct history_row, link);
		struct share *s = find_share(shares, SHARES, r->uid);
		if (!s)
			continue;
		s->uid = r->uid;
		s->bytes += history_row_bytes(r);
		if (s->bytes > most->bytes)
			most = s;
	}
	return most->uid;
}

/* Some at once, so that a flood does not look for the heaviest at each of its rows. */
static size_t drop_some(struct history_queue *q)
{
	uid_t uid = find_heaviest(q);
	size_t n = 0, goal = q->bytes - HISTORY_QUEUE_BYTES / 16;
	list_for_each_safe (pos, &q->rows) {
		struct history_row *r = list_entry(pos, struct history_row, link);
		if (q->bytes <= goal)
			break;
		if (r->uid != uid)
			continue;
		q->n--;
		q->bytes -= history_row_bytes(r);
		history_row_destroy(r);
		n++;
	}
	return n;
}

static size_t drop_over(struct history_queue *q)
{
	size_t n = 0;
	while (q->bytes > HISTORY_QUEUE_BYTES)
		n += drop_some(q);
	return n;
}

size_t history_queue_add(struct history_queue *q, struct history_row *take_row)
{
	list_append(&q->rows, &take_row->link);
	q->n++;
	q->bytes += history_row_bytes(take_row);
	return drop_over(q);
}

size_t history_queue_put_back(struct history_queue *q, struct history_queue *older)
{
	while (!list_empty(&older->rows)) {
		struct list *last = older->rows.prev;
		list_remove(last);
		list_insert(&q->rows, last);
	}
	q->n += older->n;
	q->bytes += older->bytes;
	history_queue_init(older);
	return drop_over(q);
}

void history_queue_take(struct history_queue *q, struct history_queue *ret)
{
	history_queue_put_back(ret, q);
}
