/*
 * The daemon as its tasks see it: what they ask of it, where they tell what becomes of them, and
 * when they may start.
 */
#include "daemon/server.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fd.h"
#include "daemon/connection.h"
#include "daemon/recovery.h"
#include "daemon/stream.h"
#include "daemon/submit.h"
#include "daemon/subscription.h"

#include <stdlib.h>

/* So many tasks may come to their time in one turn of the loop. */
#define DUE_AT_ONCE 32

void server_schedule(struct server *s)
{
	s->sched.now_ns = clock_boot_ns();
	while (s->state == SERVER_RUNNING && warden_link_is_up(&s->warden)) {
		struct sched_entry *e = sched_next(&s->sched);
		if (!e)
			return;
		struct job *j = list_entry(e, struct job, sched);
		task_handle(j->task, EVENT_SLOT_FREE);
		jobs_note_started(&s->jobs, j);
	}
}

static uint64_t host_new_jail(void *owner)
{
	struct server *s = owner;
	return warden_link_new_jail(&s->warden);
}

static int host_send(void *owner, const struct wire_request *rq, const int *fds, size_t n_fds)
{
	struct server *s = owner;
	return warden_link_send(&s->warden, rq, fds, n_fds);
}

static void host_on_state(void *owner, struct task *t)
{
	struct server *s = owner;
	struct job *j = t->owner;
	j->seen_states |= 1u << t->state;
	s->wants_spare_log |= t->state == TASK_STATE_RUNNING;
	j->state_real_ns = clock_real_ns();
	j->state_boot_ns = clock_boot_ns();
	recovery_note_state(owner, j);
	stream_on_state(j);
	/* The end is told with its result. */
	if (!task_is_done(t)) {
		subscription_on_state(s, j);
		webhooks_on_state(s, j);
	}
}

static void host_on_output(void *owner, struct task *t, enum output_stream stream, const char *data,
	const struct output_record *rec)
{
	stream_on_output(t->owner, stream, data, rec);
}

static void host_on_input_room(void *owner, struct task *t)
{
	if (t->owner)
		intake_on_input_room(t->owner);
}

static void host_on_unqueue(void *owner, struct task *t)
{
	struct server *s = owner;
	struct job *j = t->owner;
	if (t->facts.kill_reason == KILL_REASON_QUEUE)
		submit_note_wait_over(s, j);
	sched_remove(&s->sched, &j->sched);
}

void task_host_forget_result(struct server *s)
{
	json_decref(s->fresh_json);
	s->fresh_json = NULL;
	s->fresh = NULL;
}

json_t *server_result_to_json(struct server *s, const struct task_result *r)
{
	return s->fresh == r && s->fresh_json ? json_incref(s->fresh_json) : result_to_json(r);
}

static int host_open_spool(void *owner, struct task *t, uint64_t *max_bytes, struct err *e)
{
	return spool_open(owner, t, max_bytes, e);
}

/* Its end may be told. */
static void end_job(struct server *s, struct job *j)
{
	const struct task_result *r = j->task->result;
	j->is_ending = false;
	metrics_note_result(&s->metrics, r);
	task_host_forget_result(s);
	s->fresh_json = result_to_json(r);
	s->fresh = r;
	auto_free char *text = recovery_result_text(s, r);
	recovery_note_done(s, j, text);
	past_note_done(&s->past, j, text);
	jobs_set_done(&s->jobs, j, clock_boot_ns());
	stream_on_done(j);
	subscription_on_state(s, j);
	webhooks_on_state(s, j);
	alarm_set(s->after_done, 0);
}

void task_host_end(void *owner, struct task *t)
{
	end_job(owner, t->owner);
}

/*
 * What it pays for. A jail that dies before it has counted is no way to run for nothing: then it is
 * the time for which the task had a CPU at all. That the warden dies is the doing of no task, and
 * those that only waited for something would pay for hours.
 */
static uint64_t cost_us(const struct task *t)
{
	const struct task_result *r = t->result;
	if (r->cpu_user_us.is_known && r->cpu_sys_us.is_known)
		return r->cpu_user_us.value + r->cpu_sys_us.value;
	if (t->facts.warden_lost)
		return 0;
	return t->started_ns ? (clock_mono_ns() - t->started_ns) / NS_PER_US : 0;
}

static void host_on_done(void *owner, struct task *t)
{
	struct server *s = owner;
	struct job *j = t->owner;
	spool_settle(s, t);
	sched_charge(&s->sched, &j->sched, cost_us(t), t->result->run_us.value);
	sched_remove(&s->sched, &j->sched);
	git_source_end(&s->git, j);
	j->is_ending = uploads_take(&s->uploads, t);
	if (!j->is_ending)
		end_job(s, j);
	/* The slot is given away when this event is dealt with, not in its midst. */
	alarm_set(s->after_done, 0);
}

/* A task was done: its slot is free, and an old one may have to go. */
static void on_after_done(void *owner)
{
	struct server *s = owner;
	task_host_forget_result(s);
	jobs_expire(&s->jobs, clock_boot_ns());
	server_schedule(s);
}

static void on_deadlines(void *owner, int events)
{
	struct server *s = owner;
	struct deadline *d;
	/* The timer stays readable until none is due: the rest comes in the next turn. */
	for (unsigned n = 0; n < DUE_AT_ONCE; n++) {
		d = deadline_pop_due(&s->deadlines, clock_boot_ns());
		if (!d)
			return;
		task_on_deadline(list_entry(d, struct task, deadline));
	}
}

int task_host_init(struct server *s)
{
	s->host = (struct task_host){
		.loop = s->loop,
		.deadlines = &s->deadlines,
		.log_dir = s->start->log_dir,
		.spare_log = &s->spare_log,
		.scratch = s->scratch,
		.setup_ms = &s->options->setup_ms,
		.owner = s,
		.new_jail = host_new_jail,
		.open_spool = host_open_spool,
		.send = host_send,
		.on_state = host_on_state,
		.on_output = host_on_output,
		.on_input_room = host_on_input_room,
		.on_unqueue = host_on_unqueue,
		.on_done = host_on_done,
	};
	int r = deadline_heap_init(&s->deadlines);
	if (r == 0)
		r = watch_create(s->loop, s->deadlines.fd, on_deadlines, s, &s->deadline_watch);
	if (r == 0)
		r = alarm_create(s->loop, on_after_done, s, &s->after_done);
	return r;
}

void task_host_finish(struct server *s)
{
	watch_destroy(&s->deadline_watch);
	deadline_heap_finish(&s->deadlines);
	alarm_destroy(&s->after_done);
	fd_close(&s->spare_log);
	task_host_forget_result(s);
}
