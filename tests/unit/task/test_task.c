/* A task from acceptance to result; this process plays the daemon and the warden. */
#include "loop.h"

#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "task/closer.h"
#include "task/task.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SENT_MAX 16

struct world {
	uv_loop_t loop;
	struct deadline_heap deadlines;
	struct task_host host;
	char scratch[OUTPUT_RECORD_MAX];
	struct task *t;
	uint64_t next_jail;
	int send_error;
	struct wire_request sent[SENT_MAX];
	size_t n_sent;
	int start_fds[32];
	size_t n_start_fds;
	enum task_state states[16];
	size_t n_states;
	size_t output_bytes;
	int n_unqueued, n_done;
};

static uint64_t new_jail(void *owner)
{
	return ++((struct world *)owner)->next_jail;
}

static int send_record(void *owner, const struct wire_request *rq, const int *fds, size_t n_fds)
{
	struct world *w = owner;
	if (w->send_error)
		return w->send_error;
	assert_in_range(w->n_sent, 0, SENT_MAX - 1);
	w->sent[w->n_sent++] = *rq;
	for (size_t i = 0; i < n_fds; i++)
		w->start_fds[w->n_start_fds++] = fcntl(fds[i], F_DUPFD_CLOEXEC, 3);
	return 0;
}

static void on_state(void *owner, struct task *t)
{
	struct world *w = owner;
	w->states[w->n_states++] = t->state;
}

static void on_output(void *owner, struct task *t, enum output_stream stream, const char *data,
	const struct output_record *rec)
{
	((struct world *)owner)->output_bytes += rec->len;
}

static void on_input_room(void *owner, struct task *t)
{
}

static void on_unqueue(void *owner, struct task *t)
{
	((struct world *)owner)->n_unqueued++;
}

static void on_done(void *owner, struct task *t)
{
	((struct world *)owner)->n_done++;
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	signal(SIGPIPE, SIG_IGN);
	log_init("test", LOG_LEVEL_ERROR);
	uv_loop_init(&w->loop);
	deadline_heap_init_manual(&w->deadlines);
	static const uint64_t setup_ms = 90000;
	w->host = (struct task_host){
		.loop = &w->loop,
		.deadlines = &w->deadlines,
		.setup_ms = &setup_ms,
		.scratch = w->scratch,
		.owner = w,
		.new_jail = new_jail,
		.send = send_record,
		.on_state = on_state,
		.on_output = on_output,
		.on_input_room = on_input_room,
		.on_unqueue = on_unqueue,
		.on_done = on_done,
	};
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;
	fd_close_many(w->start_fds, w->n_start_fds);
	task_destroy(w->t);
	loop_assert_empty(&w->loop);
	deadline_heap_finish(&w->deadlines);
	free(w);
	return 0;
}

static void create_with(struct world *w, struct task_spec *spec, int *sources, size_t n_sources)
{
	struct build build;
	struct err e;
	const struct build_input in = {
		.task_id = "t-0123456789abcdef0123456789abcdef",
		.n_fds = n_sources,
		.open_files_hard = 1 << 20,
		.no_cgroup = "none",
	};
	spec->argv = NULL;
	assert_int_equal(strv_add(&spec->argv, "true"), 0);
	assert_int_equal(plan_build(spec, &in, &build, &e), 0);
	const struct task_origin origin = {
		.id = in.task_id,
		.uid = 7,
		.take_client_fd = open("/dev/null", O_RDONLY | O_CLOEXEC),
		.take_sources = sources,
		.n_sources = n_sources,
		.take_inputs_fd = -1,
	};
	assert_int_equal(task_create(&w->host, &origin, spec, &build, &w->t), 0);
}

static struct task_spec *spec_create(void)
{
	struct task_spec *spec = calloc(1, sizeof(*spec));
	spec->workspace.source.fd = -1;
	return spec;
}

static void create(struct world *w)
{
	create_with(w, spec_create(), NULL, 0);
}

