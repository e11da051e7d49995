/*
 * The history's database, as SQLite has it. Blocking: for the history's thread, which alone uses a
 * store. Every function that can fail returns an enum store_fault, so that the caller knows what
 * would help.
 */
#ifndef DAYFLY_HISTORY_STORE_H
#define DAYFLY_HISTORY_STORE_H

#include "base/buf.h"
#include "history/filter.h"
#include "history/row.h"

#include <sqlite3.h>

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum store_fault {
	STORE_OK,
	STORE_DAMAGED, /* no good database: it is to be set aside */
	STORE_NEWER,   /* of a version that this program does not know: it is left alone */
	STORE_FULL,    /* no space */
	STORE_FAILED,  /* anything else; perhaps it helps to try again */
	STORE_SLOW,    /* a question took too long */
};

struct store {
	sqlite3 *db; /* NULL: not open */
	sqlite3_stmt *put;
	char fault[256];	       /* what the last failure was */
	int version;		       /* of the file that was opened */
	uint64_t deadline_ns;	       /* of the question under way, CLOCK_MONOTONIC */
	const atomic_bool *is_hurried; /* set: questions end at once. NULL: never */
};

void store_init(struct store *s);
void store_close(struct store *s);

/* Opens the file, or makes it, in its present version. */
enum store_fault store_open(struct store *s, const char *path);

/* All of the queue or nothing; the rows stay the caller's. What is known of a task already is
 * completed; one that is done stays as it is. */
enum store_fault store_write(struct store *s, const struct history_queue *q);

struct store_size {
	uint64_t rows, bytes; /* of tasks; of the file, what is in use */
};
enum store_fault store_measure(struct store *s, struct store_size *ret);

/*
 * Removes a few of what is too old (done before before_ns; 0: none) or too much (bytes; 0: no
 * bound), and gives their space back. Of what is too much the oldest of the user who has most go.
 * *ret_more: there is more to do.
 */
enum store_fault store_expire(
	struct store *s, uint64_t before_ns, uint64_t max_bytes, bool *ret_more);

/* ---- asking (store_read.c) ---- */

#define STORE_QUESTION_NS (1000 * 1000000ull)
/* An answer is at an end when it has so many bytes. */
#define STORE_ANSWER_BYTES (256u << 10)

/* Adds {"tasks":[...],"next":"..."} to the buffer. */
enum store_fault store_list(struct store *s, const struct history_filter *f, struct buf *out);

struct store_found {
	size_t n; /* 0: none, 1, or 2: more than one begins so */
	char id[ID_TASK_SIZE];
	uint64_t created_ns, finished_ns; /* 0: not known */
	int64_t output_bytes;		  /* of both streams; -1: not known */
};

/*
 * A task that is done, by its id, the beginning of it, or its name: of this uid, and of others (not
 * by name) where any_uid. with_all: all about it is added to the buffer, else its result; tasks
 * from before epoch_ns are of an earlier daemon.
 */
struct store_wanted {
	uid_t uid;
	bool any_uid;
	const char *word;
	bool is_id; /* of the form of an id or of the beginning of one */
	bool with_all;
	uint64_t epoch_ns;
};
enum store_fault store_find(
	struct store *s, const struct store_wanted *w, struct store_found *ret, struct buf *out);

/* Up to max tasks that were not done when an earlier daemon ended: fn gets each. *after (0 at
 * first) says where to go on. */
enum store_fault store_each_active(struct store *s, uint64_t before_ns, int64_t *after, size_t max,
	void (*fn)(void *owner, struct history_row *take_row), void *owner);

#endif
