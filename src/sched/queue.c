/* The queue of ready tasks: see queue.h. */
#include "sched/queue_priv.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Uids that have left with debts are remembered, but not without end. */
#define USERS_MAX 1024
/* The weight of the newest in the average of run times: 1 / MEAN_OF. */
#define MEAN_OF 16
/* So many of a uid's queue are looked at: those behind them wait until these have moved. */
#define WINDOW 256

void sched_init(struct sched *s, const struct sched_caps *caps)
{
	*s = (struct sched){ .caps = *caps, .hold.left_ns = SCHED_HOLD_NS };
	list_init(&s->users);
}

void sched_set_caps(struct sched *s, const struct sched_caps *caps)
{
	s->caps = *caps;
}

static void drop_user(struct sched *s, struct sched_user *u)
{
	list_remove(&u->link);
	s->n_users--;
	free(u);
}

void sched_finish(struct sched *s)
{
	assert(!s->n_ready && !s->n_running);
	list_for_each_safe (link, &s->users)
		drop_user(s, list_entry(link, struct sched_user, link));
}

/* ---- users ---- */

static struct sched_user *find_user(const struct sched *s, uid_t uid)
{
	list_for_each (link, &s->users) {
		struct sched_user *u = list_entry(link, struct sched_user, link);
		if (u->uid == uid)
			return u;
	}
	return NULL;
}

static bool is_absent(const struct sched_user *u)
{
	return !u->n_ready && !u->n_running;
}

/* One that is only remembered for its debts. */
static void drop_oldest_absent(struct sched *s)
{
	list_for_each_safe (link, &s->users) {
		struct sched_user *u = list_entry(link, struct sched_user, link);
		if (is_absent(u)) {
			drop_user(s, u);
			return;
		}
	}
}

static struct sched_user *add_user(struct sched *s, uid_t uid)
{
	struct sched_user *u = calloc(1, sizeof(*u));
	if (!u)
		return NULL;
	if (s->n_users >= USERS_MAX)
		drop_oldest_absent(s);
	u->uid = uid;
	u->credit_us = SCHED_QUANTUM_US;
	list_init(&u->ready);
	list_init(&u->running);
	list_append(&s->users, &u->link);
	s->n_users++;
	return u;
}

static void drop_users_without_debts(struct sched *s)
{
	list_for_each_safe (link, &s->users) {
		struct sched_user *u = list_entry(link, struct sched_user, link);
		if (is_absent(u) && u->credit_us >= SCHED_QUANTUM_US)
			drop_user(s, u);
	}
}

/* ---- room ---- */

static bool fits(uint64_t used, uint64_t more, uint64_t cap)
{
	return !cap || (more <= cap && used <= cap - more);
}

enum sched_verdict sched_check(const struct sched *s, const struct sched_want *w)
{
	if (!fits(0, w->memory_bytes, s->caps.memory_bytes))
		return SCHED_TOO_MUCH_MEMORY;
	if (!fits(0, w->cpu_millis, s->caps.cpu_millis))
		return SCHED_TOO_MANY_CPUS;
	if (!fits(0, w->memory_bytes, s->caps.memory_bytes_uid))
		return SCHED_TOO_MUCH_MEMORY_UID;
	return fits(0, w->cpu_millis, s->caps.cpu_millis_uid) ? SCHED_OK : SCHED_TOO_MANY_CPUS_UID;
}

static bool has_room(const struct sched *s, const struct sched_want *w)
{
	return fits(s->memory_bytes, w->memory_bytes, s->caps.memory_bytes) &&
	       fits(s->cpu_millis, w->cpu_millis, s->caps.cpu_millis);
}

/* As far as the uid's own tasks go: what it waits for then is nobody else's. */
static bool has_room_of_own(
	const struct sched *s, const struct sched_user *u, const struct sched_want *w)
{
	return fits(u ? u->memory_bytes : 0, w->memory_bytes, s->caps.memory_bytes_uid) &&
	       fits(u ? u->cpu_millis : 0, w->cpu_millis, s->caps.cpu_millis_uid);
}