static void tell(struct world *w, enum wire_type type, int status)
{
	struct wire_event ev;
	int none = -1;
	wire_event_init(&ev, type, w->t->jail);
	if (type == WIRE_STARTED) {
		ev.started.at_ns = clock_mono_ns() - (uint64_t)status * NS_PER_MS;
	} else if (type == WIRE_EXITED) {
		ev.exited.status = status;
		ev.exited.at_ns = clock_mono_ns();
	} else if (type == WIRE_LIMIT) {
		ev.limit.which = WIRE_LIMIT_CPU_TIME;
	} else if (type == WIRE_GONE) {
		ev.gone.max_rss_bytes = 4096;
	} else if (type == WIRE_FAILED) {
		ev.failed.phase_exec = (uint32_t)status;
		err_set(&ev.failed.err, status ? ERR_EXEC : ERR_SETUP, ENOENT, "it failed");
	}
	task_on_wire(w->t, &ev, &none);
}

static void start(struct world *w)
{
	task_handle(w->t, EVENT_SLOT_FREE);
	assert_int_equal(w->t->state, TASK_STATE_STARTING);
	assert_int_equal(w->sent[0].type, WIRE_START);
}

static void run(struct world *w)
{
	start(w);
	tell(w, WIRE_STARTED, 0);
	assert_int_equal(w->t->state, TASK_STATE_RUNNING);
}

/* The jail's ends of the pipes. */
static void close_ends(struct world *w)
{
	fd_close_many(w->start_fds, w->n_start_fds);
	w->n_start_fds = 0;
}

static void end(struct world *w)
{
	close_ends(w);
	tell(w, WIRE_GONE, 0);
	loop_run_until(&w->loop, task_is_done(w->t));
	assert_int_equal(w->n_done, 1);
}

static void fire_deadline(struct world *w, enum task_event expected)
{
	assert_int_equal(w->t->deadline_event, expected);
	struct deadline *d = deadline_pop_due(&w->deadlines, UINT64_MAX - 1);
	assert_ptr_equal(d, &w->t->deadline);
	task_on_deadline(w->t);
}

static void assert_verdict(const struct world *w, enum outcome outcome, enum cause cause)
{
	assert_string_equal(outcome_name(w->t->result->verdict.outcome), outcome_name(outcome));
	assert_string_equal(cause_name(w->t->result->verdict.cause), cause_name(cause));
}

static void a_run_begins_with_the_execution_and_not_when_it_is_told(void **state)
{
	struct world *w = *state;
	create(w);
	start(w);
	tell(w, WIRE_STARTED, 300);
	tell(w, WIRE_EXITED, 0);
	end(w);
	assert_true(w->t->result->run_us.value >= 300000);
}

static void a_task_goes_through_its_states_to_one_result(void **state)
{
	struct world *w = *state;
	create(w);
	assert_int_equal(w->t->state, TASK_STATE_QUEUED);
	run(w);
	assert_int_equal(w->n_start_fds, 4); /* client, plan, stdout, stderr */
	assert_int_equal(write(w->start_fds[2], "hello", 5), 5);
	tell(w, WIRE_EXITED, 0);
	assert_int_equal(w->t->state, TASK_STATE_COLLECTING);
	end(w);
	const enum task_state expected[] = { TASK_STATE_STARTING, TASK_STATE_RUNNING,
		TASK_STATE_COLLECTING, TASK_STATE_DONE };
	assert_int_equal(w->n_states, ARRAY_SIZE(expected));
	assert_memory_equal(w->states, expected, sizeof(expected));
	assert_verdict(w, OUTCOME_OK, CAUSE_EXIT);
	assert_int_equal(w->output_bytes, 5);
	assert_int_equal(w->t->result->output[OUTPUT_STDOUT].bytes.value, 5);
	assert_true(w->t->result->memory_peak.is_known);
	assert_true(w->t->result->run_us.is_known);
	assert_false(w->t->deadline.is_set);
	assert_null(w->t->build.plan);
}

static void the_plan_that_is_sent_can_be_decoded_and_not_be_changed(void **state)
{
	struct world *w = *state;
	char bytes[4096];
	struct err e;
	create(w);
	start(w);
	ssize_t n = pread(w->start_fds[1], bytes, sizeof(bytes), 0);
	auto_plan struct plan *p = NULL;
	assert_true(n > 0);
	assert_int_equal(plan_decode(bytes, (size_t)n, &p, &e), 0);
	assert_string_equal(p->argv[0], "true");
	assert_int_equal(pwrite(w->start_fds[1], "x", 1, 0), -1);
	assert_int_equal(errno, EPERM);
	tell(w, WIRE_FAILED, 0);
	end(w);
	assert_verdict(w, OUTCOME_ERROR, CAUSE_SETUP);
}

