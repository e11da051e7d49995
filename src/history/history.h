/*
 * The history: what is remembered of every task, beyond the daemon's life. A thread of its own has
 * the database; the loop hands it rows and questions and never waits for it. What cannot be written
 * waits in bounded memory and is tried again; no task ever waits for its row.
 *
 *   opening ──▶ on ◀──▶ faulty      a full or read-only disk: tried again every few seconds
 *      │        └───── damaged: set aside, and a new one begins
 *      └──▶ refused                 a file of a newer version: left alone, nothing is written
 *
 * Everything here is called on the loop's thread.
 */
#ifndef DAYFLY_HISTORY_HISTORY_H
#define DAYFLY_HISTORY_HISTORY_H

#include "base/err.h"
#include "base/list.h"
#include "history/filter.h"
#include "history/row.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct history;

/* Rows wait so long for others, or until there are so many bytes of them. */
#define HISTORY_GATHER_NS    (500 * 1000000ull)
#define HISTORY_GATHER_BYTES (512u << 10)
/* Space of the file system that is left to others, where it is large enough: else half of it. */
#define HISTORY_RESERVE_BYTES (16ull << 20)
#define HISTORY_RETRY_NS      (5 * 1000000000ull)
/* Without tasks it is looked after so often. */
#define HISTORY_EXPIRE_NS (60 * 1000000000ull)
/* At the end the last rows may take so long. */
#define HISTORY_STOP_NS (3 * 1000000000ull)

enum history_mode { HISTORY_OPENING, HISTORY_ON, HISTORY_FAULTY, HISTORY_REFUSED };
const char *history_mode_name(enum history_mode mode);

struct history_bounds {
	uint64_t max_age_ms, max_bytes; /* 0: none */
};

struct history_status {
	enum history_mode mode;
	char fault[512];	   /* why it is faulty or refused; else "" */
	uint64_t rows, bytes;	   /* as last measured */
	uint64_t waiting;	   /* rows that are not written yet */
	uint64_t written, dropped; /* rows, since the start; dropped: there was no room to wait */
};

/* A question. Embedded by whoever asks, and not to be touched by him until it is answered. */
struct history_query {
	struct list link; /* history.queries, history.answers */
	unsigned rank;	  /* so many of the same uid were before it */
	uid_t uid;	  /* who asks */
	bool is_list;
	struct history_filter filter; /* of a list */
	/* Else one task, as in struct store_wanted. */
	char word[LIMIT_NAME_BYTES + 1];
	uid_t of_uid;
	bool any_uid, is_id, with_all;

	/* The answer. */
	int r; /* 0, or -errno with err: -ENOENT, -EINVAL (more than one begins so), -EBUSY (it took
		  too long), -EIO (there is no history now) */
	struct err err;
	char *text; /* JSON, not terminated; whoever asked frees it */
	size_t len;
	char id[ID_TASK_SIZE];
	uint64_t created_ns, finished_ns;
	int64_t output_bytes; /* -1: not known */
};

struct history_hooks {
	void (*on_answer)(void *owner, struct history_query *q);
	/* A task that was not done when an earlier daemon ended, and of which nothing else is
	 * known: it is to be noted again, with its result. The row is the hook's. */
	void (*on_lost)(void *owner, struct history_row *take_row);
};

/* Makes it, for a directory (place.h). Returns 0 or -errno. */
int history_create(uv_loop_t *loop, const char *dir, bool makes_dirs,
	const struct history_bounds *bounds, const struct history_hooks *hooks, void *owner,
	struct history **ret);
/* Makes the thread, once the rows of an earlier daemon's journal were noted. Returns 0 or -errno.
 */
int history_start(struct history *h);
/* Writes what waits, for a while, and ends. It frees itself when the loop has closed its handles.
 * Questions are answered before. h may be NULL. */
void history_stop(struct history *h);

/* A task is accepted, or done: the row takes the place of an earlier one of the same task. */
void history_note(struct history *h, struct history_row *take_row);
void history_ask(struct history *h, struct history_query *q);
/* Takes a question back. Returns false where it is being answered or was: the answer comes. */
bool history_cancel(struct history *h, struct history_query *q);
void history_set_bounds(struct history *h, const struct history_bounds *bounds);

void history_get_status(struct history *h, struct history_status *ret);
/* Its file. */
const char *history_path(const struct history *h);

#endif
