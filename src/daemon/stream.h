/*
 * What a task tells one request: its states, its output, its result. A stream is a cursor into the
 * task's log; it takes from there when its connection has room, so a slow reader costs no memory.
 * The stream of the request that started a task may hold the task up for a while; nobody else's
 * does.
 */
#ifndef DAYFLY_DAEMON_STREAM_H
#define DAYFLY_DAEMON_STREAM_H

#include "base/list.h"
#include "daemon/artifact_out.h"
#include "daemon/connection.h"
#include "daemon/jobs.h"
#include "proto/request.h"
#include "task/output_log.h"

#include <stdbool.h>
#include <stdint.h>

/* So far may the run request's reader be behind before the task has to wait; and so near it must
 * come before the task goes on. */
#define STREAM_LAG_HIGH (4u << 20)
#define STREAM_LAG_LOW	(1u << 20)
/* A reader that takes nothing for so long is not waited for. */
#define STREAM_STALL_MS 10000

struct stream {
	struct list conn_link; /* connection.streams */
	struct list job_link;  /* job.streams */
	struct connection *conn;
	struct job *job;
	char *tag;
	enum op op;
	enum framing framing;
	bool wants_output, wants_states;
	bool is_follower;  /* not of the run request that started the task */
	bool is_held;	   /* of a run request that is not accepted yet: says nothing */
	bool is_duplicate; /* of a run request that repeats another one's key */
	bool is_detached;  /* of a run request that does not follow its task */
	bool follow;	   /* until the task is done; else until the log is read */
	bool holds_task;   /* of the run request */
	bool is_holding;   /* the task's output is not read because of us */
	bool has_given_up; /* it was not waited for any longer */
	struct output_reader reader;
	struct artifact_out
		*artifacts; /* of the run request, once it is done; NULL: none, or no more */
};

/* A stream for run, attach, logs or wait; a run of a task that has one already is a duplicate.
 * Returns 0 or -errno. */
int stream_create(struct connection *c, struct job *j, const struct request *rq);

/*
 * Whether the connection's user may follow one more task that another request has started. All
 * whom he has may follow the same one, and are told in one turn what becomes of it.
 */
int stream_check_room(const struct connection *c, struct err *e);

/* Adds what there is while the connection has room. Returns whether anything was added. */
bool stream_fill(struct connection *c);
void stream_finish_all(struct connection *c);

/* Holding up, and no longer holding up, the tasks whose reader this connection is. */
void stream_check_lag(struct connection *c);
void stream_note_progress(struct connection *c);

/* The run request of this task is answered: with "accepted" and what has happened since, or with an
 * error. */
void stream_on_accepted(struct job *j);
void stream_on_refused(struct job *j, const struct err *e);

/* Where it stands in the queue, to those who follow it; wait_ms 0: not known. */
void stream_on_waiting(struct job *j, size_t position, uint64_t wait_ms);

/* From the task's hooks. */
void stream_on_state(struct job *j);
void stream_on_output(
	struct job *j, enum output_stream which, const char *data, const struct output_record *rec);
void stream_on_done(struct job *j);

#endif