static void the_sources_come_last_and_in_order(void **state)
{
	struct world *w = *state;
	struct task_spec *spec = spec_create();
	int sources[] = { open("/", O_PATH | O_CLOEXEC), open("/tmp", O_PATH | O_CLOEXEC) };
	struct stat st, tmp;
	spec->has_workspace = true;
	spec->workspace.source.fd = 1;
	spec->stdin_mode = STDIN_STREAM;
	create_with(w, spec, sources, 2);
	start(w);
	assert_int_equal(w->n_start_fds, 2 + 3 + 2);
	assert_int_equal(fstat(w->start_fds[6], &st), 0);
	assert_int_equal(stat("/tmp", &tmp), 0);
	assert_int_equal(st.st_ino, tmp.st_ino);
	tell(w, WIRE_FAILED, 0);
	end(w);
}

static void cancelled_in_the_queue_it_never_starts(void **state)
{
	struct world *w = *state;
	create(w);
	task_handle(w->t, EVENT_CANCEL);
	assert_true(task_is_done(w->t));
	assert_int_equal(w->n_unqueued, 1);
	assert_int_equal(w->n_sent, 0);
	assert_verdict(w, OUTCOME_CANCELLED, CAUSE_CANCEL);
	task_handle(w->t, EVENT_CANCEL);
	assert_int_equal(w->n_done, 1);
}

static void waiting_too_long_in_the_queue_it_is_rejected(void **state)
{
	struct world *w = *state;
	create(w);
	fire_deadline(w, EVENT_DEADLINE_QUEUE);
	assert_verdict(w, OUTCOME_REJECTED, CAUSE_TIMEOUT_QUEUE);
}

static void cancelled_while_starting_the_jail_is_killed(void **state)
{
	struct world *w = *state;
	create(w);
	start(w);
	task_handle(w->t, EVENT_CANCEL);
	assert_int_equal(w->n_sent, 2);
	assert_int_equal(w->sent[1].type, WIRE_KILL);
	end(w);
	assert_verdict(w, OUTCOME_CANCELLED, CAUSE_CANCEL);
}

static void a_jail_that_is_not_made_in_time_is_an_error_that_says_so(void **state)
{
	struct world *w = *state;
	create(w);
	start(w);
	fire_deadline(w, EVENT_DEADLINE_SETUP);
	assert_int_equal(w->sent[1].type, WIRE_KILL);
	end(w);
	assert_verdict(w, OUTCOME_ERROR, CAUSE_SETUP);
	assert_true(w->t->result->has_error);
	assert_int_equal(w->t->result->error.errnum, ETIMEDOUT);
	assert_non_null(strstr(w->t->result->error.msg, "within 1 min 30 s"));
}

static void the_wall_limit_asks_and_then_kills(void **state)
{
	struct world *w = *state;
	create(w);
	run(w);
	fire_deadline(w, EVENT_DEADLINE_WALL);
	assert_int_equal(w->t->state, TASK_STATE_STOPPING);
	assert_int_equal(w->n_sent, 3);
	assert_int_equal(w->sent[1].type, WIRE_SIGNAL);
	assert_int_equal(w->sent[1].value, SIGTERM);
	assert_int_equal(w->sent[2].value, SIGCONT); /* I2: a stopped one takes SIGTERM only then */
	/* The reason was written down before the signal, and nothing changes it. */
	task_handle(w->t, EVENT_CANCEL);
	fire_deadline(w, EVENT_GRACE_OVER);
	assert_int_equal(w->sent[3].type, WIRE_KILL);
	tell(w, WIRE_EXITED, SIGKILL);
	end(w);
	assert_verdict(w, OUTCOME_KILLED, CAUSE_TIMEOUT_WALL);
	assert_int_equal(w->t->result->verdict.exit.signal, SIGKILL);
}

static void create_with_idle(struct world *w, uint64_t idle_ms)
{
	struct task_spec *spec = spec_create();
	spec->limits.idle_ms = idle_ms;
	create_with(w, spec, NULL, 0);
}

