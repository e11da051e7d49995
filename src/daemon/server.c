/* The daemon: see server.h. */
#include "daemon/server.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "daemon/connection.h"
#include "daemon/recovery.h"
#include "daemon/reload.h"
#include "daemon/submit.h"
#include "daemon/subscription.h"
#include "task/closer.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#define TICK_MS 5000
/* Beyond the longest grace that a stopping task may have: those who do not end by then are killed
 * with the warden. */
#define DRAIN_EXTRA_MS 5000
/* Descriptors that the loop has room for from the start: more than the default limits let anybody
 * make us hold. */
#define LOOP_FDS   16384
#define CLOSES_MAX 1024

size_t server_closes_max(const struct server *s)
{
	uint64_t part = s->start->open_files_hard / 8;
	return part < CLOSES_MAX ? (size_t)part : CLOSES_MAX;
}

/* ---- the end of a turn ---- */

static void destroy_dead(struct server *s)
{
	while (!list_empty(&s->dead)) {
		connection_destroy(list_entry(s->dead.next, struct connection, link));
		s->n_connections--;
	}
}

static void settle(struct server *s)
{
	struct list turn, late;
	/* What kicks again waits for the next turn. */
	list_init(&turn);
	list_init(&late);
	if (!list_empty(&s->kicked)) {
		list_insert(&s->kicked, &turn);
		list_remove(&s->kicked);
	}
	while (!list_empty(&turn)) {
		struct connection *c = list_entry(turn.next, struct connection, kick_link);
		if (connection_may_be_told(c)) {
			connection_settle(c);
		} else {
			list_remove(&c->kick_link);
			list_append(&late, &c->kick_link);
		}
	}
	/* Those who had no part of this turn come before those who had. */
	while (!list_empty(&late)) {
		struct list *last = late.prev;
		list_remove(last);
		list_insert(&s->kicked, last);
	}
	destroy_dead(s);
	connection_end_orphans(s);
	submit_end_leaving(s);
}

static void on_idle(uv_idle_t *handle)
{
	/* Its being active is what matters: the loop does not sleep. */
}

static void settle_turn(struct server *s)
{
	if (s->state == SERVER_DRAINING && !s->jobs.n_active) {
		subscription_end_all(s);
		uploads_end_all_watches(&s->uploads);
	}
	settle(s);
	notify_counts(&s->start->notify, s->sched.n_running, s->sched.n_ready);
	waiting_check(&s->waiting);
	/* While the task runs for which the last one was used; not while its jail is being made. */
	if (s->wants_spare_log && s->spare_log < 0 && s->host.log_dir)
		s->spare_log = output_log_open_file(s->host.log_dir);
	s->wants_spare_log = false;
	if (list_empty(&s->kicked) && list_empty(&s->dead) && list_empty(&s->orphans) &&
		list_empty(&s->leaving) && list_empty(&s->tenants.late))
		uv_idle_stop(&s->idle);
	else
		uv_idle_start(&s->idle, on_idle);
	if (s->state == SERVER_DRAINING && !s->jobs.n_active && !s->n_connections)
		uv_stop(s->loop);
}

static void on_prepare(uv_prepare_t *handle)
{
	struct server *s = handle->data;
	tenants_turn(&s->tenants);
	intake_run_late(s);
	settle_turn(s);
	turn_end(&s->turn, s->loop, &s->metrics);
}

static void on_check(uv_check_t *handle)
{
	settle_turn(handle->data);
}

/* ---- the warden ---- */

static void on_wire(void *owner, const struct wire_event *ev, int *fd)
{
	struct server *s = owner;
	struct job *j = jobs_find_jail(&s->jobs, ev->jail);
	struct task *own = j ? NULL : git_jails_find(&s->git.jails, ev->jail);
	if (ev->type == WIRE_NOW)
		usage_on_wire(&s->usage, j, &ev->now);
	else if (ev->type == WIRE_POOLED)
		pool_view_on_wire(&s->pool, &ev->pooled);
	else if (j)
		task_on_wire(j->task, ev, fd);
	else if (own)
		task_on_wire(own, ev, fd);
	else
		log_debug("warden: record %u for jail %llu, which is over", ev->type,
			(unsigned long long)ev->jail);
}

