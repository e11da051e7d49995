/* A task: see task.h. */
#include "task/task_priv.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "task/closer.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The ring holds both streams up to their limits if that is little; a reader that is further behind
 * gets a gap. */
#define LOG_CAP_BYTES (64ull << 20)

/* ---- the one place that writes the state ---- */

static void task_set_state(struct task *t, enum task_state next, enum task_event why)
{
	assert(state_move_is_legal(t->state, next));
	task_log(t, LOG_LEVEL_DEBUG, "%s -> %s (%s)", task_state_name(t->state),
		task_state_name(next), task_event_name(why));
	t->state = next;
	t->host->on_state(t->host->owner, t);
}

void task_queue_event(struct task *t, enum task_event event)
{
	assert(t->n_queued_events < ARRAY_SIZE(t->queued_events));
	t->queued_events[t->n_queued_events++] = event;
}

/* ---- events ---- */

static void handle_one(struct task *t, struct occurrence *o)
{
	struct state_decision d = state_decide(t->state, o->event);
	o->from = t->state;
	if (d.next != t->state)
		task_set_state(t, d.next, o->event);
	for (unsigned i = 0; i < ACTION_BITS; i++)
		if (d.actions & 1u << i)
			task_actions[i](t, o);
}

/* What an action finds out (a pipe at its end while it is closed, a start that failed) waits until
 * the action's event is done with. */
static void handle(struct task *t, struct occurrence *o)
{
	assert(t->magic == TASK_MAGIC);
	if (t->is_handling) {
		task_queue_event(t, o->event);
		return;
	}
	t->is_handling = true;
	handle_one(t, o);
	while (t->n_queued_events) {
		struct occurrence next = { .event = t->queued_events[0] };
		t->n_queued_events--;
		memmove(&t->queued_events[0], &t->queued_events[1],
			t->n_queued_events * sizeof(t->queued_events[0]));
		handle_one(t, &next);
	}
	t->is_handling = false;
}

void task_handle(struct task *t, enum task_event event)
{
	struct occurrence o = { .event = event };
	handle(t, &o);
}

/* Nobody would read what it prints: no task without its terminal. */
static void fail_without_tty(struct task *t, int errnum)
{
	struct wire_event ev;
	struct occurrence o = { .event = EVENT_WARDEN_FAILED, .wire = &ev };
	wire_event_init(&ev, WIRE_FAILED, t->jail);
	err_set(&ev.failed.err, ERR_INTERNAL, errnum, "take over the terminal");
	task_kill_jail(t);
	streams_close_output(&t->streams);
	handle(t, &o);
}

static void take_tty(struct task *t, int *fd)
{
	if (*fd < 0 || !t->spec->tty || t->streams.out[OUTPUT_STDOUT].fd >= 0 ||
		t->streams.is_final) {
		task_log(t, LOG_LEVEL_WARNING, "%s",
			"the warden sent a terminal that is not wanted");
		return;
	}
	int r = streams_open_tty(&t->streams, fd_take(fd));
	if (r < 0)
		fail_without_tty(t, -r);
	else
		streams_start(&t->streams);
}

void task_on_wire(struct task *t, const struct wire_event *ev, int *fd)
{
	struct occurrence o = { .wire = ev };
	switch ((enum wire_type)ev->type) {
	case WIRE_TTY:
		take_tty(t, fd);
		return;
	case WIRE_CHANGES:
		if (!t->facts.jail_gone)
			result_add_changes(t->result, ev);
		return;
	case WIRE_ARTIFACTS:
		if (!t->facts.jail_gone)
			result_add_artifacts(t->result, ev);
		return;
	case WIRE_STARTED:
		o.event = EVENT_WARDEN_STARTED;
		break;
	case WIRE_FAILED:
		o.event = EVENT_WARDEN_FAILED;
		break;
	case WIRE_LIMIT:
		o.event = EVENT_CPU_LIMIT;
		break;
	case WIRE_EXITED:
		o.event = EVENT_MAIN_EXITED;
		break;
	case WIRE_GONE:
		o.event = EVENT_JAIL_GONE;
		break;
	default:
		return;
	}
	handle(t, &o);
}

/* Output since the deadline was set moves it. Output that nobody takes at the moment holds the task
 * up: it is not idle then. */
