/* Telling those who wait: see waiting.h. */
#include "daemon/waiting.h"

#include "daemon/jobs.h"
#include "daemon/server.h"
#include "daemon/stream.h"
#include "sched/queue.h"
#include "task/watch.h"

#include <stdint.h>

#define SOON_MS	 50
#define LATER_MS 1000

static bool is_news(size_t position, size_t old)
{
	size_t difference = position > old ? position - old : old - position;
	return old == SIZE_MAX || difference > old / 10;
}

static void tell(struct sched_entry *e, size_t position, void *arg)
{
	struct server *s = arg;
	struct job *j = list_entry(e, struct job, sched);
	if (!j->is_accepted || !is_news(position, j->told_position))
		return;
	j->told_position = position;
	stream_on_waiting(j, position, sched_wait_us(&s->sched, position) / 1000);
}

static void on_alarm(void *owner)
{
	struct waiting *w = owner;
	w->is_armed = w->has_new = false;
	sched_each_ready(&w->server->sched, tell, w->server);
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
	w->has_new = true;
	if (w->is_armed)
		alarm_set(w->alarm, SOON_MS);
}

void waiting_check(struct waiting *w)
{
	if (w->is_armed || !w->server->sched.n_ready)
		return;
	w->is_armed = true;
	alarm_set(w->alarm, w->has_new ? SOON_MS : LATER_MS);
}
