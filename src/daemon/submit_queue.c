/* Why a task gets no place in the queue, or loses the one that it had: see submit.h. */
#include "base/clock.h"
#include "base/limits.h"
#include "base/units.h"
#include "daemon/jobs.h"
#include "daemon/reload.h"
#include "daemon/server.h"
#include "daemon/submit_priv.h"

#include <errno.h>
#include <stdio.h>

/* Of retry_after_ms. */
#define RETRY_MIN_MS 100u
#define RETRY_MAX_MS 60000u
/* So many tasks that waited end in one turn of the loop. */
#define LEAVING_AT_ONCE 32

unsigned submit_retry_ms(const struct sched *s)
{
	uint64_t ms = sched_wait_us(s, 0) / 1000;
	if (ms < RETRY_MIN_MS)
		return RETRY_MIN_MS;
	return ms < RETRY_MAX_MS ? (unsigned)ms : RETRY_MAX_MS;
}

/* It is more than all tasks, or those of one user, may have together. */
static int refuse_too_much(
	const struct sched *s, enum sched_verdict v, const struct sched_want *want, struct err *e)
{
	bool is_own = v == SCHED_TOO_MUCH_MEMORY_UID || v == SCHED_TOO_MANY_CPUS_UID;
	bool is_memory = v == SCHED_TOO_MUCH_MEMORY || v == SCHED_TOO_MUCH_MEMORY_UID;
	const struct sched_caps *caps = &s->caps;
	char has[UNITS_TEXT_SIZE], may[UNITS_TEXT_SIZE];
	if (is_memory) {
		units_format_size(want->memory_bytes, has);
		units_format_size(is_own ? caps->memory_bytes_uid : caps->memory_bytes, may);
	} else {
		uint64_t most = is_own ? caps->cpu_millis_uid : caps->cpu_millis;
		snprintf(has, sizeof(has), "%g CPUs", (double)want->cpu_millis / 1000);
		snprintf(may, sizeof(may), "%g", (double)most / 1000);
	}
	err_set_field(e, ERR_NOT_ALLOWED, is_memory ? "task.limits.memory" : "task.limits.cpus",
		"%s is more than %s may have together: %s", has,
		is_own ? "the tasks of one user" : "all tasks", may);
	err_hint(e, "ask for less, or set a higher %s%s in [daemon] of dayflyd.conf",
		is_memory ? "admit_memory" : "admit_cpus", is_own ? "_per_user" : "");
	return -EINVAL;
}

int submit_refuse(const struct server *s, enum sched_verdict v, const struct sched_want *want,
	size_t depth, struct err *e)
{
	const struct sched_caps *caps = &s->sched.caps;
	switch (v) {
	case SCHED_TOO_MUCH_MEMORY:
	case SCHED_TOO_MANY_CPUS:
	case SCHED_TOO_MUCH_MEMORY_UID:
	case SCHED_TOO_MANY_CPUS_UID:
		return refuse_too_much(&s->sched, v, want, e);
	case SCHED_WOULD_WAIT:
		err_set_field(e, ERR_BUSY, "task.queue",
			"it cannot start at once: %zu tasks run and %zu wait", s->sched.n_running,
			s->sched.n_ready);
		err_hint(e, "try again later, or let it wait (leave \"queue\" out)");
		break;
	case SCHED_BUSY_UID:
		err_set(e, ERR_BUSY, 0, "%zu tasks of this user wait already; at most %zu may",
			depth, caps->max_ready_uid);
		err_hint(e, "try again later, or set a higher max_queue_per_user in [daemon] of "
			    "dayflyd.conf");
		break;
	default:
		err_set(e, ERR_BUSY, 0, "%zu tasks wait already; at most %zu may", depth,
			caps->max_ready);
		err_hint(e, "try again later, or start dayflyd with a higher --max-queue");
		break;
	}
	e->depth = (unsigned)depth;
	e->retry_ms = submit_retry_ms(&s->sched);
	return -EBUSY;
}

uint32_t submit_label_groups(const struct options *o, const struct task_spec *spec)
{
	uint32_t groups = 0;
	for (size_t i = 0; i < SCHED_GROUPS_MAX && o->label_caps && o->label_caps[i]; i++) {
		char label[LIMIT_NAME_BYTES + LIMIT_LABEL_BYTES + 2];
		size_t len;
		uint64_t n;
		config_split_label_cap(o->label_caps[i], &len, &n);
		snprintf(label, sizeof(label), "%.*s", (int)len, o->label_caps[i]);
		if (jobs_has_label(spec->labels, label))
			groups |= 1u << i;
	}
	return groups;
}

