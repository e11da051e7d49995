/* The queue of ready tasks: see queue.h. */
#include "sched/queue.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

/* One uid that has entries in the queue; exists as long as it has. */
struct sched_user {
	uid_t uid;
	size_t n_running, n_ready;
	struct list ready; /* sched_entry.link */
	struct list link;  /* sched.users */
};

void sched_init(struct sched *s, const struct sched_caps *caps)
{
	*s = (struct sched){ .caps = *caps };
	list_init(&s->users);
}

void sched_set_caps(struct sched *s, const struct sched_caps *caps)
{
	s->caps = *caps;
}

void sched_finish(struct sched *s)
{
	assert(list_empty(&s->users));
	(void)s;
}

static struct sched_user *find_user(struct sched *s, uid_t uid)
{
	list_for_each (link, &s->users) {
		struct sched_user *u = list_entry(link, struct sched_user, link);
		if (u->uid == uid)
			return u;
	}
	return NULL;
}

static struct sched_user *add_user(struct sched *s, uid_t uid)
{
	struct sched_user *u = calloc(1, sizeof(*u));
	if (!u)
		return NULL;
	u->uid = uid;
	list_init(&u->ready);
	list_append(&s->users, &u->link);
	return u;
}

static enum sched_verdict admit(
	const struct sched *s, const struct sched_user *u, size_t *ret_depth)
{
	size_t user_ready = u ? u->n_ready : 0;
	size_t user_running = u ? u->n_running : 0;
	bool can_run_now = user_ready == 0 && user_running < s->caps.max_running_uid &&
			   s->n_running < s->caps.max_running;
	*ret_depth = s->n_ready;
	if (can_run_now)
		return SCHED_OK;
	if (s->n_ready >= s->caps.max_ready)
		return SCHED_BUSY;
	if (user_ready < s->caps.max_ready_uid)
		return SCHED_OK;
	*ret_depth = user_ready;
	return SCHED_BUSY_UID;
}

int sched_submit(struct sched *s, struct sched_entry *e, uid_t uid, size_t *ret_depth)
{
	assert(e->state == SCHED_OUT);
	struct sched_user *u = find_user(s, uid);
	size_t depth;
	enum sched_verdict v = admit(s, u, &depth);
	if (v == SCHED_OK) {
		if (!u)
			u = add_user(s, uid);
		if (!u)
			return -ENOMEM;
		e->state = SCHED_READY;
		e->user = u;
		list_append(&u->ready, &e->link);
		u->n_ready++;
		depth = ++s->n_ready;
	}
	if (ret_depth)
		*ret_depth = depth;
	return (int)v;
}

struct sched_entry *sched_next(struct sched *s)
{
	if (s->n_ready == 0 || s->n_running >= s->caps.max_running)
		return NULL;
	list_for_each (link, &s->users) {
		struct sched_user *u = list_entry(link, struct sched_user, link);
		if (u->n_ready == 0 || u->n_running >= s->caps.max_running_uid)
			continue;
		struct sched_entry *e = list_entry(u->ready.next, struct sched_entry, link);
		list_remove(&e->link);
		e->state = SCHED_RUNNING;
		u->n_ready--;
		s->n_ready--;
		u->n_running++;
		s->n_running++;
		list_remove(&u->link);
		list_append(&s->users, &u->link);
		return e;
	}
	return NULL;
}

void sched_remove(struct sched *s, struct sched_entry *e)
{
	struct sched_user *u = e->user;
	if (e->state == SCHED_OUT)
		return;
	if (e->state == SCHED_READY) {
		list_remove(&e->link);
		u->n_ready--;
		s->n_ready--;
	} else {
		u->n_running--;
		s->n_running--;
	}
	e->state = SCHED_OUT;
	e->user = NULL;
	if (u->n_ready == 0 && u->n_running == 0) {
		list_remove(&u->link);
		free(u);
	}
}
