/*
 * Which task runs next: a bounded queue with a cap on running tasks, in total and per uid. Tasks of
 * one uid are served first in, first out; uids take turns, so a flood of one does not starve
 * another. Pure: no loop, no clock. An entry is embedded in the task.
 *
 *   sched_submit ──▶ ready ──sched_next──▶ running ──sched_remove──▶ out
 *                      └────────────sched_remove─────────────────────▲
 */
#ifndef DAYFLY_SCHED_QUEUE_H
#define DAYFLY_SCHED_QUEUE_H

#include "base/list.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct sched_user;

enum sched_entry_state { SCHED_OUT, SCHED_READY, SCHED_RUNNING };

/* Zero-initialise it before its first use. */
struct sched_entry {
	enum sched_entry_state state;
	struct sched_user *user; /* while not SCHED_OUT */
	struct list link;	 /* sched_user.ready */
};

/* max_ready and max_ready_uid may be 0: a task runs at once or is refused. */
struct sched_caps {
	size_t max_running, max_running_uid;
	size_t max_ready, max_ready_uid;
};

struct sched {
	struct sched_caps caps;
	size_t n_running, n_ready;
	struct list users; /* sched_user.link: the one whose turn it is comes first */
};

void sched_init(struct sched *s, const struct sched_caps *caps);
/* New caps; what runs or waits already stays. Call sched_next() afterwards. */
void sched_set_caps(struct sched *s, const struct sched_caps *caps);
/* All entries must be out. */
void sched_finish(struct sched *s);

enum sched_verdict { SCHED_OK, SCHED_BUSY, SCHED_BUSY_UID };

/*
 * Puts an entry at the end of its uid's queue. Returns SCHED_OK, SCHED_BUSY (the queue is full),
 * SCHED_BUSY_UID (this uid's share of it is full) or -ENOMEM. *ret_depth (may be NULL) is the
 * number of ready tasks: of all, or for SCHED_BUSY_UID of this uid.
 */
int sched_submit(struct sched *s, struct sched_entry *e, uid_t uid, size_t *ret_depth);

/* The next entry that may run now; it is SCHED_RUNNING from here on. NULL: none. */
struct sched_entry *sched_next(struct sched *s);

/*
 * Takes out a ready or a running entry. Harmless for one that is out. Call sched_next() afterwards:
 * a slot may be free.
 */
void sched_remove(struct sched *s, struct sched_entry *e);

#endif