static bool groups_have_room(const struct sched *s, uint32_t groups)
{
	for (size_t i = 0; i < s->caps.n_groups; i++)
		if ((groups & 1u << i) && s->group_running[i] >= s->caps.group_max[i])
			return false;
	return true;
}

static uint32_t hash_key(const char *key)
{
	uint32_t h = 2166136261u;
	for (; key && *key; key++)
		h = (h ^ (unsigned char)*key) * 16777619u;
	return h;
}

static bool has_key(const struct sched_entry *e, const char *key, uint32_t hash)
{
	return e->want.key && e->key_hash == hash && !strcmp(e->want.key, key);
}

static bool key_is_free(const struct sched_user *u, const char *key, uint32_t hash)
{
	if (!key || !u)
		return true;
	list_for_each (link, &u->running)
		if (has_key(list_entry(link, struct sched_entry, link), key, hash))
			return false;
	return true;
}

/* Whether everything but the sums of all would let it start, and these do if it is alone. */
static bool is_eligible(const struct sched *s, const struct sched_user *u,
	const struct sched_want *w, uint32_t key_hash)
{
	size_t running = u ? u->n_running : 0;
	return !w->is_held && sched_check(s, w) == SCHED_OK && s->n_running < s->caps.max_running &&
	       running < s->caps.max_running_uid && has_room_of_own(s, u, w) &&
	       groups_have_room(s, w->groups) && key_is_free(u, w->key, key_hash);
}

/* ---- choosing ---- */

/* Whether sums of what tasks may use can be what keeps one from starting. */
static bool counts_sums(const struct sched *s)
{
	return s->caps.memory_bytes || s->caps.cpu_millis;
}

/* The first of a uid's queue that may start, or that only lacks room and was overtaken so often. */
static struct sched_entry *find_in(
	const struct sched *s, const struct sched_user *u, unsigned overtaken)
{
	size_t n = 0;
	if (u->n_running >= s->caps.max_running_uid)
		return NULL;
	list_for_each (link, &u->ready) {
		struct sched_entry *e = list_entry(link, struct sched_entry, link);
		if (n++ == WINDOW)
			break;
		if (e->n_overtaken >= overtaken && is_eligible(s, u, &e->want, e->key_hash) &&
			(overtaken || has_room(s, &e->want)))
			return e;
	}
	return NULL;
}

/* One that has been overtaken often enough: nothing starts before it. Not before its uid has
 * credit, however: that is waited for as by everybody. */
static struct sched_entry *find_patient(const struct sched *s)
{
	struct sched_entry *e = NULL;
	if (!counts_sums(s))
		return NULL;
	for (struct list *link = s->users.next; !e && link != &s->users; link = link->next) {
		const struct sched_user *u = list_entry(link, struct sched_user, link);
		e = u->credit_us > 0 ? find_in(s, u, SCHED_OVERTAKEN_MAX) : NULL;
	}
	return e;
}

/* Its uid's own order stands: one before it that asks for no more goes in its place. */
static struct sched_entry *stand_in(const struct sched *s, struct sched_entry *patient)
{
	const struct sched_want *w = &patient->want;
	struct list *link = patient->user->ready.next;
	for (; link != &patient->link; link = link->next) {
		struct sched_entry *e = list_entry(link, struct sched_entry, link);
		if (e->want.memory_bytes <= w->memory_bytes &&
			e->want.cpu_millis <= w->cpu_millis &&
			is_eligible(s, e->user, &e->want, e->key_hash))
			return e;
	}
	return patient;
}

/* What a uid could start. Its own tasks never overtake one that was overtaken often enough. */
static struct sched_entry *find_candidate(
	const struct sched *s, const struct sched_user *u, bool has_patient)
{
	struct sched_entry *e = has_patient ? find_in(s, u, SCHED_OVERTAKEN_MAX) : NULL;
	if (!e)
		return find_in(s, u, 0);
	e = stand_in(s, e);
	return has_room(s, &e->want) ? e : NULL;
}

/* A candidate whose uid has credit. Without one *ret_best is the best account of those that have a
 * candidate, INT64_MIN if none has. */
