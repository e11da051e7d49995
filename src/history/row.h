/*
 * What the history remembers of one task. Texts that are JSON were made by the daemon; nothing
 * secret is in them (daemon/past.c). Pure.
 */
#ifndef DAYFLY_HISTORY_ROW_H
#define DAYFLY_HISTORY_ROW_H

#include "base/id.h"
#include "base/list.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define HISTORY_OUTCOME_SIZE 16
#define HISTORY_CAUSE_SIZE   24

struct history_row {
	struct list link; /* history_queue.rows */
	char id[ID_TASK_SIZE];
	uid_t uid;
	uint64_t created_ns, started_ns, finished_ns; /* CLOCK_REALTIME; 0: not, or not yet */
	char *name;				      /* NULL: none */
	char *argv;				      /* JSON: a list, the first words */
	bool argv_is_cut;
	char *labels;  /* JSON: an object; NULL: none */
	char *request; /* JSON: an object */
	bool request_is_cut;
	char outcome[HISTORY_OUTCOME_SIZE], cause[HISTORY_CAUSE_SIZE];
	bool has_code;
	int code;
	char *result;  /* JSON: an object; NULL: it is not done */
	char *log_dir; /* where its output lay in a file; NULL: in memory, or not known */
};

/* Zeroed. NULL: no memory. */
struct history_row *history_row_create(void);
void history_row_destroy(struct history_row *r);

/* About what it takes, in memory and on the disk. */
size_t history_row_bytes(const struct history_row *r);

/* ---- rows that wait to be written ---- */

/* Beyond this the oldest of the uid that has most go. */
#define HISTORY_QUEUE_BYTES (8u << 20)

struct history_queue {
	struct list rows; /* history_row.link, oldest first */
	size_t n, bytes;
};

void history_queue_init(struct history_queue *q);
void history_queue_finish(struct history_queue *q);
/* Returns how many rows had to go. */
size_t history_queue_add(struct history_queue *q, struct history_row *take_row);
/* Puts back what was taken and not written: before all others. Returns how many rows had to go. */
size_t history_queue_put_back(struct history_queue *q, struct history_queue *older);
/* Moves all to *ret, which is empty. */
void history_queue_take(struct history_queue *q, struct history_queue *ret);
/* The oldest, which is the caller's then; NULL: none. */
struct history_row *history_queue_pop(struct history_queue *q);

#endif