static void a_task_that_writes_nothing_is_stopped_as_idle(void **state)
{
	struct world *w = *state;
	create_with_idle(w, 1);
	run(w);
	usleep(2000);
	fire_deadline(w, EVENT_DEADLINE_IDLE);
	assert_int_equal(w->t->state, TASK_STATE_STOPPING);
	tell(w, WIRE_EXITED, SIGTERM);
	end(w);
	assert_verdict(w, OUTCOME_KILLED, CAUSE_TIMEOUT_IDLE);
}

static void output_moves_the_idle_limit_and_the_wall_limit_stays(void **state)
{
	struct world *w = *state;
	create_with_idle(w, 60000);
	run(w);
	uint64_t wall_at = w->t->wall_at_ns;
	/* As if it had been armed long ago: the output since then counts. */
	assert_int_equal(write(w->start_fds[2], "x", 1), 1);
	loop_run_until(&w->loop, w->output_bytes == 1);
	fire_deadline(w, EVENT_DEADLINE_IDLE);
	assert_int_equal(w->t->state, TASK_STATE_RUNNING);
	assert_true(w->t->deadline.is_set);
	assert_int_equal(w->t->wall_at_ns, wall_at);
	/* The wall limit is due before the next idle one. */
	w->t->build.idle_ms = UINT64_MAX / 2;
	task_on_deadline(w->t);
	fire_deadline(w, EVENT_DEADLINE_WALL);
	tell(w, WIRE_EXITED, SIGTERM);
	end(w);
	assert_verdict(w, OUTCOME_KILLED, CAUSE_TIMEOUT_WALL);
}

static void a_task_whose_output_nobody_takes_is_not_idle(void **state)
{
	struct world *w = *state;
	create_with_idle(w, 1);
	run(w);
	task_pause_output(w->t, true);
	usleep(2000);
	fire_deadline(w, EVENT_DEADLINE_IDLE);
	assert_int_equal(w->t->state, TASK_STATE_RUNNING);
	tell(w, WIRE_EXITED, 0);
	end(w);
	assert_verdict(w, OUTCOME_OK, CAUSE_EXIT);
}

static void used_up_cpu_time_stops_the_task(void **state)
{
	struct world *w = *state;
	create(w);
	run(w);
	tell(w, WIRE_LIMIT, 0);
	assert_int_equal(w->t->state, TASK_STATE_STOPPING);
	assert_int_equal(w->sent[1].value, SIGTERM);
	tell(w, WIRE_LIMIT, 0); /* said again: nothing changes */
	tell(w, WIRE_EXITED, SIGTERM);
	end(w);
	assert_verdict(w, OUTCOME_KILLED, CAUSE_TIMEOUT_CPU);
}

static void the_cgroup_s_counters_decide_about_memory(void **state)
{
	struct world *w = *state;
	struct wire_event ev;
	int none = -1;
	create(w);
	run(w);
	tell(w, WIRE_EXITED, SIGKILL);
	close_ends(w);
	wire_event_init(&ev, WIRE_GONE, w->t->jail);
	ev.gone.usage.known = WIRE_KNOWN_OOM_KILLS | WIRE_KNOWN_MEMORY_PEAK;
	ev.gone.usage.oom_kills = 3;
	ev.gone.usage.memory_peak = 64 << 20;
	task_on_wire(w->t, &ev, &none);
	loop_run_until(&w->loop, task_is_done(w->t));
	assert_verdict(w, OUTCOME_KILLED, CAUSE_OOM);
	assert_int_equal(w->t->result->memory_peak.value, 64 << 20);
}

static void a_jail_that_does_not_die_keeps_its_slot_and_is_killed_again(void **state)
{
	struct world *w = *state;
	create(w);
	run(w);
	task_handle(w->t, EVENT_CANCEL);
	fire_deadline(w, EVENT_GRACE_OVER);
	fire_deadline(w, EVENT_KILL_OVER);
	fire_deadline(w, EVENT_KILL_OVER);
	assert_int_equal(w->t->state, TASK_STATE_STOPPING);
	assert_int_equal(w->sent[w->n_sent - 1].type, WIRE_KILL);
	assert_int_equal(w->n_done, 0);
	tell(w, WIRE_EXITED, SIGKILL);
	end(w);
}

