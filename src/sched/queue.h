/*
 * Which task runs next. Pure: no loop, no clock; the owner says when things happen. An entry is
 * embedded in what the owner schedules.
 *
 *   sched_submit ──▶ ready ──sched_next──▶ running ──sched_remove──▶ out
 *                      └────────────sched_remove─────────────────────▲
 *
 * Between uids: deficit round robin on CPU time. A uid with CPU time to its credit may start a
 * task; starting costs what its tasks took on average, and the end corrects that to what was really
 * used. When nobody who wants to run has credit left, all get some. So over time uids that always
 * have tasks ready get the same CPU time, however long their tasks are.
 *
 * Within a uid: by arrival, where each step of priority counts as SCHED_AGE_NS of waiting. A task
 * of low priority so gets its turn in the end.
 *
 * A task starts only where all caps leave room: running tasks in total, of the uid, of each label
 * group; the sums of the memory and of the CPUs that running tasks may use, in total and of the
 * uid. One that does not fit into the total of memory or CPUs may be overtaken SCHED_OVERTAKEN_MAX
 * times while its uid has credit; after that nothing starts before it but what its own uid's order
 * puts before it. But what it waits for may run for days: in all, such tasks hold up those of other
 * uids only for a part of the time (queue_hold.c).
 *
 * Entries with the same key (of the same uid) run one at a time.
 */
#ifndef DAYFLY_SCHED_QUEUE_H
#define DAYFLY_SCHED_QUEUE_H

#include "base/list.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define SCHED_AGE_NS	    (60ull * 1000000000ull)
#define SCHED_PRIORITY_MAX  10 /* and -10 is the lowest */
#define SCHED_OVERTAKEN_MAX 16
#define SCHED_GROUPS_MAX    32
/* So long the tasks of others are held up at most, before a rest that is four times as long. */
#define SCHED_HOLD_NS (60ull * 1000000000ull)
#define SCHED_REST    4
/* What a uid gets when all who wait are out of credit, and at most has: CPU time. */
#define SCHED_QUANTUM_US 100000ll

struct sched_user;

enum sched_entry_state { SCHED_OUT, SCHED_READY, SCHED_RUNNING };

/* What an entry asks for. All zero: nothing in particular. */
struct sched_want {
	uint64_t at_ns;	       /* when it was submitted; for the order and the wait only */
	int priority;	       /* -SCHED_PRIORITY_MAX to SCHED_PRIORITY_MAX */
	uint64_t memory_bytes; /* what it may use, for the sum of all; 0: not counted */
	uint64_t cpu_millis;   /* likewise */
	uint32_t groups;       /* label groups that it is in: bits by place in sched_caps.groups */
	const char *key;       /* borrowed while it is not out; NULL: none */
	bool is_held;	       /* it may not start before sched_release() */
	bool at_once;	       /* refused if it cannot start now */
	bool supersedes;       /* its owner takes those out that wait with its key, right after */
};

/* Zero-initialise it before its first use. */
struct sched_entry {
	enum sched_entry_state state;
	struct sched_want want;
	struct sched_user *user; /* while not SCHED_OUT */
	int64_t order_ns;	 /* the lower, the sooner */
	uint32_t key_hash;	 /* of want.key */
	unsigned n_overtaken;
	int64_t paid_us;  /* what its start has cost its uid */
	size_t position;  /* while SCHED_READY: as sched_each_ready() last found it */
	struct list link; /* sched_user.ready or .running */
};

/*
 * max_ready and max_ready_uid may be 0: a task runs at once or is refused. memory_bytes and
 * cpu_millis, and what a uid may have of them: 0 means no cap. group_max: of each label group, how
 * many may run; groups that are not there have SIZE_MAX.
 */
struct sched_caps {
	size_t max_running, max_running_uid;
	size_t max_ready, max_ready_uid;
	uint64_t memory_bytes, cpu_millis;
	uint64_t memory_bytes_uid, cpu_millis_uid;
	size_t n_groups;
	size_t group_max[SCHED_GROUPS_MAX];
};

/* How long others may be held up yet. */
struct sched_hold {
	uint64_t at_ns, left_ns;
	bool is_holding, is_resting;
};

struct sched {
	struct sched_caps caps;
	uint64_t now_ns; /* on the clock of sched_want.at_ns: the owner sets it before sched_next()
			  */
	struct sched_hold hold;
	size_t n_running, n_ready;
	uint64_t memory_bytes, cpu_millis; /* of the running */
	size_t group_running[SCHED_GROUPS_MAX];
	struct list users; /* sched_user.link: the one whose turn it is comes first */
	size_t n_users;
	uint64_t mean_run_us; /* how long a task runs, on average of late; 0: none has */
};

void sched_init(struct sched *s, const struct sched_caps *caps);
/* New caps; what runs or waits already stays. Call sched_next() afterwards. */
void sched_set_caps(struct sched *s, const struct sched_caps *caps);
/*
 * Whether it would fit if it were alone: SCHED_OK, SCHED_TOO_MUCH_MEMORY or SCHED_TOO_MANY_CPUS.
 * One that does not (the caps are lower now) never starts and holds up nobody; its owner ends it.
 */
enum sched_verdict sched_check(const struct sched *s, const struct sched_want *want);
/* An entry is in other label groups now. */
void sched_set_groups(struct sched *s, struct sched_entry *e, uint32_t groups);
/* All entries must be out. */
void sched_finish(struct sched *s);

enum sched_verdict {
	SCHED_OK,
	SCHED_BUSY,	       /* the queue is full */
	SCHED_BUSY_UID,	       /* this uid's share of it is full */
	SCHED_WOULD_WAIT,      /* it was to start at once and cannot */
	SCHED_TOO_MUCH_MEMORY, /* it would not fit if it were alone */
	SCHED_TOO_MANY_CPUS,
	SCHED_TOO_MUCH_MEMORY_UID, /* nor if it were the uid's only one */
	SCHED_TOO_MANY_CPUS_UID,
};

/*
 * Puts an entry into its uid's queue. Returns an enum sched_verdict or -ENOMEM. *ret_depth (may be
 * NULL) is the number of ready tasks: of all, or for SCHED_BUSY_UID of this uid.
 */
int sched_submit(struct sched *s, struct sched_entry *e, uid_t uid, const struct sched_want *want,
	size_t *ret_depth);

/* The next entry that may run now; it is SCHED_RUNNING from here on. NULL: none. Call it from time
 * to time while entries wait: those that are held up are so only for a while. */
struct sched_entry *sched_next(struct sched *s);

/* A held entry may start. Call sched_next() afterwards. */
void sched_release(struct sched *s, struct sched_entry *e);

/* What a running entry has used in all; call it once, before sched_remove(). */
void sched_charge(struct sched *s, struct sched_entry *e, uint64_t cpu_us, uint64_t run_us);

/*
 * Takes out a ready or a running entry. Harmless for one that is out. Call sched_next() afterwards:
 * a slot may be free.
 */
void sched_remove(struct sched *s, struct sched_entry *e);

/* ---- what waiting means (queue_estimate.c) ---- */

/* About how many start before a ready entry does; 0: it is the next. */
size_t sched_position(const struct sched *s, const struct sched_entry *e);
/* Writes that number into each ready entry; then calls fn (may be NULL) with it, in no order. fn
 * must not change the queue. */
void sched_each_ready(
	const struct sched *s, void (*fn)(struct sched_entry *e, void *arg), void *arg);
/* About how long it takes until n more tasks have started; 0 where nothing is known. */
uint64_t sched_wait_us(const struct sched *s, size_t n);

#endif