static bool is_idle(struct task *t)
{
	uint64_t now = clock_boot_ns();
	if (t->streams.is_paused)
		t->output_at_ns = now;
	return deadline_after_ms(t->output_at_ns, t->build.idle_ms) <= now;
}

void task_on_deadline(struct task *t)
{
	if (t->deadline_event == EVENT_DEADLINE_IDLE && !is_idle(t)) {
		task_arm_run(t);
		return;
	}
	task_handle(t, t->deadline_event);
}

bool task_is_done(const struct task *t)
{
	return t->state == TASK_STATE_DONE;
}

bool task_has_jail(const struct task *t)
{
	return t->jail && !t->facts.jail_gone && !t->facts.warden_lost && !task_is_done(t);
}

/* ---- the streams' hooks ---- */

static void on_output(void *owner, enum output_stream stream, const char *data, size_t len)
{
	struct task *t = owner;
	struct output_record rec = { 0 };
	t->output_at_ns = clock_boot_ns();
	int r = output_log_append(t->log, stream, data, len, &rec);
	if (r >= 0 && rec.seq)
		t->host->on_output(t->host->owner, t, stream, data, &rec);
	if (r == OUTPUT_OVER_LIMIT && t->spec->on_output_limit == ON_OUTPUT_LIMIT_KILL)
		task_handle(t, EVENT_OUTPUT_LIMIT);
}

static void on_drained(void *owner)
{
	task_handle(owner, EVENT_STREAMS_DRAINED);
}

static void on_input_room(void *owner)
{
	struct task *t = owner;
	t->host->on_input_room(t->host->owner, t);
}

static const struct streams_hooks streams_hooks = {
	.on_output = on_output,
	.on_drained = on_drained,
	.on_input_room = on_input_room,
};

/* ---- what clients ask for ---- */

static int bad_state(const struct task *t, struct err *e)
{
	err_set(e, ERR_BAD_STATE, 0, "the task is %s", task_state_name(t->state));
	if (t->state < TASK_STATE_RUNNING)
		err_hint(e, "this needs a task that runs; try again when it does, or cancel it");
	return -EINVAL;
}

int task_signal(struct task *t, int signo, struct err *e)
{
	if (!task_has_jail(t) || !t->started_ns || t->facts.has_status)
		return bad_state(t, e);
	struct wire_request rq;
	wire_request_init(&rq, WIRE_SIGNAL, t->jail);
	rq.value = signo;
	int r = t->host->send(t->host->owner, &rq, NULL, 0);
	return r < 0 ? err_set(e, r == -ENOBUFS ? ERR_BUSY : ERR_INTERNAL, -r, "signal the task")
		     : 0;
}

int task_resize(struct task *t, uint64_t rows, uint64_t cols, struct err *e)
{
	if (!t->spec->tty)
		return err_set(e, ERR_BAD_STATE, 0, "the task has no terminal");
	if (rows > UINT16_MAX || cols > UINT16_MAX)
		return err_set_field(e, ERR_OUT_OF_RANGE, rows > UINT16_MAX ? "rows" : "cols",
			"at most %d", UINT16_MAX);
	if (task_is_done(t))
		return bad_state(t, e);
	int r = streams_resize(&t->streams, (uint16_t)rows, (uint16_t)cols);
	if (r == -ENOTTY && t->build.plan) {
		/* Not started yet: it begins with this size. */
		t->build.plan->rows = (uint16_t)rows;
		t->build.plan->cols = (uint16_t)cols;
		r = 0;
	}
	return r < 0 ? err_set(e, ERR_BAD_STATE, 0, "the terminal is not there") : 0;
}

static int input_error(const struct task *t, int r, struct err *e)
{
	switch (r) {
	case 0:
	case -EAGAIN:
		return r;
	case -ENXIO:
		err_set(e, ERR_BAD_STATE, 0, "the task takes no input");
		err_hint(e, "run it with \"stdin\":\"stream\" (dayfly run -i)");
		return r;
	case -EPIPE:
		err_set(e, ERR_BAD_STATE, 0, "the task's input is closed");
		return r;
	default:
		return err_set(e, ERR_INTERNAL, -r, "take input");
	}
}

int task_add_input(struct task *t, const char *data, size_t len, struct err *e)
{
	if (task_is_done(t))
		return bad_state(t, e);
	return input_error(t, streams_add_input(&t->streams, data, len), e);
}