static void tell_all(struct server *s, enum task_event event)
{
	list_for_each_safe (pos, &s->jobs.active) {
		struct job *j = list_entry(pos, struct job, link);
		if (!task_is_done(j->task))
			task_handle(j->task, event);
	}
}

static void on_warden_lost(void *owner)
{
	struct server *s = owner;
	metrics_add(&s->metrics, METRIC_WARDENS, 1);
	usage_on_warden_lost(&s->usage);
	pool_view_forget(&s->pool);
	git_sources_on_warden_lost(&s->git);
	tell_all(owner, EVENT_WARDEN_LOST);
}

void server_set_pool(struct server *s)
{
	struct wire_request rq;
	wire_request_init(&rq, WIRE_POOL, 0);
	rq.value = (int32_t)s->options->pool_size;
	rq.max_age_s = (uint32_t)(s->options->pool_max_age_ms / 1000);
	int r = warden_link_is_up(&s->warden) ? warden_link_send(&s->warden, &rq, NULL, 0) : 0;
	if (r < 0)
		log_warning("the pool's size was not told to the warden: %s", strerror(-r));
}

static void on_warden_up(void *owner)
{
	struct server *s = owner;
	server_set_pool(s);
	git_sources_update(&s->git);
	server_schedule(s);
}

static void on_warden_dead(void *owner, const struct err *e)
{
	struct server *s = owner;
	log_error("%s: the daemon stops", e->msg);
	s->exit_code = 1;
	server_drain(s, "no warden can be had");
}

static const struct warden_link_hooks warden_hooks = {
	.on_event = on_wire,
	.on_lost = on_warden_lost,
	.on_up = on_warden_up,
	.on_dead = on_warden_dead,
};

/* ---- stopping ---- */

static void on_drain_over(void *owner)
{
	struct server *s = owner;
	submit_end_all_leaving(s);
	if (s->jobs.n_active)
		log_warning("%zu tasks did not end in time; they die with the daemon",
			s->jobs.n_active);
	uv_stop(s->loop);
}

static uint64_t longest_grace_ms(const struct server *s)
{
	uint64_t max = 0;
	list_for_each (pos, &s->jobs.active) {
		const struct job *j = list_entry(pos, struct job, link);
		if (j->task->build.grace_ms > max)
			max = j->task->build.grace_ms;
	}
	return max;
}

/* The end of one may be that of others: hence no walk through the list. */
static struct connection *find_reading(const struct server *s)
{
	list_for_each (pos, &s->connections) {
		struct connection *c = list_entry(pos, struct connection, link);
		if (!c->is_read_closed)
			return c;
	}
	return NULL;
}

void server_drain(struct server *s, const char *why)
{
	if (s->state != SERVER_RUNNING) {
		uv_stop(s->loop);
		return;
	}
	log_info("stopping: %s", why);
	s->state = SERVER_DRAINING;
	notify_stopping(&s->start->notify);
	accept_stop(s);
	listener_stop(&s->start->listener);
	uint64_t ms = longest_grace_ms(s) + DRAIN_EXTRA_MS;
	submit_end_by_shutdown(s);
	struct connection *c;
	while ((c = find_reading(s)))
		connection_finish(c);
	alarm_set(s->drain, ms);
}

static void on_signal(uv_signal_t *handle, int signo)
{
	struct server *s = handle->data;
	if (signo == SIGCHLD) {
		/* Only the keeper is our child, and its connection says more than its status. */
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		return;
	}
	if (signo == SIGHUP)
		reload_config(s);
	else
		server_drain(s, signo == SIGTERM ? "SIGTERM" : "SIGINT");
}

