/*
 * The records between dayflyd and dayfly-warden on their SOCK_SEQPACKET pair. One record is one
 * message: a fixed struct in host byte order (same machine, same build: a version mismatch ends the
 * connection), descriptors by SCM_RIGHTS. `jail` is a number that dayflyd gives to each jail and
 * never uses twice in one connection.
 *
 *   down   START   descriptors: see below         make a jail and run the task
 *          SIGNAL  value = signal number           to the task's process group
 *          KILL                                    SIGKILL to jail init: the whole jail dies
 *          POOL    value = how many, max_age_s    bounds of the pool; what is in it goes
 *          ASK     what does this jail use now?   always answered by one NOW
 *   up     HELLO   once, first                    what this warden can do
 *          STARTED                                 the setup is complete and the task has been
 *                                                  executed (or, for a failed exec, tried)
 *          TTY     descriptor: the pty's master    only for tasks with a tty; comes before STARTED
 *          LIMIT   which one                       a limit that the daemon acts on is used up
 *          NOW     what it uses now                nothing is known of a jail that is not there
 *          POOLED  a kind of jails of the pool     how many are parked; when that has changed, a
 *                                                  moment later
 *          EXITED  status, main process gone       stragglers are being killed
 *          CHANGES a piece of a list               what it changed, the first of it
 *                                                  (change_list.h); before GONE, as many as it
 *                                                  takes
 *          ARTIFACTS a piece of a list             what was kept of its files (artifact_list.h);
 *                                                  likewise
 *          FAILED  err                             the jail could not be made, or the exec
 *                                                  failed; GONE follows
 *          GONE    the last record of a jail       nothing of it is left: no process, no mount
 *
 * START descriptors, in this order: [0] the client's connection (its SO_PEERCRED says with whose
 * rights paths are opened), [1] the sealed plan, then stdin if plan.has_stdin, then stdout and
 * stderr unless plan.tty, then the plan's sources, then the sealed contents of its inputs if it has
 * any.
 */
#ifndef DAYFLY_PLAN_WIRE_H
#define DAYFLY_PLAN_WIRE_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

#define WIRE_VERSION 11

enum wire_type {
	WIRE_START = 1,
	WIRE_SIGNAL,
	WIRE_KILL,
	WIRE_POOL,
	WIRE_ASK,
	WIRE_HELLO = 64,
	WIRE_STARTED,
	WIRE_TTY,
	WIRE_EXITED,
	WIRE_FAILED,
	WIRE_GONE,
	WIRE_LIMIT,
	WIRE_NOW,
	WIRE_CHANGES,
	WIRE_POOLED,
	WIRE_ARTIFACTS,
};

/* What WIRE_LIMIT tells of. */
enum wire_limit {
	WIRE_LIMIT_CPU_TIME = 1, /* plan_limits.cpu_time_ms */
};

/* Whether the jail was made before its task came. */
enum wire_pool { WIRE_POOL_OFF, WIRE_POOL_HIT, WIRE_POOL_MISS };

/* Why it was not. */
enum wire_pool_why {
	WIRE_POOL_WHY_NOTHING, /* it was, or there is no pool */
#define POOL_WHY(enumerator, name, meaning) enumerator,
#include "plan/pool_why.def"
#undef POOL_WHY
	WIRE_POOL_WHY_COUNT
};
/* "new", "taken", ...; NULL for nothing. */
const char *wire_pool_why_name(enum wire_pool_why why);

#define WIRE_WHY_SIZE 256

/* A kind of jails that are made ahead, by its number. */
#define WIRE_POOL_KINDS_MAX 32
struct wire_pooled {
	uint32_t number;   /* below WIRE_POOL_KINDS_MAX */
	uint32_t is_known; /* 0: it is no more, and the rest says nothing */
	uint8_t image, user, network, is_unreachable; /* enums of plan.h */
	uint32_t owner;				      /* uid of whose requests it is made for */
	uint64_t processes;
	uint64_t dev, ino; /* of a directory; else 0 */
	uint32_t parked, wanted;
	uint64_t hits, misses[WIRE_POOL_WHY_COUNT];
	char path[WIRE_WHY_SIZE]; /* of a directory, perhaps cut off; else "" */
};

struct wire_request {
	uint32_t version;
	uint32_t type;
	uint64_t jail;
	int32_t value;
	uint32_t max_age_s; /* POOL; else 0 */
};

/*
 * What is in force for a task, as the result's `enforced` object names it. A control is a bit; what
 * was asked for and is weaker than its full form has a line in `degraded`.
 */
enum control {
#define CONTROL(enumerator, name, meaning) enumerator,
#include "plan/controls.def"
#undef CONTROL
	CONTROL_COUNT
};
const char *control_name(enum control c);
const char *control_meaning(enum control c);

enum warden_mode {
	WARDEN_MODE_ROOT,   /* every task has its own range of 65536 ids */
	WARDEN_MODE_SUBUID, /* rootless, with a range from /etc/subuid */
	WARDEN_MODE_SINGLE, /* rootless, one id */
};
const char *warden_mode_name(enum warden_mode m); /* "root" "rootless-subuid" "rootless" */

#define WIRE_DEGRADED_MAX  8
#define WIRE_DEGRADED_SIZE 160
#define WIRE_INFO_SIZE	   1024
#define WIRE_CALL_SIZE	   64
#define WIRE_CHANGES_SIZE  1024

