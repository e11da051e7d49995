/* From a task to a request: see stream.h. */
#include "daemon/stream.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"
#include "daemon/describe.h"
#include "daemon/past.h"
#include "daemon/server.h"
#include "proto/answer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void stream_destroy(struct stream *s)
{
	if (s->is_holding)
		task_pause_output(s->job->task, false);
	list_remove(&s->conn_link);
	list_remove(&s->job_link);
	s->conn->n_open--;
	s->conn->tenant->n_followers -= s->is_follower;
	artifact_out_destroy(s->artifacts);
	free(s->tag);
	free(s);
}

void stream_finish_all(struct connection *c)
{
	list_for_each_safe (pos, &c->streams)
		stream_destroy(list_entry(pos, struct stream, conn_link));
}

int stream_check_room(const struct connection *c, struct err *e)
{
	size_t n = c->tenant->n_followers;
	if (n < LIMIT_FOLLOWERS_UID)
		return 0;
	err_set(e, ERR_BUSY, 0, "%zu requests of this user follow tasks already; at most %d may", n,
		LIMIT_FOLLOWERS_UID);
	err_hint(e, "close connections that need not follow; one request for events tells what "
		    "becomes of all tasks");
	return -EBUSY;
}

/* Of a task of an earlier daemon there is no output: not even none, unless its result says so. */
static void tell_if_gone(const struct stream *s)
{
	const struct job *j = s->job;
	struct err e;
	if (!j->is_recovered || (s->op != OP_LOGS && s->op != OP_ATTACH) ||
		past_is_silent(j->task->result))
		return;
	past_explain_gone(s->conn->server, j->task->id, 0, &e);
	connection_answered(s->conn, answer_gone(&s->conn->out, s->tag, j->task->id, &e));
}

int stream_create(struct connection *c, struct job *j, const struct request *rq)
{
	struct stream *s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->conn = c;
	s->job = j;
	s->op = rq->op;
	s->framing = (enum framing)rq->framing;
	s->is_held = rq->op == OP_RUN;
	s->is_detached = s->is_held && rq->detach;
	s->wants_output = rq->op != OP_WAIT && !s->is_detached;
	s->wants_states = (rq->op == OP_RUN && !s->is_detached) || rq->op == OP_ATTACH;
	s->follow = rq->op != OP_LOGS || rq->follow;
	s->is_duplicate = s->is_held && j->has_run_stream;
	s->holds_task = s->is_held && !s->is_detached && !s->is_duplicate;
	j->has_run_stream |= s->is_held;
	s->tag = strdup(rq->id);
	int r = s->tag ? output_reader_init(&s->reader, j->task->log, rq->after) : -ENOMEM;
	if (r < 0) {
		free(s->tag);
		free(s);
		return r;
	}
	list_append(&c->streams, &s->conn_link);
	list_append(&j->streams, &s->job_link);
	c->n_open++;
	s->is_follower = !s->is_held || s->is_duplicate;
	c->tenant->n_followers += s->is_follower;
	if (s->wants_states && !s->is_held && !task_is_done(j->task))
		connection_answered(c, answer_state(&c->out, s->tag, j->task->id,
					       task_state_name(j->task->state)));
	tell_if_gone(s);
	connection_kick(c);
	return 0;
}

/* ---- one step: at most one event ---- */

static int add_output(struct stream *s, const struct output_chunk *chunk, const char *data)
{
	struct buf *out = &s->conn->out;
	const struct answer_chunk head = {
		.id = s->tag,
		.task = s->job->task->id,
		.seq = chunk->seq,
		.stream = output_stream_name(chunk->stream),
	};
	size_t used;
	if (!data)
		return answer_truncated(out, &head, chunk->dropped, chunk->is_bound);
	if (s->framing == FRAMING_JSON)
		return answer_output(out, &head, data, chunk->len, true, &used);
	int r = answer_output_header(out, &head, chunk->len);
	return r < 0 ? r : buf_add(out, data, chunk->len);
}

/* The last event; the stream is gone afterwards. */
static void end_stream(struct stream *s)
{
	struct connection *c = s->conn;
	const struct task *t = s->job->task;
	bool is_alive = true;
	if (s->wants_states)
		is_alive = connection_answered(
			c, answer_state(&c->out, s->tag, t->id, task_state_name(t->state)));
	if (is_alive)
		connection_send_result(c, s->tag, t->id,
			job_is_over(s->job) ? server_result_to_json(c->server, t->result)
					    : describe_task_state(t));
	stream_destroy(s);
}