static struct sched_entry *choose(const struct sched *s, bool has_patient, int64_t *ret_best)
{
	*ret_best = INT64_MIN;
	list_for_each (link, &s->users) {
		const struct sched_user *u = list_entry(link, struct sched_user, link);
		struct sched_entry *e = find_candidate(s, u, has_patient);
		if (e && u->credit_us > 0)
			return e;
		if (e && u->credit_us > *ret_best)
			*ret_best = u->credit_us;
	}
	return NULL;
}

/* ---- submitting ---- */

/* Those that wait with a key: the new one takes their place. */
static size_t count_superseded(
	const struct sched_user *u, const struct sched_want *w, uint32_t key_hash)
{
	size_t n = 0;
	if (!w->supersedes || !w->key || !u)
		return 0;
	list_for_each (link, &u->ready)
		n += has_key(list_entry(link, struct sched_entry, link), w->key, key_hash);
	return n;
}

/* Whether sched_next() gives it a slot and passes over nobody who could have that one. */
static bool starts_at_once(const struct sched *s, const struct sched_user *u,
	const struct sched_want *w, uint32_t key_hash)
{
	int64_t best = INT64_MIN;
	if (!is_eligible(s, u, w, key_hash) || !has_room(s, w) || (u && u->n_ready >= WINDOW))
		return false;
	const struct sched_entry *patient = s->n_ready ? find_patient(s) : NULL;
	if (patient && (patient->user == u || !s->hold.is_resting))
		return false;
	return !s->n_ready || (!choose(s, patient, &best) && best == INT64_MIN);
}

static enum sched_verdict admit(const struct sched *s, const struct sched_user *u,
	const struct sched_want *w, uint32_t key_hash, size_t *ret_depth)
{
	size_t user_ready = u ? u->n_ready : 0, superseded;
	enum sched_verdict v = sched_check(s, w);
	*ret_depth = s->n_ready;
	if (v != SCHED_OK || starts_at_once(s, u, w, key_hash))
		return v;
	if (w->at_once)
		return SCHED_WOULD_WAIT;
	if (s->n_ready < s->caps.max_ready && user_ready < s->caps.max_ready_uid)
		return SCHED_OK;
	superseded = count_superseded(u, w, key_hash);
	user_ready -= superseded;
	if (s->n_ready - superseded >= s->caps.max_ready)
		return SCHED_BUSY;
	if (user_ready < s->caps.max_ready_uid)
		return SCHED_OK;
	*ret_depth = user_ready;
	return SCHED_BUSY_UID;
}

static void insert_ready(struct sched_user *u, struct sched_entry *e)
{
	struct list *at = u->ready.prev;
	while (at != &u->ready && list_entry(at, struct sched_entry, link)->order_ns > e->order_ns)
		at = at->prev;
	list_insert(at, &e->link);
	u->n_ready++;
}

int sched_submit(struct sched *s, struct sched_entry *e, uid_t uid, const struct sched_want *want,
	size_t *ret_depth)
{
	assert(e->state == SCHED_OUT);
	struct sched_user *u = find_user(s, uid);
	size_t depth;
	const uint32_t hash = hash_key(want->key);
	enum sched_verdict v = admit(s, u, want, hash, &depth);
	if (v == SCHED_OK) {
		if (!u)
			u = add_user(s, uid);
		if (!u)
			return -ENOMEM;
		*e = (struct sched_entry){
			.state = SCHED_READY, .want = *want, .user = u, .key_hash = hash
		};
		e->order_ns = (int64_t)want->at_ns - want->priority * (int64_t)SCHED_AGE_NS;
		insert_ready(u, e);
		depth = ++s->n_ready;
	}
	if (ret_depth)
		*ret_depth = depth;
	return (int)v;
}

/* ---- starting ---- */