static void a_failed_exec_is_told_as_such(void **state)
{
	struct world *w = *state;
	create(w);
	start(w);
	tell(w, WIRE_STARTED, 0);
	tell(w, WIRE_FAILED, 1);
	tell(w, WIRE_EXITED, 127 << 8);
	end(w);
	assert_verdict(w, OUTCOME_FAILED, CAUSE_EXEC);
	assert_true(w->t->result->has_error);
	assert_int_equal(w->t->result->error.errnum, ENOENT);
}

/* The lowest number that is free when all is closed that is to be. */
static int next_number(void)
{
	for (int i = 0; i < 20000 && closer_waiting(); i++)
		usleep(1000);
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	close(fd);
	return fd;
}

static void a_warden_that_cannot_be_reached_is_an_error_and_no_descriptor_is_lost(void **state)
{
	struct world *w = *state;
	int before = next_number();
	create(w);
	w->send_error = -ENOTCONN;
	task_handle(w->t, EVENT_SLOT_FREE);
	assert_true(task_is_done(w->t));
	assert_verdict(w, OUTCOME_ERROR, CAUSE_SETUP);
	assert_true(w->t->result->has_error);
	task_destroy(w->t);
	w->t = NULL;
	uv_run(&w->loop, UV_RUN_NOWAIT);
	assert_int_equal(next_number(), before);
}

static void a_lost_warden_is_the_end_of_a_running_task_but_not_of_a_waiting_one(void **state)
{
	struct world *w = *state;
	create(w);
	task_handle(w->t, EVENT_WARDEN_LOST);
	assert_int_equal(w->t->state, TASK_STATE_QUEUED);
	run(w);
	task_handle(w->t, EVENT_WARDEN_LOST);
	close_ends(w);
	loop_run_until(&w->loop, task_is_done(w->t));
	assert_verdict(w, OUTCOME_LOST, CAUSE_WARDEN_LOST);
	assert_false(task_has_jail(w->t));
}

static void a_pipe_that_stays_open_delays_the_result_only_for_a_while(void **state)
{
	struct world *w = *state;
	create(w);
	run(w);
	assert_int_equal(write(w->start_fds[2], "kept", 4), 4);
	tell(w, WIRE_EXITED, 0);
	tell(w, WIRE_GONE, 0);
	loop_run_until(&w->loop, w->output_bytes == 4);
	assert_int_equal(w->n_done, 0);
	fire_deadline(w, EVENT_COLLECT_OVER);
	assert_int_equal(w->n_done, 1);
	assert_verdict(w, OUTCOME_OK, CAUSE_EXIT);
}

static void over_its_output_limit_a_task_is_killed_if_it_asked_for_that(void **state)
{
	struct world *w = *state;
	struct task_spec *spec = spec_create();
	spec->limits.output_bytes = 4;
	spec->on_output_limit = ON_OUTPUT_LIMIT_KILL;
	create_with(w, spec, NULL, 0);
	run(w);
	assert_int_equal(write(w->start_fds[2], "123456", 6), 6);
	loop_run_until(&w->loop, w->t->state == TASK_STATE_STOPPING);
	assert_int_equal(w->output_bytes, 4);
	tell(w, WIRE_EXITED, SIGTERM);
	end(w);
	assert_verdict(w, OUTCOME_KILLED, CAUSE_OUTPUT_LIMIT);
}

static void over_its_output_limit_a_task_goes_on_otherwise(void **state)
{
	struct world *w = *state;
	struct task_spec *spec = spec_create();
	spec->limits.output_bytes = 4;
	create_with(w, spec, NULL, 0);
	run(w);
	assert_int_equal(write(w->start_fds[2], "123456", 6), 6);
	tell(w, WIRE_EXITED, 0);
	end(w);
	assert_verdict(w, OUTCOME_OK, CAUSE_EXIT);
	assert_int_equal(w->t->result->output[OUTPUT_STDOUT].bytes.value, 6);
	assert_int_equal(w->t->result->output[OUTPUT_STDOUT].dropped.value, 2);
}