int task_end_input(struct task *t, struct err *e)
{
	if (task_is_done(t))
		return bad_state(t, e);
	return input_error(t, streams_end_input(&t->streams), e);
}

void task_pause_output(struct task *t, bool pause)
{
	if (!task_is_done(t))
		streams_pause_output(&t->streams, pause);
}

/* ---- life ---- */

static uint64_t log_cap(uint64_t stream_limit)
{
	return stream_limit < LOG_CAP_BYTES / 4 ? stream_limit * 4 : LOG_CAP_BYTES;
}

/* Of what is kept of a stream: its last bytes, where an error usually stands. */
static void keep_tail(struct task *t)
{
	uint64_t half = t->build.output_bytes / 2;
	if (t->spec->on_output_limit == ON_OUTPUT_LIMIT_DROP)
		output_log_keep_tail(
			t->log, half < OUTPUT_RECORD_MAX ? (size_t)half : OUTPUT_RECORD_MAX);
}

static int fill_result(struct task *t)
{
	struct task_result *r = t->result;
	memcpy(r->task, t->id, sizeof(r->task));
	if (t->spec->name && !(r->name = strdup(t->spec->name)))
		return -ENOMEM;
	r->created_ns = clock_real_ns();
	r->profile = t->build.plan->profile;
	r->disk_limit = known(t->build.plan->limits.disk_bytes);
	int wanted = result_want_artifacts(r, t->build.plan);
	if (wanted < 0)
		return wanted;
	t->cpu_rlimit_s = (t->build.plan->limits.cpu_ms + 999) / 1000;
	r->pool = POOL_OFF;
	return 0;
}

static int task_init(struct task *t)
{
	t->result = result_create();
	if (!t->result)
		return -ENOMEM;
	int r = fill_result(t);
	if (r == 0)
		r = output_log_create(t->host->log_dir, t->host->spare_log,
			log_cap(t->build.output_bytes), t->build.output_bytes, &t->log);
	if (r < 0)
		return r;
	keep_tail(t);
	t->created_ns = clock_mono_ns();
	task_arm(t, EVENT_DEADLINE_QUEUE, t->build.queue_ms);
	return 0;
}

int task_create(const struct task_host *host, const struct task_origin *origin,
	struct task_spec *take_spec, struct build *take_build, struct task **ret)
{
	struct task *t = calloc(1, sizeof(*t));
	int client_fd = origin->take_client_fd, inputs_fd = origin->take_inputs_fd;
	if (!t) {
		close_foreign(origin->uid, &client_fd, 1);
		fd_close(&inputs_fd);
		close_foreign(origin->uid, origin->take_sources, origin->n_sources);
		build_finish(take_build);
		task_spec_destroy(take_spec);
		return -ENOMEM;
	}
	t->magic = TASK_MAGIC;
	t->host = host;
	t->uid = origin->uid;
	t->spec = take_spec;
	t->build = *take_build;
	take_build->plan = NULL;
	t->client_fd = client_fd;
	t->inputs_fd = inputs_fd;
	t->spool_fd = -1;
	snprintf(t->id, sizeof(t->id), "%s", origin->id);
	assert(origin->n_sources <= ARRAY_SIZE(t->sources));
	for (size_t i = 0; i < origin->n_sources; i++)
		t->sources[t->n_sources++] = fd_take(&origin->take_sources[i]);
	streams_init(&t->streams, host->loop, host->scratch, &streams_hooks, t);
	t->streams.takes_input = t->spec->tty || t->spec->stdin_mode == STDIN_STREAM;
	int r = task_init(t);
	if (r < 0) {
		task_destroy(t);
		return r;
	}
	*ret = t;
	return 0;
}

void task_set_source(struct task *t, size_t nth, int take_fd)
{
	assert(t->state == TASK_STATE_QUEUED && nth < t->n_sources && t->sources[nth] < 0);
	t->sources[nth] = take_fd;
}

void task_destroy(struct task *t)
{
	if (!t)
		return;
	deadline_cancel(t->host->deadlines, &t->deadline);
	streams_finish(&t->streams);
	task_release_start(t);
	output_log_destroy(t->log);
	fd_close(&t->spool_fd);
	result_destroy(t->result);
	task_spec_destroy(t->spec);
	t->magic = 0;
	free(t);
}