/* Those that have waited longer than the one that starts, and lack nothing but room. */
static void count_overtaken(const struct sched *s, const struct sched_entry *e)
{
	if (!counts_sums(s))
		return;
	list_for_each (ulink, &s->users) {
		const struct sched_user *u = list_entry(ulink, struct sched_user, link);
		size_t n = 0;
		if (u->credit_us <= 0)
			continue;
		list_for_each (link, &u->ready) {
			struct sched_entry *other = list_entry(link, struct sched_entry, link);
			if (n++ == WINDOW)
				break;
			if (other != e && other->want.at_ns <= e->want.at_ns &&
				is_eligible(s, u, &other->want, other->key_hash) &&
				!has_room(s, &other->want))
				other->n_overtaken++;
		}
	}
}

static void count_groups(struct sched *s, uint32_t groups, int by)
{
	for (size_t i = 0; i < SCHED_GROUPS_MAX; i++)
		if (groups & 1u << i)
			s->group_running[i] += (size_t)by;
}

void sched_set_groups(struct sched *s, struct sched_entry *e, uint32_t groups)
{
	if (e->state == SCHED_RUNNING) {
		count_groups(s, e->want.groups, -1);
		count_groups(s, groups, 1);
	}
	e->want.groups = groups;
}

static void start(struct sched *s, struct sched_entry *e)
{
	struct sched_user *u = e->user;
	list_remove(&e->link);
	list_append(&u->running, &e->link);
	e->state = SCHED_RUNNING;
	u->n_ready--;
	s->n_ready--;
	u->n_running++;
	s->n_running++;
	s->memory_bytes += e->want.memory_bytes;
	s->cpu_millis += e->want.cpu_millis;
	u->memory_bytes += e->want.memory_bytes;
	u->cpu_millis += e->want.cpu_millis;
	count_groups(s, e->want.groups, 1);
	share_pay(u, e);
	list_remove(&u->link);
	list_append(&s->users, &u->link);
}

static struct sched_entry *pick(struct sched *s)
{
	int64_t best;
	struct sched_entry *patient = find_patient(s), *e = patient ? stand_in(s, patient) : NULL;
	if (e != patient && has_room(s, &e->want)) {
		/* In its place: what it was overtaken is made good with that. */
		patient->n_overtaken = 0;
		hold_end(s);
		return e;
	}
	bool lacks_room = patient && !has_room(s, &patient->want);
	if (lacks_room && hold_try(s))
		return NULL;
	if (!lacks_room)
		hold_end(s);
	if (patient && !lacks_room)
		return patient;
	e = choose(s, patient, &best);
	if (e || best == INT64_MIN)
		return e;
	share_refill(s, best);
	return choose(s, patient, &best);
}

struct sched_entry *sched_next(struct sched *s)
{
	if (s->n_ready == 0)
		hold_end(s);
	if (s->n_ready == 0 || s->n_running >= s->caps.max_running)
		return NULL;
	struct sched_entry *e = pick(s);
	if (!e)
		return NULL;
	count_overtaken(s, e);
	start(s, e);
	if (s->n_ready == 0)
		share_forget(s);
	return e;
}

/* ---- ends ---- */

void sched_charge(struct sched *s, struct sched_entry *e, uint64_t cpu_us, uint64_t run_us)
{
	if (e->state != SCHED_RUNNING)
		return;
	share_settle(e->user, e, cpu_us);
	if (!s->mean_run_us)
		s->mean_run_us = run_us;
	else
		s->mean_run_us = s->mean_run_us - s->mean_run_us / MEAN_OF + run_us / MEAN_OF;
}

void sched_release(struct sched *s, struct sched_entry *e)
{
	e->want.is_held = false;
}

void sched_remove(struct sched *s, struct sched_entry *e)
{
	struct sched_user *u = e->user;
	if (e->state == SCHED_OUT)
		return;
	list_remove(&e->link);
	if (e->state == SCHED_READY) {
		u->n_ready--;
		s->n_ready--;
	} else {
		u->n_running--;
		s->n_running--;
		s->memory_bytes -= e->want.memory_bytes;
		s->cpu_millis -= e->want.cpu_millis;
		u->memory_bytes -= e->want.memory_bytes;
		u->cpu_millis -= e->want.cpu_millis;
		count_groups(s, e->want.groups, -1);
	}
	e->state = SCHED_OUT;
	e->user = NULL;
	if (s->n_ready == 0)
		share_forget(s);
	drop_users_without_debts(s);
}