static void signals_and_input_are_refused_when_there_is_nobody_to_take_them(void **state)
{
	struct world *w = *state;
	struct err e;
	create(w);
	assert_true(task_signal(w->t, SIGUSR1, &e) < 0);
	assert_int_equal(e.code, ERR_BAD_STATE);
	assert_true(task_add_input(w->t, "x", 1, &e) < 0);
	assert_true(task_resize(w->t, 1, 1, &e) < 0);
	run(w);
	assert_int_equal(task_signal(w->t, SIGUSR1, &e), 0);
	assert_int_equal(w->sent[1].value, SIGUSR1);
	tell(w, WIRE_EXITED, 0);
	assert_true(task_signal(w->t, SIGUSR1, &e) < 0); /* I8: never after the exit */
	end(w);
	assert_true(task_add_input(w->t, "x", 1, &e) < 0);
	assert_true(task_end_input(w->t, &e) < 0);
}

static void a_terminal_that_is_resized_early_starts_with_that_size(void **state)
{
	struct world *w = *state;
	struct task_spec *spec = spec_create();
	char bytes[4096];
	struct err e;
	spec->tty = true;
	create_with(w, spec, NULL, 0);
	assert_int_equal(task_resize(w->t, 50, 150, &e), 0);
	assert_true(task_resize(w->t, 65536, 1, &e) < 0);
	start(w);
	assert_int_equal(w->n_start_fds, 2); /* the warden makes the terminal */
	ssize_t n = pread(w->start_fds[1], bytes, sizeof(bytes), 0);
	auto_plan struct plan *p = NULL;
	assert_int_equal(plan_decode(bytes, (size_t)n, &p, &e), 0);
	assert_int_equal(p->rows, 50);
	assert_int_equal(p->cols, 150);
	tell(w, WIRE_FAILED, 0);
	end(w);
}

static void what_could_not_be_held_stands_behind_what_the_warden_says(void **state)
{
	struct world *w = *state;
	struct task_spec *spec = spec_create();
	spec->limits.cpu_millis = 500;
	spec->best_effort = BEST_EFFORT_CPUS;
	create_with(w, spec, NULL, 0);
	run(w);
	assert_int_equal(w->t->result->n_degraded, 1);
	assert_int_equal(strncmp(w->t->result->degraded[0], "cpus", 4), 0);
	tell(w, WIRE_EXITED, 0);
	end(w);
}

#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_WORLD(a_run_begins_with_the_execution_and_not_when_it_is_told),
		IN_WORLD(a_task_goes_through_its_states_to_one_result),
		IN_WORLD(the_plan_that_is_sent_can_be_decoded_and_not_be_changed),
		IN_WORLD(the_sources_come_last_and_in_order),
		IN_WORLD(cancelled_in_the_queue_it_never_starts),
		IN_WORLD(waiting_too_long_in_the_queue_it_is_rejected),
		IN_WORLD(cancelled_while_starting_the_jail_is_killed),
		IN_WORLD(a_jail_that_is_not_made_in_time_is_an_error_that_says_so),
		IN_WORLD(the_wall_limit_asks_and_then_kills),
		IN_WORLD(a_task_that_writes_nothing_is_stopped_as_idle),
		IN_WORLD(output_moves_the_idle_limit_and_the_wall_limit_stays),
		IN_WORLD(a_task_whose_output_nobody_takes_is_not_idle),
		IN_WORLD(used_up_cpu_time_stops_the_task),
		IN_WORLD(the_cgroup_s_counters_decide_about_memory),
		IN_WORLD(a_jail_that_does_not_die_keeps_its_slot_and_is_killed_again),
		IN_WORLD(a_failed_exec_is_told_as_such),
		IN_WORLD(a_warden_that_cannot_be_reached_is_an_error_and_no_descriptor_is_lost),
		IN_WORLD(a_lost_warden_is_the_end_of_a_running_task_but_not_of_a_waiting_one),
		IN_WORLD(a_pipe_that_stays_open_delays_the_result_only_for_a_while),
		IN_WORLD(over_its_output_limit_a_task_is_killed_if_it_asked_for_that),
		IN_WORLD(over_its_output_limit_a_task_goes_on_otherwise),
		IN_WORLD(signals_and_input_are_refused_when_there_is_nobody_to_take_them),
		IN_WORLD(a_terminal_that_is_resized_early_starts_with_that_size),
		IN_WORLD(what_could_not_be_held_stands_behind_what_the_warden_says),
	};
	return RUN_TESTS(tests);
}
