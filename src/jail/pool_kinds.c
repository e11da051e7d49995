/* Kinds of parked jails: see pool_kinds.h. */
#include "jail/pool_kinds.h"

#include "base/clock.h"
#include "base/str.h"

#include <stdlib.h>
#include <string.h>

/* So long without a request, and one is no burst. */
#define CALM_NS NS_PER_S

#define for_each_kind(k, t)                                                                        \
	for (unsigned k##_n = 0; k##_n < POOL_KINDS_MAX; k##_n++)                                  \
		for (struct pool_kind *k = (t)->all[k##_n]; k; k = NULL)

bool pool_key_is_same(const struct pool_key *a, const struct pool_key *b)
{
	return a->image == b->image && a->user == b->user && a->network == b->network &&
	       a->processes == b->processes && a->dev == b->dev && a->ino == b->ino &&
	       a->mount == b->mount && a->uid == b->uid && a->gid == b->gid;
}

struct pool_kind *pool_kinds_find(
	const struct pool_kinds *t, const struct pool_key *key, uid_t owner)
{
	for_each_kind(k, t) if (k->owner == owner && pool_key_is_same(&k->key, key)) return k;
	return NULL;
}

static unsigned count_of(const struct pool_kinds *t, uid_t owner)
{
	unsigned n = 0;
	for_each_kind(k, t) n += k->owner == owner;
	return n;
}

/* What is on its way still says to which kind it belongs. */
static struct pool_kind *oldest_of(const struct pool_kinds *t, uid_t owner)
{
	struct pool_kind *found = NULL;
	for_each_kind(k, t) if (k->owner == owner && !k->n_busy &&
				(!found || k->demand.last_ns < found->demand.last_ns)) found = k;
	return found;
}

bool pool_kinds_victim(const struct pool_kinds *t, uid_t owner, struct pool_kind **ret)
{
	unsigned total = 0, most = count_of(t, owner);
	uid_t whose = owner;
	for_each_kind(k, t)
	{
		unsigned n = count_of(t, k->owner);
		total++;
		if (n > most) {
			most = n;
			whose = k->owner;
		}
	}
	*ret = NULL;
	if (count_of(t, owner) >= POOL_KINDS_OWNER)
		*ret = oldest_of(t, owner);
	else if (total < POOL_KINDS_MAX)
		return true;
	else
		*ret = oldest_of(t, whose);
	return *ret != NULL;
}

struct pool_kind *pool_kinds_add(struct pool_kinds *t, const struct pool_key *key, uid_t owner)
{
	unsigned number = 0;
	while (number < POOL_KINDS_MAX && t->all[number])
		number++;
	struct pool_kind *k = number < POOL_KINDS_MAX ? calloc(1, sizeof(*k)) : NULL;
	if (!k)
		return NULL;
	k->key = *key;
	k->owner = owner;
	k->number = number;
	k->is_first = count_of(t, owner) == 0;
	t->all[number] = k;
	return k;
}

void pool_kinds_remove(struct pool_kinds *t, struct pool_kind *k)
{
	t->all[k->number] = NULL;
	free(k->path);
	strv_free(k->image_roots);
	free(k);
}

uint64_t pool_kind_end(const struct pool_kind *k, uint64_t max_age_ns)
{
	/* The clock counts from the machine's start, which may be less than max_age_ns ago. */
	return k->demand.last_ns ? k->demand.last_ns + max_age_ns : 1;
}

void pool_kind_note(struct pool_kind *k, uint64_t now_ns)
{
	k->is_calm = !k->demand.last_ns || now_ns - k->demand.last_ns >= CALM_NS;
	pool_demand_note(&k->demand, now_ns);
	k->n_asked++;
}

struct pool_kind *pool_kinds_lender(const struct pool_kinds *t, struct pool_kind *k)
{
	struct pool_kind *lender = NULL;
	if (k->n_ready)
		return k;
	for_each_kind(other, t) if (other->n_ready && pool_key_is_same(&other->key, &k->key) &&
				    (!lender || other->n_ready > lender->n_ready)) lender = other;
	return lender && (lender->n_ready > 1 || k->is_calm) ? lender : NULL;
}

/* ---- shares ---- */

struct share {
	struct pool_kind *kind;
	unsigned wanted;
	unsigned account; /* the first share of the same owner */
	uint64_t rate;
};

static bool is_due(const struct pool_kind *k, uint64_t now_ns, uint64_t idle_ns)
{
	bool is_recent = k->demand.last_ns && now_ns - k->demand.last_ns < idle_ns;
	return is_recent && now_ns >= k->not_before_ns && (k->n_asked > 1 || k->is_first);
}

/* Whether the next place is a's rather than b's. */
static bool comes_first(const struct share *a, const struct share *b, const unsigned *given)
{
	if (given[a->account] != given[b->account])
		return given[a->account] < given[b->account];
	/* Of one user: each kind has one before any has two. */
	if ((a->kind->allotted > 0) != (b->kind->allotted > 0))
		return a->kind->allotted == 0;
	if (a->rate != b->rate)
		return a->rate > b->rate;
	return a->kind->demand.last_ns > b->kind->demand.last_ns;
}

void pool_kinds_allot(struct pool_kinds *t, uint64_t now_ns, unsigned max, uint64_t idle_ns)
{
	struct share shares[POOL_KINDS_MAX];
	unsigned given[POOL_KINDS_MAX] = { 0 }, n = 0;
	for_each_kind(k, t)
	{
		k->allotted = 0;
		k->lacks_room = false;
		if (!is_due(k, now_ns, idle_ns))
			continue;
		shares[n] = (struct share){ k, pool_size_wanted(&k->demand, now_ns, max), n,
			pool_demand_rate(&k->demand, now_ns) };
		for (unsigned i = 0; i < n; i++)
			if (shares[i].kind->owner == k->owner) {
				shares[n].account = shares[i].account;
				break;
			}
		n++;
	}
	for (unsigned left = max; left; left--) {
		struct share *next = NULL;
		for (unsigned i = 0; i < n; i++)
			if (shares[i].kind->allotted < shares[i].wanted &&
				(!next || comes_first(&shares[i], next, given)))
				next = &shares[i];
		if (!next)
			break;
		next->kind->allotted++;
		given[next->account]++;
	}
	for (unsigned i = 0; i < n; i++)
		shares[i].kind->lacks_room = shares[i].kind->allotted == 0;
}

struct pool_kind *pool_kinds_short(const struct pool_kinds *t, uint64_t now_ns)
{
	struct pool_kind *found = NULL;
	for_each_kind(k, t) if (k->n_ready + k->n_busy < k->allotted &&
				now_ns >= k->not_before_ns &&
				(!found || k->n_ready + k->n_busy < found->n_ready + found->n_busy))
		found = k;
	return found;
}

struct pool_kind *pool_kinds_surplus(const struct pool_kinds *t)
{
	struct pool_kind *found = NULL;
	for_each_kind(k, t) if (k->n_ready > k->allotted &&
				(!found || k->n_ready - k->allotted >
						   found->n_ready - found->allotted)) found = k;
	return found;
}
