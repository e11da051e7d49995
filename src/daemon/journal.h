/*
 * The journal: what tells the next daemon which tasks this one had accepted, should it die. Records
 * (journal_record.h) are appended to a file in the state directory: when a task is accepted, when
 * it starts and runs, when it is done. A task without a finish record is lost: recovery.h.
 *
 * Appending is a write on the loop, into the page cache: it survives the daemon's death. What has
 * to survive the machine's is synced by a worker, many records at once; who must not go on before
 * that has a journal_wait. When the file has grown the worker writes a new one without what is too
 * old (journal_anew.h). Everything else happens on the loop's thread.
 *
 * Without space in the directory a task is not accepted, and records of those that are there wait
 * in memory until there is space again.
 */
#ifndef DAYFLY_DAEMON_JOURNAL_H
#define DAYFLY_DAEMON_JOURNAL_H

#include "base/buf.h"
#include "base/err.h"
#include "base/list.h"
#include "daemon/journal_file.h"
#include "daemon/journal_record.h"
#include "task/watch.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

/* Finished tasks that the file keeps, as long as JOBS_KEEP_NS. */
#define JOURNAL_KEEP_COUNT 1024
/* A file is made anew when it is twice as long as when it was made, and at least so long. */
#define JOURNAL_COMPACT_BYTES (4u << 20)
/* Records for which nobody waits are synced after so long. */
#define JOURNAL_SYNC_MS 100
/* Records that wait for space. */
#define JOURNAL_BACKLOG_BYTES (4u << 20)

enum journal_work { JOURNAL_IDLE, JOURNAL_SYNC, JOURNAL_COMPACT };

struct journal {
	bool is_on;
	bool is_private; /* its file goes when the daemon ends well */
	struct journal_file file;
	struct buf scratch, backlog;
	uint64_t n_appended, n_synced; /* records, ever */
	struct list waits;	       /* journal_wait.link, oldest first */
	uint64_t compact_at;
	bool is_name_new; /* the directory is to be synced too */
	bool is_suspect;  /* a sync failed: what the file holds is not known */
	int fault;	  /* errno of the last write or sync; 0: all is well */

	/* The worker, a thread of our own: libuv's ends the process where it cannot be made. */
	uv_loop_t *loop; /* NULL: there is none */
	uv_thread_t worker;
	uv_sem_t work; /* there is something to do */
	uv_async_t done;
	struct alarm *sync_alarm;
	bool is_sync_due;
	enum journal_work doing; /* JOURNAL_IDLE, for the worker: the end */
	/* For the worker, and what it hands back. */
	bool work_with_dir;
	int work_fd, work_new_fd, work_errno;
	uint64_t work_end, work_upto;
};

/* Waits for all records so far; embedded, zero-initialised before its first use. */
struct journal_wait {
	struct list link; /* journal.waits */
	uint64_t upto;
	void (*fn)(struct journal_wait *w, int errnum); /* 0: synced */
};

/* No journal: every function below does nothing. */
void journal_init(struct journal *j);

/*
 * Opens the one in this directory and adds what it says to *m. No space is no failure. Returns 0 or
 * -errno (-EBUSY: another daemon has it).
 */
int journal_open(struct journal *j, const char *dir, struct journal_image *m, struct err *e);

/* Begins a new file with the image, and makes the worker: before the loop runs. Returns 0 or
 * -errno. */
int journal_start(struct journal *j, uv_loop_t *loop, const struct journal_image *m);

/* Returns 0, or -errno with *e: then the task must not be accepted. */
int journal_accept(struct journal *j, const struct journal_task *t, struct err *e);
void journal_state(struct journal *j, const char *id, enum task_state state, uint64_t at_ns);
/* Returns 0, or -errno: nothing is kept of it, and the next daemon would take the task for lost. */
int journal_finish(struct journal *j, const char *id, uint64_t at_ns, const char *result);

/* Returns whether there is something to wait for; if so fn is called once, unless journal_forget()
 * comes first. */
bool journal_wait(struct journal *j, struct journal_wait *w);
void journal_forget(struct journal_wait *w);

/* From time to time: what could not be written is tried again. */
void journal_tick(struct journal *j);

/* Ends well: waits for the worker, syncs, closes. The loop has a handle to close afterwards. */
void journal_close(struct journal *j);

/* "DIR/NAME": on the heap, or NULL. */
char *journal_path(const struct journal *j);

#endif
