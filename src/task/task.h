/*
 * A task: one command, from its acceptance to its result. Runs on the daemon's loop. It knows
 * nothing of connections: what it needs of its surroundings stands in struct task_host, what it
 * tells them goes through the hooks there.
 *
 * States and what happens in them: state.h. The state is written in one function, task_set_state().
 */
#ifndef DAYFLY_TASK_TASK_H
#define DAYFLY_TASK_TASK_H

#include "base/err.h"
#include "base/id.h"
#include "base/limits.h"
#include "plan/build.h"
#include "plan/wire.h"
#include "proto/request.h"
#include "task/deadline.h"
#include "task/output_log.h"
#include "task/result.h"
#include "task/state.h"
#include "task/streams.h"
#include "task/verdict.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define TASK_MAGIC 0x7461736bu

struct task;

struct task_host {
	uv_loop_t *loop;
	struct deadline_heap *deadlines;
	const char *log_dir;	  /* NULL: logs are kept in memory */
	int *spare_log;		  /* a file for the next log, or -1; NULL: there never is one */
	char *scratch;		  /* OUTPUT_RECORD_MAX bytes */
	const uint64_t *setup_ms; /* how long making a jail may take; looked at for each */
	const char *part; /* its tasks are this of a user's with the same id; NULL: are they */
	void *owner;	  /* first argument of the functions below */

	/* A number for a jail that was never used in this connection to the warden. */
	uint64_t (*new_jail)(void *owner);
	/* To the warden. Borrows the descriptors. Returns 0 or -errno. */
	int (*send)(void *owner, const struct wire_request *rq, const int *fds, size_t n_fds);

	/* A file without a name for the artifacts of a task, and how much may go there. Returns a
	 * descriptor or -errno. */
	int (*open_spool)(void *owner, struct task *t, uint64_t *max_bytes, struct err *e);

	void (*on_state)(void *owner, struct task *t);
	/* rec: what was kept of it. data is only there during the call. */
	void (*on_output)(void *owner, struct task *t, enum output_stream stream, const char *data,
		const struct output_record *rec);
	void (*on_input_room)(void *owner, struct task *t);
	/* It leaves the queue without having run. */
	void (*on_unqueue)(void *owner, struct task *t);
	/* t->result is complete; the last output is in the log. The owner decides when the task is
	 * destroyed, but not in here. */
	void (*on_done)(void *owner, struct task *t);
};

struct task {
	uint32_t magic;
	char id[ID_TASK_SIZE];
	const struct task_host *host;
	void *owner; /* the daemon's record of the task */
	uid_t uid;
	enum task_state state;
	struct task_spec *spec;
	struct build build; /* build.plan: only until the jail is started */
	/* Whose rights open paths, and what came with the request: until the warden has told how
	 * the start went, so that it never has the last copy of what may not close. */
	int client_fd;
	int sources[LIMIT_REQUEST_FDS];
	size_t n_sources;
	int inputs_fd;	      /* the contents of files and secrets, or -1; likewise */
	int spool_fd;	      /* a file of ours that its artifacts go to first, or -1 */
	uint64_t spool_bytes; /* promised to it; the owner's */
	uint64_t jail;	      /* 0: none */
	int32_t jail_pid;
	uint32_t n_stuck;      /* how often a kill had no effect */
	uint64_t cpu_rlimit_s; /* CPU time of each process; 0: no such limit */
	struct verdict_facts facts;
	struct task_result *result;
	struct output_log *log;
	struct streams streams;
	struct deadline deadline;
	enum task_event deadline_event;
	enum task_event queued_events[8]; /* found out in an action, handled after it */
	size_t n_queued_events;
	bool is_handling;
	uint64_t created_ns; /* CLOCK_MONOTONIC, as all below; 0: not yet */
	uint64_t start_sent_ns, started_ns, exited_ns, gone_ns;
	uint64_t wall_at_ns, output_at_ns; /* CLOCK_BOOTTIME: its end; its last output */
};

struct task_origin {
	const char *id;
	uid_t uid;
	int take_client_fd;
	int *take_sources;
	size_t n_sources;
	int take_inputs_fd; /* -1: none */
};

/* Takes over spec, build and the descriptors, also after a failure. The task is queued. Returns 0
 * or -errno. */
int task_create(const struct task_host *host, const struct task_origin *origin,
	struct task_spec *take_spec, struct build *take_build, struct task **ret);
/* What one of its descriptors is, which had none when it was made. Takes it. */
void task_set_source(struct task *t, size_t nth, int take_fd);
/* Must be done, or the loop must be at its end. */
void task_destroy(struct task *t);

/* Something happened that has no record: EVENT_SLOT_FREE, EVENT_CANCEL, EVENT_CLIENT_GONE,
 * EVENT_SHUTDOWN, EVENT_WARDEN_LOST. */
void task_handle(struct task *t, enum task_event event);
/* A record of the warden about this task's jail; *fd is taken if it is used. */
void task_on_wire(struct task *t, const struct wire_event *ev, int *fd);
void task_on_deadline(struct task *t);

bool task_is_done(const struct task *t);
/* Whether a jail of this warden connection belongs to it. */
bool task_has_jail(const struct task *t);

/* What clients ask for. Each returns 0 or -errno with *e set. */
int task_signal(struct task *t, int signo, struct err *e);
int task_resize(struct task *t, uint64_t rows, uint64_t cols, struct err *e);
/* Also returns -EAGAIN, without *e: full, on_input_room follows. */
int task_add_input(struct task *t, const char *data, size_t len, struct err *e);
int task_end_input(struct task *t, struct err *e);
void task_pause_output(struct task *t, bool pause);

#endif
