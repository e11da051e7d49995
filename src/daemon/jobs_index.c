/* Finding a task by its name, its idempotency key or its jail, however many there are: see jobs.h.
 */
#include "daemon/jobs.h"

#include <string.h>
#include <sys/random.h>

#define FNV_PRIME 1099511628211ull

void jobs_index_init(struct jobs *js)
{
	for (size_t i = 0; i < JOBS_INDEX_BUCKETS; i++) {
		list_init(&js->names[i]);
		list_init(&js->keys[i]);
		list_init(&js->jails[i]);
		list_init(&js->turns[i]);
	}
	/* So that nobody can choose words of one bucket. Without it he only makes himself slow. */
	if (getrandom(&js->index_seed, sizeof(js->index_seed), GRND_NONBLOCK) < 0)
		js->index_seed = (uintptr_t)js;
}

/* The words of uids are apart, as are their tasks. */
static size_t bucket_of(const struct jobs *js, uid_t uid, const char *word)
{
	uint64_t h = js->index_seed ^ uid * FNV_PRIME;
	for (; *word; word++)
		h = (h ^ (unsigned char)*word) * FNV_PRIME;
	return (h ^ h >> 32) % JOBS_INDEX_BUCKETS;
}

void jobs_index_add(struct jobs *js, struct job *j)
{
	const struct task_spec *spec = j->task->spec;
	uid_t uid = j->task->uid;
	list_init(&j->by_name);
	list_init(&j->by_key);
	list_init(&j->by_jail);
	list_init(&j->by_turn);
	if (spec->name)
		list_append(&js->names[bucket_of(js, uid, spec->name)], &j->by_name);
	if (spec->idempotency_key)
		list_append(&js->keys[bucket_of(js, uid, spec->idempotency_key)], &j->by_key);
	if (spec->has_concurrency)
		list_append(&js->turns[bucket_of(js, uid, spec->concurrency.key)], &j->by_turn);
}

void jobs_index_set_jail(struct jobs *js, struct job *j)
{
	list_remove(&j->by_jail);
	list_append(&js->jails[j->task->jail % JOBS_INDEX_BUCKETS], &j->by_jail);
}

void jobs_index_set_done(struct job *j)
{
	list_remove(&j->by_jail);
	list_remove(&j->by_turn);
}

void jobs_index_remove(struct job *j)
{
	jobs_index_set_done(j);
	list_remove(&j->by_name);
	list_remove(&j->by_key);
}

struct job *jobs_find_name(const struct jobs *js, uid_t uid, const char *name)
{
	struct job *newest = NULL;
	list_for_each (pos, &js->names[bucket_of(js, uid, name)]) {
		struct job *j = list_entry(pos, struct job, by_name);
		if (j->task->uid != uid || strcmp(j->task->spec->name, name) != 0)
			continue;
		if (!task_is_done(j->task))
			return j;
		newest = j;
	}
	return newest;
}

struct job *jobs_find_active_name(const struct jobs *js, uid_t uid, const char *name)
{
	struct job *j = jobs_find_name(js, uid, name);
	return j && !task_is_done(j->task) ? j : NULL;
}

struct job *jobs_find_key(const struct jobs *js, uid_t uid, const char *key)
{
	struct job *newest = NULL;
	list_for_each (pos, &js->keys[bucket_of(js, uid, key)]) {
		struct job *j = list_entry(pos, struct job, by_key);
		if (j->task->uid == uid && !strcmp(j->task->spec->idempotency_key, key))
			newest = j;
	}
	return newest;
}

struct job *jobs_find_jail(const struct jobs *js, uint64_t jail)
{
	list_for_each (pos, &js->jails[jail % JOBS_INDEX_BUCKETS]) {
		struct job *j = list_entry(pos, struct job, by_jail);
		if (j->task->jail == jail)
			return j;
	}
	return NULL;
}

void jobs_each_rival(
	struct jobs *js, const struct job *of, void (*fn)(struct job *rival, const struct job *of))
{
	const char *key = of->task->spec->concurrency.key;
	list_for_each_safe (pos, &js->turns[bucket_of(js, of->task->uid, key)]) {
		struct job *j = list_entry(pos, struct job, by_turn);
		if (j != of && j->task->uid == of->task->uid &&
			!strcmp(j->task->spec->concurrency.key, key))
			fn(j, of);
	}
}