/* What a jail's cgroup counted from its first moment to its last. */
enum wire_known {
	WIRE_KNOWN_MEMORY_PEAK = 1,
	WIRE_KNOWN_SWAP_PEAK = 2,
	WIRE_KNOWN_OOM_KILLS = 4,
	WIRE_KNOWN_CPU = 8,
	WIRE_KNOWN_PIDS_PEAK = 16,
	WIRE_KNOWN_IO = 32,
};
struct wire_usage {
	uint32_t known; /* bits by enum wire_known; what has none is 0 */
	uint32_t reserved;
	uint64_t memory_peak, swap_peak; /* bytes */
	uint64_t oom_kills;		 /* processes that the kernel killed for want of memory */
	uint64_t user_us, sys_us;
	uint64_t pids_peak;			/* without jail init */
	uint64_t io_read_bytes, io_write_bytes; /* of block devices */
};

/* What a jail uses at a moment, and where that is from. */
enum wire_now_known { WIRE_NOW_CPU = 1, WIRE_NOW_MEMORY = 2, WIRE_NOW_PIDS = 4 };
enum wire_now_source { WIRE_NOW_NOTHING, WIRE_NOW_CGROUP, WIRE_NOW_PROCESSES };
struct wire_now {
	uint32_t known;	 /* bits by enum wire_now_known; what has none is 0 */
	uint32_t source; /* enum wire_now_source */
	uint64_t at_ns;	 /* CLOCK_BOOTTIME */
	uint64_t cpu_us; /* so far */
	uint64_t memory_bytes;
	uint64_t pids; /* processes and threads, without jail init */
};

struct wire_event {
	uint32_t version;
	uint32_t type;
	uint64_t jail;
	union {
		struct {
			uint32_t mode;		/* enum warden_mode */
			uint32_t upper_on_disk; /* 1: tmpfs cannot serve as an overlay upper here */
			int32_t landlock_abi;	/* 0: none */
			uint32_t controllers;	/* cgroup controllers in force: bits 1 << enum
						   plan_controller */
			char no_cgroup[WIRE_WHY_SIZE]; /* why one that holds a limit is missing; ""
							  if none is */
			char info[WIRE_INFO_SIZE];     /* one line for `info` and the log */
		} hello;
		struct {
			int32_t pid; /* of jail init, as the warden sees it */
			uint32_t n_degraded;
			uint32_t pool;	   /* enum wire_pool */
			uint32_t pool_why; /* enum wire_pool_why */
			uint64_t enforced; /* bits by enum control */
			uint64_t at_ns;	   /* CLOCK_MONOTONIC, of execve */
			uint64_t setup_ns; /* from receipt of START to execve */
			char degraded[WIRE_DEGRADED_MAX][WIRE_DEGRADED_SIZE]; /* "control: why" */
		} started;
		struct {
			uint32_t which; /* enum wire_limit */
			uint32_t reserved;
		} limit;
		struct wire_now now;
		struct wire_pooled pooled;
		struct {
			int32_t status; /* as from waitpid */
			uint32_t reserved;
			uint64_t at_ns; /* CLOCK_MONOTONIC */
		} exited;
		struct {
			uint32_t phase_exec; /* 1: the exec itself failed; 0: a setup step */
			uint32_t reserved;
			struct err err;
		} failed;
		struct {
			uint32_t len; /* of data */
			uint32_t reserved;
			char data[WIRE_CHANGES_SIZE];
		} changes; /* and of WIRE_ARTIFACTS */
		struct {
			int32_t init_status;   /* of jail init, as from waitpid */
			uint32_t has_disk;     /* the disk_ counters are known */
			uint32_t has_changes;  /* the changes_ counters are known */
			uint32_t disk_is_full; /* no byte or no inode was free when the main process
						  ended */
			uint64_t user_us, sys_us;	  /* CPU time of everything in the jail */
			uint64_t max_rss_bytes;		  /* of the largest process */
			uint64_t disk_bytes, disk_inodes; /* in use at the end */
			/* Of a cow workspace: files; bytes of what is new or modified; entries
			   that cannot be taken along; whether the list is only the beginning. */
			uint64_t changes_added, changes_modified, changes_deleted;
			uint64_t changes_bytes, changes_left_out;
			uint32_t changes_is_cut;
			int32_t changes_errnum; /* why they are not known, or 0 */
			/* The tar of them, if one was asked for. */
			uint64_t archive_bytes, archive_left_out;
			uint32_t has_archive;
			int32_t archive_errnum; /* why it ends early, or 0 */
			/* Its artifacts, if any were asked for: how many were taken, and their
			   bytes; which patterns did not get all that they must, as bits; the bytes
			   of the tar. */
			uint32_t has_artifacts;
			int32_t artifacts_errnum; /* why it ended early, or 0 */
			uint64_t artifacts_count, artifacts_bytes, artifacts_archive_bytes;
			uint32_t artifacts_unmet;
			uint32_t artifacts_is_cut; /* there are more than may be taken */
			struct wire_usage usage;   /* of its cgroup; nothing is known without one */
			/* The system call that a filter has ended the main process for; "": none,
			 * or not known. */
			char forbidden_call[WIRE_CALL_SIZE];
		} gone;
	};
};

/* Fills in version and type; everything else is zero. */
void wire_event_init(struct wire_event *ev, enum wire_type type, uint64_t jail);
void wire_request_init(struct wire_request *rq, enum wire_type type, uint64_t jail);

/* Checks a received record's length, version and type (and that its texts end). Returns 0 or
 * -EPROTO. */
int wire_event_check(struct wire_event *ev, size_t len);
int wire_request_check(const struct wire_request *rq, size_t len);

#endif