static void fail_stream(struct stream *s, int r)
{
	struct err e;
	err_set(&e, ERR_INTERNAL, -r, "read the output of task %s", s->job->task->id);
	connection_send_error(s->conn, s->tag, &e);
	stream_destroy(s);
}

/* The task is done: first what was kept of its files, then the result. Returns whether something
 * was added. */
static bool step_end(struct stream *s)
{
	if (s->artifacts) {
		int r = artifact_out_step(s->artifacts, s->tag, s->framing);
		if (r == ARTIFACT_OUT_WAITS)
			return false;
		if (r < 0)
			fail_stream(s, r);
		if (r != ARTIFACT_OUT_END)
			return true;
	}
	end_stream(s);
	return true;
}

/* Returns whether something was added. The stream may be gone afterwards. */
static bool step(struct stream *s)
{
	struct output_chunk chunk;
	char *scratch = s->conn->server->read_scratch;
	if (s->is_held)
		return false;
	if (!s->wants_output) {
		if (!job_is_over(s->job))
			return false;
		end_stream(s);
		return true;
	}
	int r = output_reader_next(&s->reader, scratch, &chunk);
	switch (r) {
	case OUTPUT_READ_DATA:
	case OUTPUT_READ_GAP:
		connection_answered(
			s->conn, add_output(s, &chunk, r == OUTPUT_READ_DATA ? scratch : NULL));
		return true;
	case OUTPUT_READ_AGAIN:
		if (s->follow)
			return false;
		end_stream(s);
		return true;
	case OUTPUT_READ_END:
		return job_is_over(s->job) && step_end(s);
	default:
		fail_stream(s, r);
		return true;
	}
}

bool stream_fill(struct connection *c)
{
	bool has_added = false, has_more = true;
	while (has_more) {
		has_more = false;
		/* One event each in turn, so that one flood does not silence the others. */
		list_for_each_safe (pos, &c->streams) {
			if (c->is_dead || buf_len(&c->out) >= CONNECTION_OUT_LOW)
				return has_added;
			if (step(list_entry(pos, struct stream, conn_link)))
				has_more = has_added = true;
		}
	}
	return has_added;
}

/* ---- holding up the task ---- */

static void on_stalled(void *owner)
{
	struct connection *c = owner;
	list_for_each (pos, &c->streams) {
		struct stream *s = list_entry(pos, struct stream, conn_link);
		if (!s->is_holding)
			continue;
		log_task(LOG_LEVEL_INFO, s->job->task->id,
			"its client reads nothing; not waiting for it");
		s->is_holding = false;
		s->has_given_up = true;
		task_pause_output(s->job->task, false);
	}
}

static void arm_stall(struct connection *c)
{
	if (!c->stall_alarm && alarm_create(c->server->loop, on_stalled, c, &c->stall_alarm) < 0)
		return on_stalled(c);
	alarm_set(c->stall_alarm, STREAM_STALL_MS);
}

void stream_check_lag(struct connection *c)
{
	list_for_each (pos, &c->streams) {
		struct stream *s = list_entry(pos, struct stream, conn_link);
		if (!s->holds_task)
			continue;
		uint64_t lag = output_reader_lag(&s->reader);
		if (lag < STREAM_LAG_LOW) {
			s->has_given_up = false;
			if (s->is_holding)
				task_pause_output(s->job->task, false);
			s->is_holding = false;
		} else if (lag > STREAM_LAG_HIGH && !s->is_holding && !s->has_given_up) {
			s->is_holding = true;
			task_pause_output(s->job->task, true);
			arm_stall(c);
		}
	}
}

void stream_note_progress(struct connection *c)
{
	list_for_each (pos, &c->streams) {
		if (list_entry(pos, struct stream, conn_link)->is_holding) {
			arm_stall(c);
			return;
		}
	}
}

/* ---- the answer to a run request ---- */

/* The states that it went through while the answer waited, in their order. */
static void tell_states(struct stream *s)
{
	const struct job *j = s->job;
	for (unsigned i = TASK_STATE_QUEUED; i < TASK_STATE_DONE; i++)
		if (i == TASK_STATE_QUEUED || j->seen_states & 1u << i)
			connection_answered(
				s->conn, answer_state(&s->conn->out, s->tag, j->task->id,
						 task_state_name((enum task_state)i)));
}

