/*
 * The daemon's tasks: each in a job, with its place in the queue and who listens to it. Finds them
 * by id, prefix, name or jail, as the asking uid may see them; keeps the finished ones for a while.
 */
#ifndef DAYFLY_DAEMON_JOBS_H
#define DAYFLY_DAEMON_JOBS_H

#include "base/err.h"
#include "base/list.h"
#include "daemon/git_source.h"
#include "daemon/journal.h"
#include "daemon/syncer.h"
#include "sched/queue.h"
#include "task/task.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JOBS_BUCKETS	   256
#define JOBS_INDEX_BUCKETS 1024

/* Finished tasks: when one of these is exceeded the oldest go first, of the uid that has most of
 * it. */
#define JOBS_KEEP_COUNT	     256
#define JOBS_KEEP_NS	     (15 * 60 * 1000000000ull)
#define JOBS_KEEP_LOG_BYTES  (256ull << 20)
#define JOBS_KEEP_SPEC_BYTES (8ull << 20)
/* Those that somebody listens to stay beyond these. Clients that never read what they asked for get
 * no new tasks when there are so many more, or so much more output. */
#define JOBS_UNREAD_COUNT     4096
#define JOBS_UNREAD_LOG_BYTES (4ull << 30)
/* Requests of tasks that are not done, as the sum of their lines: memory that clients can make us
 * hold. */
#define JOBS_PENDING_SPEC_BYTES (32ull << 20)

/* A task's own descriptors while it waits: its output's file and its client's connection. */
#define JOBS_HOLD_FDS 2

/* The shortest prefix of an id that stands for a task. */
#define JOBS_PREFIX_MIN 6

/* What a running task used when the warden was last asked (usage.h). */
struct job_usage {
	struct list link; /* usage.queue */
	bool is_asked;	  /* and not answered */
	uint64_t at_ns;	  /* when it was answered, CLOCK_BOOTTIME; 0: never */
	struct wire_now now;
};

/* What is kept of finished tasks. */
struct jobs_kept {
	uint64_t count, log_bytes, spec_bytes;
};

/* What tasks that are not done make us hold. */
struct jobs_load {
	uint64_t count, spec_bytes, fds;
};

/* One uid that has tasks of this daemon. */
struct jobs_holder {
	uid_t uid;
	struct list link; /* jobs.holders */
	struct jobs_kept has;
	struct jobs_load load;
};

struct job {
	struct task *task;
	struct sched_entry sched;
	struct list bucket;			       /* jobs.buckets */
	struct list link;			       /* jobs.active or jobs.done, oldest first */
	struct list by_name, by_key, by_jail, by_turn; /* jobs.names, .keys, .jails, .turns */
	struct jobs_holder *holder;		       /* NULL: of an earlier daemon */
	struct list conn_link;	/* connection.jobs: it dies with that connection */
	struct list leave_link; /* server.leaving: it waited, and is to end by the next */
	enum task_event leave_event;
	struct list streams; /* stream.job_link */
	struct list feeds;   /* connection.feed.job_link: wait for room in the task's input */
	struct list acks;    /* ack.job_link: an answer waits for room */
	size_t spec_bytes;   /* about what the spec takes in memory */
	size_t held_fds;     /* while it is not done */
	uint64_t log_bytes;  /* kept, once it is done */
	uint64_t done_at_ns; /* CLOCK_BOOTTIME */
	/* The run request is not answered before the journal has it, and the outbox who is to be
	 * told of its end. */
	struct journal_wait accept_wait;
	struct syncer_wait promise_wait;
	unsigned n_waits;
	bool is_accepted;
	uint32_t seen_states; /* bits by enum task_state */
	uint64_t number; /* rises from one accepted task to the next; 0: of an earlier daemon */
	/* When it came into its state: CLOCK_REALTIME, CLOCK_BOOTTIME. */
	uint64_t state_real_ns, state_boot_ns;
	bool is_recovered; /* of an earlier daemon: little of the request is known */
	bool argv_is_cut;
	bool is_in_history;  /* not done, and the history knows it */
	bool is_unwritten;   /* done, and the journal does not say so */
	bool has_run_stream; /* somebody has asked for it on this daemon */
	bool is_superseded;
	bool is_told; /* webhooks are told of it */
	/* It is done, but what its result is to say has to get to the disk before that is told. */
	bool is_ending;
	struct job_usage usage;
	struct git_use git;
	uint64_t digest; /* of the request, where it has an idempotency key */
	/* What its listeners were last told of its wait; SIZE_MAX: nothing. */
	bool told_held;
	size_t told_position;
};