static void check_idle(struct server *s)
{
	/* What waits to be told is something to do. */
	if (s->n_connections || s->jobs.n_active || s->webhooks.outbox.count || s->uploads.count) {
		s->idle_since_ns = 0;
		return;
	}
	uint64_t now = clock_boot_ns();
	if (!s->idle_since_ns)
		s->idle_since_ns = now;
	if (!s->options->idle_exit_ms ||
		now - s->idle_since_ns < s->options->idle_exit_ms * NS_PER_MS)
		return;
	/* Somebody may have come in this very moment. */
	accept_pending(s);
	if (!s->n_connections)
		server_drain(s, "nothing to do");
}

/* Often enough for an idle exit of a few seconds. */
uint64_t server_tick_ms(const struct server *s)
{
	uint64_t idle = s->options->idle_exit_ms;
	return idle && idle / 4 < TICK_MS ? idle / 4 + 1 : TICK_MS;
}

static void on_tick(void *owner)
{
	struct server *s = owner;
	task_host_forget_result(s);
	jobs_expire(&s->jobs, clock_boot_ns());
	recovery_write_rest(s);
	journal_tick(&s->start->journal);
	webhooks_tick(s);
	uploads_tick(&s->uploads);
	alarm_set(s->tick, server_tick_ms(s));
	if (s->state != SERVER_RUNNING)
		return;
	/* Those who are held up are so only for a while. */
	if (s->sched.n_ready)
		server_schedule(s);
	if (!listener_is_reachable(&s->start->listener))
		server_drain(s, "the socket was removed or replaced");
	else
		check_idle(s);
}

/* ---- life ---- */

static int init_handles(struct server *s)
{
	static const int signos[ARRAY_SIZE(s->signals)] = { SIGTERM, SIGINT, SIGCHLD, SIGHUP };
	turn_init(&s->turn, s->loop);
	uv_prepare_init(s->loop, &s->prepare);
	uv_check_init(s->loop, &s->check);
	uv_idle_init(s->loop, &s->idle);
	s->prepare.data = s->check.data = s->idle.data = s;
	uv_prepare_start(&s->prepare, on_prepare);
	uv_check_start(&s->check, on_check);
	int r = 0;
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(s->signals); i++) {
		uv_signal_init(s->loop, &s->signals[i]);
		s->signals[i].data = s;
		r = uv_signal_start(&s->signals[i], on_signal, signos[i]);
	}
	if (r == 0)
		r = alarm_create(s->loop, on_tick, s, &s->tick);
	if (r == 0)
		r = alarm_create(s->loop, on_drain_over, s, &s->drain);
	if (r == 0)
		alarm_set(s->tick, server_tick_ms(s));
	return r;
}

static void init_members(
	struct server *s, uv_loop_t *loop, struct options *o, struct startup *start)
{
	memset(s, 0, sizeof(*s));
	s->loop = loop;
	s->started_ns = clock_real_ns();
	s->options = o;
	s->start = start;
	s->reserve_fd = -1;
	for (size_t i = 0; i < SERVER_REFUSED_MAX; i++)
		s->refused[i] = -1;
	s->deadlines.fd = -1;
	s->spare_log = -1;
	list_init(&s->connections);
	list_init(&s->subscriptions);
	list_init(&s->kicked);
	list_init(&s->dead);
	list_init(&s->orphans);
	list_init(&s->leaving);
	tenants_init(&s->tenants);
	spools_init(&s->spools);
	jobs_init(&s->jobs);
	/* Where descriptors are few, most are for clients and for tasks that run. */
	if (start->open_files_hard / 4 < s->jobs.keep_count)
		s->jobs.keep_count = start->open_files_hard / 4;
	const struct sched_caps caps = reload_sched_caps(o);
	sched_init(&s->sched, &caps);
}

static int init_loop(struct server *s)
{
	s->scratch = malloc(OUTPUT_RECORD_MAX);
	s->read_scratch = malloc(OUTPUT_RECORD_MAX);
	int r = s->scratch && s->read_scratch ? closer_start() : -ENOMEM;
	if (r == 0)
		r = watch_reserve(s->loop, LOOP_FDS);
	if (r == 0)
		r = task_host_init(s);
	return r < 0 ? r : init_handles(s);
}

