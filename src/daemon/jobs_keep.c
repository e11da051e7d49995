/* What uids have: tasks that are not done, and what is kept of finished ones. See jobs.h. */
#include "daemon/jobs.h"

#include <errno.h>
#include <stdlib.h>

static struct jobs_holder *find_holder(const struct jobs *js, uid_t uid)
{
	list_for_each (pos, &js->holders) {
		struct jobs_holder *h = list_entry(pos, struct jobs_holder, link);
		if (h->uid == uid)
			return h;
	}
	return NULL;
}

static struct jobs_holder *get_holder(struct jobs *js, uid_t uid)
{
	struct jobs_holder *h = find_holder(js, uid);
	if (h || !(h = calloc(1, sizeof(*h))))
		return h;
	h->uid = uid;
	list_append(&js->holders, &h->link);
	return h;
}

static void drop_if_empty(struct jobs_holder *h)
{
	if (h->has.count || h->load.count)
		return;
	list_remove(&h->link);
	free(h);
}

/* ---- not done ---- */

int jobs_load_add(struct jobs *js, struct job *j)
{
	j->holder = get_holder(js, j->task->uid);
	if (!j->holder)
		return -ENOMEM;
	struct jobs_load *loads[] = { &js->load, &j->holder->load };
	for (size_t i = 0; i < 2; i++) {
		loads[i]->count++;
		loads[i]->spec_bytes += j->spec_bytes;
		loads[i]->fds += j->held_fds;
	}
	return 0;
}

void jobs_load_set_fds(struct jobs *js, struct job *j, size_t n)
{
	js->load.fds += n - j->held_fds;
	j->holder->load.fds += n - j->held_fds;
	j->held_fds = n;
}

static void subtract_load(struct jobs *js, const struct job *j)
{
	struct jobs_load *loads[] = { &js->load, &j->holder->load };
	for (size_t i = 0; i < 2; i++) {
		loads[i]->count--;
		loads[i]->spec_bytes -= j->spec_bytes;
		loads[i]->fds -= j->held_fds;
	}
}

void jobs_load_remove(struct jobs *js, struct job *j)
{
	subtract_load(js, j);
	drop_if_empty(j->holder);
	j->holder = NULL;
}

struct jobs_load jobs_load(const struct jobs *js, const uid_t *uid)
{
	const struct jobs_holder *h = uid ? find_holder(js, *uid) : NULL;
	const struct jobs_load none = { 0 };
	return !uid ? js->load : h ? h->load : none;
}

/* ---- done ---- */

static void add(struct jobs_kept *k, const struct job *j)
{
	k->count++;
	k->log_bytes += j->log_bytes;
	k->spec_bytes += j->spec_bytes;
}

static void subtract(struct jobs_kept *k, const struct job *j)
{
	k->count--;
	k->log_bytes -= j->log_bytes;
	k->spec_bytes -= j->spec_bytes;
}

void jobs_keep(struct jobs *js, struct job *j)
{
	subtract_load(js, j);
	js->n_holders += !j->holder->has.count;
	add(&j->holder->has, j);
	add(&js->kept, j);
}

static void forget(struct jobs *js, struct job *j)
{
	struct jobs_holder *h = j->holder;
	if (h) {
		subtract(&h->has, j);
		subtract(&js->kept, j);
		js->n_holders -= !h->has.count;
		drop_if_empty(h);
	}
	jobs_destroy_job(j);
}

static struct jobs_kept bounds(const struct jobs *js)
{
	return (struct jobs_kept){ js->keep_count, JOBS_KEEP_LOG_BYTES, JOBS_KEEP_SPEC_BYTES };
}

static bool is_in_use(const struct job *j)
{
	return !list_empty(&j->streams) || !list_empty(&j->feeds) || !list_empty(&j->acks);
}

/*
 * The oldest of the uid that has most of what there is too much of (a member of struct jobs_kept,
 * by its place). NULL: all that is too much is listened to.
 */
static struct job *find_victim(const struct jobs *js, size_t place, uint64_t bound)
{
	struct job *found = NULL;
	uint64_t most = bound / js->n_holders;
	list_for_each (pos, &js->done) {
		struct job *j = list_entry(pos, struct job, link);
		/* Those of an earlier daemon have no log and no request: they only grow old. */
		if (!j->holder || is_in_use(j))
			continue;
		uint64_t has = *(const uint64_t *)((const char *)&j->holder->has + place);
		if (has <= most)
			continue;
		most = has;
		found = j;
		if (js->n_holders == 1)
			break;
	}
	return found;
}

static void forget_over(struct jobs *js, size_t place)
{
	const struct jobs_kept limits = bounds(js);
	const uint64_t bound = *(const uint64_t *)((const char *)&limits + place);
	const uint64_t *all = (const uint64_t *)((const char *)&js->kept + place);
	struct job *j;
	while (*all > bound && (j = find_victim(js, place, bound)))
		forget(js, j);
}

void jobs_expire(struct jobs *js, uint64_t now_ns)
{
	list_for_each_safe (pos, &js->done) {
		struct job *j = list_entry(pos, struct job, link);
		if (now_ns - j->done_at_ns < JOBS_KEEP_NS)
			break; /* what follows is younger */
		if (!is_in_use(j))
			forget(js, j);
	}
	forget_over(js, offsetof(struct jobs_kept, count));
	forget_over(js, offsetof(struct jobs_kept, log_bytes));
	forget_over(js, offsetof(struct jobs_kept, spec_bytes));
}

static uint64_t beyond(uint64_t has, uint64_t bound)
{
	return has > bound ? has - bound : 0;
}

struct jobs_kept jobs_unread(const struct jobs *js, const uid_t *uid)
{
	const struct jobs_holder *h = uid ? find_holder(js, *uid) : NULL;
	const struct jobs_kept none = { 0 }, limits = bounds(js);
	const struct jobs_kept *has = !uid ? &js->kept : h ? &h->has : &none;
	return (struct jobs_kept){
		.count = beyond(has->count, limits.count),
		.log_bytes = beyond(has->log_bytes, limits.log_bytes),
		.spec_bytes = beyond(has->spec_bytes, limits.spec_bytes),
	};
}