/* It is done, and everybody may know how. */
static inline bool job_is_over(const struct job *j)
{
	return task_is_done(j->task) && !j->is_ending;
}

struct jobs {
	struct list buckets[JOBS_BUCKETS];
	struct list active, done; /* job.link */
	/* All that have a name; an idempotency key; of those that are not done, all that have a
	 * jail; a concurrency key. The oldest of each bucket first. */
	struct list names[JOBS_INDEX_BUCKETS], keys[JOBS_INDEX_BUCKETS];
	struct list jails[JOBS_INDEX_BUCKETS], turns[JOBS_INDEX_BUCKETS];
	uint64_t index_seed;
	struct list holders; /* jobs_holder.link */
	size_t n_active;
	size_t n_holders;      /* that have finished tasks */
	struct jobs_kept kept; /* of all holders */
	struct jobs_load load; /* likewise */
	uint64_t n_total;      /* ever */
	size_t keep_count; /* finished tasks that are kept: each has the file of its output open */
};

void jobs_init(struct jobs *js);
void jobs_finish(struct jobs *js);

/* Takes the task over. Returns NULL when memory is short (the task is destroyed). */
struct job *jobs_add(struct jobs *js, struct task *take_task, size_t spec_bytes);

/* Takes over a task of an earlier daemon, which is done. Returns NULL when memory is short (the
 * task is destroyed). */
struct job *jobs_add_recovered(
	struct jobs *js, struct task *take_task, bool argv_is_cut, uint64_t done_at_ns);

/* Takes back what jobs_add() did: the task was refused. */
void jobs_drop(struct jobs *js, struct job *j);

/* It has its slot: its jail has a number now, or there is none, and what was to go there is gone.
 */
void jobs_note_started(struct jobs *js, struct job *j);

/* It has its result: from the active to the kept ones. */
void jobs_set_done(struct jobs *js, struct job *j, uint64_t now_ns);

/* Frees it; it is in no sum any more. */
void jobs_destroy_job(struct job *j);

/* ---- what is kept of tasks (jobs_keep.c) ---- */

/* It is not done, and counts as its uid's from now on. Returns 0 or -ENOMEM. */
int jobs_load_add(struct jobs *js, struct job *j);
/* It holds so many descriptors now. */
void jobs_load_set_fds(struct jobs *js, struct job *j, size_t n);
void jobs_load_remove(struct jobs *js, struct job *j);
/* Of the uid, or with NULL of all. */
struct jobs_load jobs_load(const struct jobs *js, const uid_t *uid);

/* It is done, and counts as its uid's from now on. */
void jobs_keep(struct jobs *js, struct job *j);

/*
 * Forgets what is over the bounds, except what somebody listens to. With n uids none loses anything
 * as long as it has no more than the nth part of a bound: what one does costs the others no result.
 */
void jobs_expire(struct jobs *js, uint64_t now_ns);

/* What is there beyond the bounds, since somebody listens and does not read: of the uid, or with
 * NULL of all. */
struct jobs_kept jobs_unread(const struct jobs *js, const uid_t *uid);

/* ---- finding: by name, key and jail in jobs_index.c ---- */

void jobs_index_init(struct jobs *js);
void jobs_index_add(struct jobs *js, struct job *j);
void jobs_index_set_jail(struct jobs *js, struct job *j);
/* It is done: it has no jail any more, and its concurrency key is free. */
void jobs_index_set_done(struct job *j);
void jobs_index_remove(struct job *j);

/*
 * word is an id, a unique prefix of one, or a name, among the tasks of this uid: those of others do
 * not exist for it. A name is that of the task that is not done, else of the newest that had it.
 * Returns 0, or -ENOENT or -EINVAL with *e.
 */
int jobs_find(struct jobs *js, uid_t uid, const char *word, struct job **ret, struct err *e);
/* A task of that uid with that name which is not done; NULL: none. */
struct job *jobs_find_active_name(const struct jobs *js, uid_t uid, const char *name);
/* Else the newest that had it. */
struct job *jobs_find_name(const struct jobs *js, uid_t uid, const char *name);
/* The task of that uid that was asked for with this idempotency key: the newest that is known.
 * NULL: none. */
struct job *jobs_find_key(const struct jobs *js, uid_t uid, const char *key);
/* Calls fn for each task that is not done and has the concurrency key of this one, of the same uid,
 * but not for it itself. fn may end the task that it gets. */
void jobs_each_rival(
	struct jobs *js, const struct job *of, void (*fn)(struct job *rival, const struct job *of));
/* Whether one of the labels (strv) is this "key=value", or has this "key". */
bool jobs_has_label(char *const *v, const char *label);
struct job *jobs_find_jail(const struct jobs *js, uint64_t jail);

#endif
