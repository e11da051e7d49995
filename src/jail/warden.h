/*
 * The warden: the single-threaded program that makes jails and holds the privileges. It serves one
 * dayflyd over one SOCK_SEQPACKET connection (plan/wire.h), trusts nothing that comes from it, and
 * never blocks on anything that a task or a client controls.
 */
#ifndef DAYFLY_JAIL_WARDEN_H
#define DAYFLY_JAIL_WARDEN_H

#include "base/fd.h"
#include "base/limits.h"
#include "base/list.h"
#include "jail/cgroup.h"
#include "jail/etc.h"
#include "jail/host_mounts.h"
#include "jail/ids.h"
#include "jail/kernel_log.h"
#include "jail/peer.h"
#include "jail/pool.h"
#include "plan/plan.h"
#include "plan/wire.h"

#include <linux/filter.h>
#include <sys/stat.h>

struct jail;

struct warden_options {
	const char *upper;     /* "auto", "tmpfs", "disk" */
	const char *state_dir; /* where private layers on disk go; NULL: /var/tmp */
	uint32_t owner_uid;    /* root mode: whose the daemon's own directories are; 0: nobody's */
	uint32_t ids_base;     /* root mode: first id of the ranges; 0: the usual one */
	int ids_count;	       /* how many tasks can have one; 0: as many as usual */
	const char *unpack;    /* the program that unpacks tars; NULL: there is none */
	struct plan_limits total; /* of all tasks together: memory, swap, cpus, pids */
};

/* What an epoll event is about. */
enum watch_kind { WATCH_CONTROL, WATCH_STATUS, WATCH_PID, WATCH_MOUNTS };
struct watch {
	enum watch_kind kind;
	struct warden_jail *jail;
};

/*
 *   START ──▶ OPENING ──▶ LIVE ──▶ EMPTYING ──▶ REMOVING ──▶ (gone)
 *                └─────────┴───────────┴───────────────────────▲
 * and in the pool, PREPARING only for an image that is a directory:
 *   PREPARING ──▶ PARKED ──▶ LIVE, as the jail of a request
 *       └───────────┴──▶ LEAVING ──▶ (gone)
 */
enum warden_jail_state {
	WARDEN_JAIL_OPENING,   /* a child opens paths with the client's rights */
	WARDEN_JAIL_LIVE,      /* jail init exists */
	WARDEN_JAIL_PREPARING, /* for the pool: a child opens its image with the client's rights */
	WARDEN_JAIL_PARKED,    /* jail init exists and waits for a task: it is in the pool */
	WARDEN_JAIL_LEAVING,   /* of the pool: it was killed */
	WARDEN_JAIL_EMPTYING,  /* jail init is dead; what is left in its cgroup is being killed */
	WARDEN_JAIL_REMOVING,  /* a child removes the upper on disk */
};

struct warden_jail {
	uint64_t id;
	enum warden_jail_state state;
	struct warden *warden;
	struct plan *plan;
	int plan_fd;	   /* as it came; -1 when the jail is made */
	int inputs_fd;	   /* likewise; -1: none came */
	bool is_pooled;	   /* it was made before its task came */
	bool pivots_early; /* jail.h */
	enum wire_pool_why pool_why;
	struct pool_kind *kind; /* in the pool: what it is for */
	uint64_t stamp;		/* in the pool: pool_stamp() of what it was made from */
	bool image_never_waits; /* pool_stamp.h */
	struct peer peer;
	int stdio[3];
	int sources[FD_PASS_MAX]; /* by the plan's fd_index; then the opened paths, in the order of
				     sources_each() */
	size_t n_sources;
	int opened[LIMIT_MOUNTS + 2]; /* image, workspace, mounts: O_PATH, -1 */
	int slot;
	pid_t pid;
	int pidfd;
	int status_fd;
	uint64_t received_ns;			  /* CLOCK_MONOTONIC, when START came */
	uint64_t kill_at_ns;			  /* 0, or when jail init is killed for good */
	bool is_killed;				  /* by word of dayflyd */
	bool has_started, has_failed, has_exited; /* what was told of it */
	int exit_status;			  /* has_exited: of the main process */
	bool has_end;				  /* jail init has sent its last report: */
	struct wire_event end;
	int init_status;
	struct cgroup_task cgroup;
	uint64_t cpu_check_ns; /* when its CPU time may be used up at the earliest; 0: no matter */
	uint64_t empty_until_ns; /* after that its cgroup is left to the next sweep */
	struct wire_usage usage;
	char disk_name[32]; /* the directory of its upper, "" for none */
	struct watch status_watch, pid_watch;
	struct list link; /* warden.jails */
};