/* Those that wait may be very many: they leave the queue now, and end a part in each turn. */
static void end_by(struct server *s, struct job *j, enum task_event event)
{
	if (j->sched.state != SCHED_READY) {
		task_handle(j->task, event);
		return;
	}
	sched_remove(&s->sched, &j->sched);
	j->leave_event = event;
	list_append(&s->leaving, &j->leave_link);
}

/* A task ends before its time, and this is why. */
static void cancel_with(struct job *j, const struct err *e)
{
	struct server *s = j->task->host->owner;
	if (j->task->state <= TASK_STATE_RUNNING && !j->task->result->has_error)
		result_set_error(j->task->result, e);
	end_by(s, j, EVENT_CANCEL);
}

void submit_check_again(struct server *s)
{
	const struct sched_caps caps = reload_sched_caps(s->options);
	struct err e;
	sched_set_caps(&s->sched, &caps);
	list_for_each_safe (pos, &s->jobs.active) {
		struct job *j = list_entry(pos, struct job, link);
		const struct sched_want *want = &j->sched.want;
		sched_set_groups(
			&s->sched, &j->sched, submit_label_groups(s->options, j->task->spec));
		enum sched_verdict v = sched_check(&s->sched, want);
		if (j->sched.state != SCHED_READY || v == SCHED_OK)
			continue;
		refuse_too_much(&s->sched, v, want, &e);
		err_wrap(&e, "the configuration has changed while the task waited");
		cancel_with(j, &e);
	}
}

void submit_note_wait_over(struct server *s, struct job *j)
{
	struct task_result *r = j->task->result;
	char waited[UNITS_TEXT_SIZE];
	struct err e;
	if (r->has_error)
		return;
	units_format_duration(clock_boot_ns() - j->sched.want.at_ns, waited);
	if (j->sched.want.is_held) {
		err_set(&e, ERR_BUSY, 0, "it waited %s for its repository, which was not there yet",
			waited);
		err_hint(&e,
			"look whether its server answers, or let it wait longer (limits.queue; "
			"dayfly run --queue-timeout)");
	} else {
		err_set(&e, ERR_BUSY, 0, "it waited %s for its turn; %zu tasks were before it",
			waited, sched_position(&s->sched, &j->sched));
		err_hint(&e, "try again later, or let it wait longer (limits.queue)");
	}
	e.depth = (unsigned)s->sched.n_ready;
	e.retry_ms = submit_retry_ms(&s->sched);
	result_set_error(r, &e);
}

static void end_rival(struct job *j, const struct job *by)
{
	struct err e;
	if (j->is_superseded)
		return;
	j->is_superseded = true;
	err_set(&e, ERR_SUPERSEDED, 0, "task %s with the concurrency key \"%s\" took its place",
		by->task->id, by->task->spec->concurrency.key);
	cancel_with(j, &e);
}

static void end_leaving(struct server *s, size_t max)
{
	for (size_t n = 0; n < max && !list_empty(&s->leaving); n++) {
		struct job *j = list_entry(s->leaving.next, struct job, leave_link);
		list_remove(&j->leave_link);
		task_handle(j->task, j->leave_event);
	}
}

void submit_end_leaving(struct server *s)
{
	end_leaving(s, LEAVING_AT_ONCE);
}

void submit_end_all_leaving(struct server *s)
{
	end_leaving(s, SIZE_MAX);
}

void submit_end_by_shutdown(struct server *s)
{
	list_for_each_safe (pos, &s->jobs.active) {
		struct job *j = list_entry(pos, struct job, link);
		/* Those that leave already have another reason. */
		if (!task_is_done(j->task) && list_empty(&j->leave_link))
			end_by(s, j, EVENT_SHUTDOWN);
	}
}

void submit_supersede(struct server *s, const struct job *by)
{
	const struct task_spec *own = by->task->spec;
	if (!own->has_concurrency || own->concurrency.mode != CONCURRENCY_SUPERSEDE)
		return;
	jobs_each_rival(&s->jobs, by, end_rival);
	submit_end_leaving(s);
}
