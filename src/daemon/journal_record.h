/*
 * The bytes of the journal (journal.h): a head with the version, then records. A record is its
 * length, a checksum and as many bytes: what happened to one task. Pure; reading takes any bytes.
 *
 *   accept   a task was accepted: whose it is and what it is known by. Nothing secret: no
 *            environment, and of the command its first words
 *   state    it is starting, running...
 *   finish   it is done: its result, as JSON
 */
#ifndef DAYFLY_DAEMON_JOURNAL_RECORD_H
#define DAYFLY_DAEMON_JOURNAL_RECORD_H

#include "base/buf.h"
#include "base/id.h"
#include "base/list.h"
#include "task/state.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define JOURNAL_MAGIC	"dayflyj\n"
#define JOURNAL_VERSION 2
/* The magic, the version and four bytes that mean nothing yet. */
#define JOURNAL_HEAD_BYTES 16
/* Of the command: so many words, with so many bytes in all. */
#define JOURNAL_ARGV_COUNT 16
#define JOURNAL_ARGV_BYTES 512
/* A longer result is kept without its details. */
#define JOURNAL_RESULT_BYTES (16u << 10)
#define JOURNAL_RECORD_BYTES (32u << 10)
/* Before each: its length and its checksum. */
#define JOURNAL_FRAME_BYTES 8

#define JOURNAL_BUCKETS 1024

enum journal_type { JOURNAL_ACCEPT = 1, JOURNAL_STATE, JOURNAL_FINISH };

struct journal_task {
	struct list link;   /* journal_image.tasks */
	struct list bucket; /* journal_image.buckets */
	char id[ID_TASK_SIZE];
	uid_t uid;
	enum task_state state;			      /* the last that was told */
	uint64_t created_ns, started_ns, finished_ns; /* CLOCK_REALTIME; 0: not, or not yet */
	char *name;				      /* NULL: none */
	char **labels;				      /* strv; NULL: none */
	char **argv;				      /* strv: the first words */
	bool argv_is_cut;
	char *idempotency_key; /* NULL: none */
	uint64_t digest;       /* of the request that had it */
	char *result;	       /* JSON; NULL: it is not done, or the image is an index */
};

/* What a journal says. */
struct journal_image {
	struct list tasks; /* journal_task.link, in order of acceptance */
	struct list buckets[JOURNAL_BUCKETS];
	size_t n_tasks;
	/* Of a task it keeps no text: only whose it is, how far it has come, and when it was done.
	 * To be set before anything is added. */
	bool is_index;
};

void journal_image_init(struct journal_image *m);
void journal_image_finish(struct journal_image *m);
struct journal_task *journal_image_find(const struct journal_image *m, const char *id);
void journal_image_drop(struct journal_image *m, struct journal_task *t);

/* Adds what one record says, of a task that is not known (any more) nothing. Returns whether it was
 * a record. */
bool journal_image_add(struct journal_image *m, struct buf_reader record);
/* The one of the image's tasks that a record is about, or NULL. */
const struct journal_task *journal_image_task_of(
	const struct journal_image *m, struct buf_reader record, enum journal_type *ret_type);

/* Drops the finished tasks that ended more than keep_ns ago, and of those that are more than
 * keep_count the oldest of the uids that have most. */
void journal_image_prune(
	struct journal_image *m, uint64_t now_real_ns, uint64_t keep_ns, size_t keep_count);

/* Writing. Each adds one record, or nothing: returns 0 or -errno. */
int journal_put_head(struct buf *b);
int journal_put_accept(struct buf *b, const struct journal_task *t);
int journal_put_state(struct buf *b, const char *id, enum task_state state, uint64_t at_ns);
int journal_put_finish(struct buf *b, const char *id, uint64_t at_ns, const char *result);
/* How far a task that is not done has come; of another, nothing. */
int journal_put_progress(struct buf *b, const struct journal_task *t);
/* All that is known of a task: several records. */
int journal_put_task(struct buf *b, const struct journal_task *t);

/* Copies the first words of a command as far as they fit. Returns 0 or -ENOMEM. */
int journal_cut_argv(struct journal_task *t, char *const *argv);

#endif