static void tell_accepted(struct stream *s)
{
	struct connection *c = s->conn;
	const struct task *t = s->job->task;
	s->is_held = false;
	connection_answered(c, answer_accepted(&c->out, s->tag, t->id, s->is_duplicate));
	if (s->is_detached) {
		/* As it was accepted, however far it has come while the journal was synced. */
		connection_send_result(c, s->tag, t->id, describe_state(t, TASK_STATE_QUEUED));
		stream_destroy(s);
	} else {
		tell_states(s);
	}
	connection_kick(c);
}

void stream_on_accepted(struct job *j)
{
	list_for_each_safe (pos, &j->streams) {
		struct stream *s = list_entry(pos, struct stream, job_link);
		if (s->is_held && !s->conn->is_dead)
			tell_accepted(s);
	}
}

void stream_on_refused(struct job *j, const struct err *e)
{
	list_for_each_safe (pos, &j->streams) {
		struct stream *s = list_entry(pos, struct stream, job_link);
		if (!s->is_held || s->conn->is_dead)
			continue;
		connection_send_error(s->conn, s->tag, e);
		connection_kick(s->conn);
		stream_destroy(s);
	}
}

void stream_on_waiting(struct job *j, size_t position, uint64_t wait_ms)
{
	const char *state = task_state_name(TASK_STATE_QUEUED);
	const char *source = j->sched.want.is_held ? j->task->result->source.url : NULL;
	list_for_each (pos, &j->streams) {
		struct stream *s = list_entry(pos, struct stream, job_link);
		struct connection *c = s->conn;
		/* One that is behind, or that there is no memory for, hears of the next. */
		if (s->wants_states && !s->is_held && !c->is_dead &&
			buf_len(&c->out) < CONNECTION_OUT_LOW &&
			answer_waiting(&c->out, s->tag, j->task->id, state, source, position,
				wait_ms) == 0)
			connection_kick(c);
	}
}

/* ---- from the task ---- */

void stream_on_state(struct job *j)
{
	const struct task *t = j->task;
	/* "done" comes with the result, after the last output. */
	if (task_is_done(t))
		return;
	list_for_each (pos, &j->streams) {
		struct stream *s = list_entry(pos, struct stream, job_link);
		if (s->wants_states && !s->is_held && !s->conn->is_dead)
			connection_answered(s->conn, answer_state(&s->conn->out, s->tag, t->id,
							     task_state_name(t->state)));
	}
}

void stream_on_output(
	struct job *j, enum output_stream which, const char *data, const struct output_record *rec)
{
	const struct output_chunk chunk = { .seq = rec->seq, .stream = which, .len = rec->len };
	list_for_each (pos, &j->streams) {
		struct stream *s = list_entry(pos, struct stream, job_link);
		struct connection *c = s->conn;
		if (!s->wants_output || s->is_held || c->is_dead)
			continue;
		uint64_t start_ns = clock_mono_ns();
		/* A reader that keeps up gets the bytes that are still at hand; the others read
		 * them from the log when they can. */
		if (buf_len(&c->out) < CONNECTION_OUT_LOW && connection_may_be_told(c) &&
			output_reader_take_live(&s->reader, rec))
			connection_answered(c, add_output(s, &chunk, data));
		else
			connection_kick(c);
		c->tenant->told_ns += clock_mono_ns() - start_ns;
	}
}

/* To the one whose task it is; where he has gone, nobody wants them. */
static void hand_out_artifacts(struct job *j)
{
	list_for_each (pos, &j->streams) {
		struct stream *s = list_entry(pos, struct stream, job_link);
		if (s->op == OP_RUN && s->holds_task && j->task->spool_fd >= 0 &&
			j->task->spec->artifacts.to == ARTIFACTS_TO_EVENTS)
			s->artifacts = artifact_out_create(s->conn, j->task);
	}
	fd_close(&j->task->spool_fd);
	spool_release(j->task->host->owner, j->task->uid, j->task->spool_bytes);
	j->task->spool_bytes = 0;
}

void stream_on_done(struct job *j)
{
	hand_out_artifacts(j);
	list_for_each (pos, &j->streams)
		connection_kick(list_entry(pos, struct stream, job_link)->conn);
}