struct warden {
	int control_fd;
	int epoll_fd;
	struct watch control_watch, mounts_watch;
	struct ids ids;
	struct etc_scan etc;
	struct host_mounts host_mounts;
	struct sock_fprog filters[PLAN_PROFILE_COUNT][PLAN_NETWORK_COUNT];
	struct sock_fprog shared_filter;
	int landlock_abi;
	const char *unpack; /* warden_options.unpack */
	/* Whose the daemon's own directories are, as seen here: 0 where the warden is in a user
	 * namespace of its own. Root mode without a user for them has none. */
	uint32_t owner_uid;
	bool has_owner;
	bool upper_on_disk;
	int state_fd;	      /* directory for private layers on disk, -1 */
	char state_path[512]; /* its path, "" for none */
	uint64_t n_layers;    /* made in it so far */
	struct cgroup_tree cgroup;
	struct kernel_log kernel_log;
	struct list jails; /* warden_jail.link */
	struct pool pool;
};

/* warden.c: serves control_fd until it closes; then every jail is dead. Returns an exit status. */
int warden_main(int control_fd, const struct warden_options *options);

/* Sends a record to dayflyd; without it, ends everything and does not return. fd -1: none. */
void warden_tell(struct warden *w, const struct wire_event *ev, int fd);

/* A record with no descriptor, not in any list. NULL: no memory. And its end, with all that it has.
 */
struct warden_jail *jail_create(struct warden *w, uint64_t id);
void jail_destroy(struct warden_jail *j);
/* Watches the child that works for this jail: its socket, if any, and its end. Returns 0 or -errno.
 */
int jail_watch(struct warden_jail *j);
/* Bytes that cannot change while they are read; fills *st. */
bool jail_is_sealed(int fd, struct stat *st);
/* The first leaves the descriptors open. */
void jail_stop_watching(struct warden_jail *j);
void jail_unwatch(struct warden_jail *j);
/* Closes what only the launch needs. */
void jail_close_inputs(struct warden_jail *j);
int warden_watch_add(struct warden *w, int fd, struct watch *watch);

/* launch.c: makes a jail that waits for its task, with its plan's limit of processes. */
int launch_parked(struct warden *w, struct warden_jail *j, struct err *e);
/* The same with a parked one, whose place j has taken; then *e is why the request is not met. */
int launch_claim(struct warden *w, struct warden_jail *j, struct err *e);

/* launch_sources.c: what a request's image is, which is a directory. s->fd is borrowed, s->path the
 * caller's to free, also on failure. Returns 0 or -errno. */
struct jail_source;
int launch_look_at_image(const struct warden_jail *j, struct jail_source *s, struct err *e);

/* launch.c: makes the jail of a request whose sources are open. On failure *e says why; nothing is
 * left but the record. Returns 0 or -errno. */
int launch_jail(struct warden *w, struct warden_jail *j, struct err *e);

/* tars.c: finds the tars of a plan among what came with it, and the program that unpacks them.
 * Returns 0 or -errno. */
int tars_prepare(
	const struct warden *w, const struct warden_jail *j, struct jail *in, struct err *e);

/* opener.c: starts the child that opens the plan's paths; it is watched like a jail. Returns 0 or
 * -errno. */
int opener_start(struct warden *w, struct warden_jail *j, struct err *e);
/* Takes what it sends. Returns 0 or -errno with *e set. */
int opener_finish(struct warden_jail *j, struct err *e);

/* cpu_time.c: a jail whose CPU time is limited has begun to run. */
void cpu_time_start(struct warden_jail *j);
/* Whether it is used up: true once. Looks only when it can be; that is j->cpu_check_ns. */
bool cpu_time_is_up(struct warden_jail *j, uint64_t now_ns);

/* now.c: what a jail uses now: of its cgroup, or else of its processes. */
void now_read(const struct warden_jail *j, struct wire_now *ret);
/* The record for that jail; j may be NULL: it is not there. */
void now_answer(const struct warden_jail *j, uint64_t id, struct wire_event *ret);

/* store.c: finds out where private layers lie (options->upper) and makes the warden's directory if
 * they lie on disk. Returns 0 or -errno. */
int store_open(struct warden *w, const struct warden_options *options, struct err *e);
void store_close(struct warden *w);
/* Makes the directory of one jail: j->disk_name. Returns 0 or -errno. */
int store_make(struct warden *w, struct warden_jail *j, struct err *e);
/* Starts a child that removes the directory of a dead jail: j->pid and j->pidfd are its. Returns 0
 * or -errno. */
int store_remove_start(struct warden *w, struct warden_jail *j);
/* Removes it at once: it holds little. */
void store_remove_now(struct warden *w, struct warden_jail *j);
/* Makes a directory in base that is swept once nobody has it open. Returns its descriptor, which
 * holds a lock, or -errno. */
int store_dir_make(const char *base, char *ret_path, size_t size, struct err *e);
/* Removes what dead wardens left in a directory (NULL: the usual one). Returns how many of these it
 * could not remove. */
size_t store_sweep(const char *base);

/* rights.c: gives up every capability that making jails does not need. Returns 0 or -errno. */
int rights_drop(enum warden_mode mode, bool upper_on_disk, struct err *e);
/* Every capability of this process. Returns 0 or -errno. */
int rights_drop_all(void);
/* Finds out how ids are given to tasks here; may move this process into a user namespace. Returns 0
 * or -errno. */
int rights_find_mode(enum warden_mode *ret, struct err *e);

#endif
