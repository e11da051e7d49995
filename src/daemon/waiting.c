/* Telling those who wait: see waiting.h. */
#include "daemon/waiting.h"

#include "base/clock.h"
#include "daemon/jobs.h"
#include "daemon/server.h"
#include "daemon/stream.h"
#include "sched/queue.h"
#include "task/watch.h"

#include <stdint.h>

#define NS_PER_MS 1000000ull
#define SOON_NS	  (50 * NS_PER_MS)
#define LATER_NS  (1000 * NS_PER_MS)
/* However long the queue is: looking through it takes no more than this part of the time. */
#define COST_PART 20

static bool is_news(size_t position, size_t old)
{
	size_t difference = position > old ? position - old : old - position;
	return difference > old / 10;
}

static void tell(struct sched_entry *e, void *arg)
{
	struct waiting *w = arg;
	struct server *s = w->server;
	struct job *j = list_entry(e, struct job, sched);
	bool is_new = j->told_position == SIZE_MAX;
	if (!j->is_accepted ||
		(!is_new && (w->is_for_new || (e->want.is_held == j->told_held &&
						      !is_news(e->position, j->told_position)))))
		return;
	j->told_position = e->position;
	j->told_held = e->want.is_held;
	stream_on_waiting(j, e->position, sched_wait_us(&s->sched, e->position) / 1000);
}

static void on_alarm(void *owner)
{
	struct waiting *w = owner;
	uint64_t start_ns = clock_boot_ns();
	w->is_armed = w->has_new = false;
	w->is_for_new = start_ns < w->all_ns;
	sched_each_ready(&w->server->sched, tell, w);
	w->done_ns = clock_boot_ns();
	w->cost_ns = w->done_ns - start_ns;
	if (!w->is_for_new)
		w->all_ns = w->done_ns + LATER_NS;
	waiting_check(w);
}

int waiting_init(struct waiting *w, struct server *s)
{
	*w = (struct waiting){ .server = s };
	return alarm_create(s->loop, on_alarm, w, &w->alarm);
}

void waiting_finish(struct waiting *w)
{
	alarm_destroy(&w->alarm);
}

void waiting_note(struct waiting *w)
{
	/* Those that come after the first of them are told with it: it is not put off. */
	if (!w->has_new)
		w->is_armed = false;
	w->has_new = true;
}

void waiting_check(struct waiting *w)
{
	if (w->is_armed || !w->server->sched.n_ready)
		return;
	uint64_t now_ns = clock_boot_ns(), at_ns = now_ns + SOON_NS;
	if (!w->has_new && at_ns < w->all_ns)
		at_ns = w->all_ns;
	if (at_ns < w->done_ns + w->cost_ns * COST_PART)
		at_ns = w->done_ns + w->cost_ns * COST_PART;
	w->is_armed = true;
	alarm_set(w->alarm, (at_ns - now_ns + NS_PER_MS - 1) / NS_PER_MS);
}
