/*
 * The daemon itself: its loop and everything on it. One thread; nothing here waits.
 *
 *   running ──SIGTERM──▶ draining ──last task done, or time up──▶ stopped
 *
 * Draining: the socket is closed, every task is told to stop, answers are still sent.
 */
#ifndef DAYFLY_DAEMON_SERVER_H
#define DAYFLY_DAEMON_SERVER_H

#include "base/list.h"
#include "daemon/jobs.h"
#include "daemon/metrics.h"
#include "daemon/options.h"
#include "daemon/past.h"
#include "daemon/pool_view.h"
#include "daemon/probe.h"
#include "daemon/spool.h"
#include "daemon/startup.h"
#include "daemon/tenant.h"
#include "daemon/turn.h"
#include "daemon/uploads.h"
#include "daemon/usage.h"
#include "daemon/waiting.h"
#include "daemon/warden_link.h"
#include "daemon/webhooks.h"
#include "sched/queue.h"
#include "task/deadline.h"
#include "task/task.h"
#include "task/watch.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#define SERVER_REFUSED_MAX 8

enum server_state { SERVER_RUNNING, SERVER_DRAINING, SERVER_STOPPED };

struct server {
	uv_loop_t *loop;
	struct options *options; /* only reload.c changes it */
	struct startup *start;
	enum server_state state;
	bool takes_none; /* no new tasks for now; what is there goes on */
	int exit_code;

	struct warden_link warden;
	struct probe probe;
	struct task_host host;
	struct deadline_heap deadlines;
	struct watch *deadline_watch;
	struct sched sched;
	struct jobs jobs;
	bool has_unwritten; /* some job is */
	struct spools spools;
	int spare_log;	      /* the file of the next task's output, made ahead; -1: none */
	bool wants_spare_log; /* a task has begun to run in this turn */
	/* Of the task that was last done, in this turn: the journal and its listeners want the
	 * same. */
	const struct task_result *fresh;
	json_t *fresh_json;
	char *scratch;	    /* output on its way into a log */
	char *read_scratch; /* anything else that is read */

	struct watch *listen_watch;
	struct alarm *listen_pause; /* no descriptors left: try again later */
	int reserve_fd; /* given up for a moment to refuse a client when there are none left */
	int refused[SERVER_REFUSED_MAX]; /* clients that were turned away and may not know it yet */
	size_t n_refused;
	struct alarm *refused_alarm;
	struct list connections;   /* connection.link */
	struct list subscriptions; /* subscription.link */
	struct list kicked;	   /* connection.kick_link */
	struct list dead;	   /* connection.link */
	struct list orphans; /* job.conn_link: its connection is gone, and it is to go with it */
	struct list leaving; /* job.leave_link: out of the queue, and to end */
	struct tenants tenants;
	size_t n_connections;

	uv_prepare_t prepare; /* settles what timers did */
	uv_check_t check;     /* settles what descriptors did */
	uv_idle_t idle;	      /* running while something is left for the next turn */
	uv_signal_t signals[4];
	struct alarm *tick;
	struct alarm *drain;
	struct alarm *after_done;
	struct waiting waiting;
	struct usage usage;
	struct pool_view pool;
	struct webhooks webhooks;
	struct uploads uploads;
	struct past past;
	struct git_sources git;
	struct metrics metrics;
	struct turn turn;
	uint64_t started_ns;	/* CLOCK_REALTIME */
	uint64_t idle_since_ns; /* CLOCK_BOOTTIME; 0: not idle */
};

/* Borrows options and start. Returns 0 or -errno; call server_finish() in both cases. */
int server_init(struct server *s, uv_loop_t *loop, struct options *o, struct startup *start);

/* Runs until it is told to stop; returns the exit code. */
int server_run(struct server *s);
void server_finish(struct server *s);

/* Tells the warden what the settings say of the pool; what is in it goes. */
void server_set_pool(struct server *s);

/* Stops accepting, ends every task, then stops. Called again: ends at once. */
void server_drain(struct server *s, const char *why);

/* How long the next tick may be away. */
uint64_t server_tick_ms(const struct server *s);

/* So many descriptors of one user may wait to be closed before no more are taken. */
size_t server_closes_max(const struct server *s);

/* task_host.c */
/* Fills server.host. Returns 0 or -errno; call task_host_finish() in both cases. */
int task_host_init(struct server *s);
void task_host_finish(struct server *s);
/* Starts what may be started now. */
void server_schedule(struct server *s);
/* Of a task that is done, and whose files to send are kept: tells its end. */
void task_host_end(void *owner, struct task *t);
/* The result of a task that is done, as JSON that the caller does not change. NULL without memory.
 */
json_t *server_result_to_json(struct server *s, const struct task_result *r);
void task_host_forget_result(struct server *s);

/* accept.c */
int accept_init(struct server *s);
/* Takes those who wait at the door. */
void accept_pending(struct server *s);
void accept_stop(struct server *s);
/* Says so where the descriptors do not suffice for max_connections. */
void accept_check_limit(const struct server *s);

#endif