/* What outlives a task, or a daemon: what those before us have left goes on. */
static int init_kept(struct server *s)
{
	struct startup *start = s->start;
	int r = past_init(&s->past, s, start->history_dir, start->history_makes_dirs);
	if (r == 0)
		r = recovery_start(s, &start->journal_image);
	if (r == 0)
		past_start(&s->past);
	if (r == 0)
		r = webhooks_start(s);
	if (r == 0)
		r = uploads_init(&s->uploads, s->loop, s->options, &start->targets, &s->metrics,
			start->uploads_dir, start->spool_dir);
	s->uploads.on_kept = task_host_end;
	s->uploads.owner = s;
	return r;
}

int server_init(struct server *s, uv_loop_t *loop, struct options *o, struct startup *start)
{
	init_members(s, loop, o, start);
	int r = init_loop(s);
	if (r == 0)
		r = warden_link_init(&s->warden, loop, start, &warden_hooks, s);
	if (r == 0)
		server_set_pool(s);
	if (r == 0)
		r = probe_init(&s->probe, loop, start);
	if (r == 0)
		r = init_kept(s);
	if (r == 0)
		r = git_sources_init(&s->git, s);
	if (r == 0)
		r = waiting_init(&s->waiting, s);
	if (r == 0)
		r = usage_init(&s->usage, s);
	if (r == 0)
		r = accept_init(s);
	if (r == 0)
		r = notify_start(&start->notify, loop);
	if (r == 0)
		watch_set(s->deadline_watch, WATCH_READ);
	return r;
}

/* The time is up: what still runs dies with the warden's connection, and its result says so. */
static void end_tasks(struct server *s)
{
	warden_link_finish(&s->warden);
	submit_end_all_leaving(s);
	tell_all(s, EVENT_SHUTDOWN);
	tell_all(s, EVENT_WARDEN_LOST);
	tell_all(s, EVENT_COLLECT_OVER);
	git_sources_on_warden_lost(&s->git);
	uploads_drain(&s->uploads);
}

int server_run(struct server *s)
{
	uv_run(s->loop, UV_RUN_DEFAULT);
	end_tasks(s);
	subscription_end_all(s);
	uploads_end_all_watches(&s->uploads);
	/* As far as the sockets take it at once. */
	s->state = SERVER_STOPPED;
	settle(s);
	return s->exit_code;
}

static void close_handle(uv_handle_t *handle, void *arg)
{
	if (!uv_is_closing(handle))
		uv_close(handle, NULL);
}

void server_finish(struct server *s)
{
	/* The handlers of signals go with the loop: a second SIGTERM must not cut the cleaning up
	 * short. */
	sigset_t all;
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	s->state = SERVER_STOPPED;
	accept_stop(s);
	list_for_each_safe (pos, &s->connections)
		connection_fail(list_entry(pos, struct connection, link));
	destroy_dead(s);
	warden_link_finish(&s->warden);
	probe_finish(&s->probe);
	recovery_write_rest(s);
	journal_close(&s->start->journal);
	webhooks_finish(s);
	uploads_finish(&s->uploads);
	past_finish(&s->past);
	list_for_each (pos, &s->jobs.active)
		sched_remove(&s->sched, &list_entry(pos, struct job, link)->sched);
	git_sources_finish(&s->git);
	jobs_finish(&s->jobs);
	sched_finish(&s->sched);
	spools_finish(&s->spools);
	task_host_finish(s);
	alarm_destroy(&s->tick);
	alarm_destroy(&s->drain);
	waiting_finish(&s->waiting);
	usage_finish(&s->usage);
	notify_finish(&s->start->notify);
	/* Only the handles that are part of this struct are left. */
	uv_walk(s->loop, close_handle, NULL);
	uv_run(s->loop, UV_RUN_DEFAULT);
	free(s->scratch);
	free(s->read_scratch);
}
