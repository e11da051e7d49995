/*
 * A simulated day of mixed load: several uids with their own ways of coming, lengths from
 * milliseconds to hours, priorities, limits, keys and label groups. Everything that must hold at
 * each start is counted again from what runs, apart from the queue's own sums. Prints who got what.
 */
#include "harness.h"

#include "sched/queue.h"

#include <stdlib.h>
#include <string.h>

#define MS   1000ull
#define SEC  (1000 * MS)
#define MIN  (60 * SEC)
#define HOUR (60 * MIN)
#define DAY  (24 * HOUR)
#define GIB  (1ull << 30)

#define SLOTS	   16
#define TASKS	   4096
#define STEP	   (5 * SEC) /* so often the daemon asks at least */
#define PRIORITIES 21

enum person_kind { BATCH, CI, SHORTS, LIGHT, BURSTS, LARGE, PEOPLE };

/* A person has so many tasks waiting at any time; or some come every so often, together. */
struct person {
	const char *name;
	uint64_t min_us, max_us; /* what a task takes */
	unsigned busy;		 /* CPU time in a hundred of run time */
	size_t n_kept;
	uint64_t every_us;
	size_t n_together;
	uint64_t memory_bytes, cpu_millis;
	unsigned key_part, group_part; /* so many in a hundred have a key; are in the label group */
	bool has_priorities;

	uint64_t next_us;
	size_t n_waiting, n_done, n_refused, n_waits, n_room;
	uint64_t used_us, worst_wait_us, *waits_us;
};

struct sim_task {
	struct sched_entry entry; /* first: found from it */
	struct person *who;
	struct sim_task *next_free;
	uint64_t came_us, starts_us, ends_us, cpu_us;
};

struct day {
	struct sched s;
	struct sim_task tasks[TASKS], *free;
	struct sim_task *running[SLOTS];
	size_t n_running;
	struct person *people;
	uint64_t now_us;
	uint64_t worst_by_priority_us[PRIORITIES];
	size_t n_aged; /* of low priority, that went before one of higher priority */
};

static const struct sched_caps caps = {
	.max_running = SLOTS,
	.max_running_uid = SLOTS - SLOTS / 8,
	.max_ready = 3000,
	.max_ready_uid = 400,
	.memory_bytes = 64 * GIB,
	.cpu_millis = 40000,
	.memory_bytes_uid = 56 * GIB,
	.cpu_millis_uid = 35000,
	.n_groups = 1,
	.group_max = { 3 },
};

static uint64_t between(uint64_t min, uint64_t max)
{
	uint64_t r = ((uint64_t)random() << 31) ^ (uint64_t)random();
	return min + r % (max - min + 1);
}

/* Most are nearer to the shortest: half of all lie below the geometric mean. */
static uint64_t length_of(const struct person *p)
{
	uint64_t top = p->min_us;
	while (top < p->max_us && random() % 4 != 0)
		top *= 2;
	top = top < p->max_us ? top : p->max_us;
	return between(p->min_us, top);
}

static bool is_free_of_conditions(const struct sim_task *t)
{
	return !t->entry.want.key && !t->entry.want.groups;
}

/* ---- coming ---- */

static void come(struct day *d, struct person *p)
{
	static const char *const keys[] = { "deploy", "docs", "cache", "release" };
	struct sim_task *t = d->free;
	assert_non_null(t);
	struct sched_want want = { .at_ns = d->now_us * 1000,
		.priority = p->has_priorities ? (int)between(0, PRIORITIES - 1) - 10 : 0,
		.memory_bytes = p->memory_bytes ? between(p->memory_bytes / 2, p->memory_bytes) : 0,
		.cpu_millis = p->cpu_millis };
	if ((unsigned)random() % 100 < p->key_part)
		want.key = keys[random() % ARRAY_SIZE(keys)];
	want.groups = (unsigned)random() % 100 < p->group_part;
	*t = (struct sim_task){ .who = p, .next_free = t->next_free, .came_us = d->now_us };
	int r = sched_submit(&d->s, &t->entry, (uid_t)(1000 + (p - d->people)), &want, NULL);
	if (r != SCHED_OK) {
		assert_int_equal(r, SCHED_BUSY_UID);
		assert_int_equal(p->n_waiting, caps.max_ready_uid);
		p->n_refused++;
		return;
	}
	d->free = t->next_free;
	p->n_waiting++;
}

static void come_all(struct day *d)
{
	for (size_t i = 0; i < PEOPLE; i++) {
		struct person *p = &d->people[i];
		while (p->n_waiting < p->n_kept)
			come(d, p);
		if (!p->every_us || p->next_us > d->now_us)
			continue;
		for (size_t n = 0; n < p->n_together; n++)
			come(d, p);
		p->next_us = d->now_us + between(p->every_us / 2, p->every_us * 3 / 2);
	}
}

/* ---- starting ---- */

/* From what runs, not from the queue's own sums. */
static void check_caps(const struct day *d)
{
	uint64_t memory = 0, cpus = 0, memory_of[PEOPLE] = { 0 }, cpus_of[PEOPLE] = { 0 };
	size_t grouped = 0, running_of[PEOPLE] = { 0 };
	assert_true(d->n_running <= caps.max_running);
	for (size_t i = 0; i < d->n_running; i++) {
		const struct sim_task *t = d->running[i];
		const struct sched_want *w = &t->entry.want;
		size_t who = (size_t)(t->who - d->people);
		memory += w->memory_bytes;
		cpus += w->cpu_millis;
		memory_of[who] += w->memory_bytes;
		cpus_of[who] += w->cpu_millis;
		grouped += w->groups & 1;
		running_of[who]++;
		for (size_t k = 0; w->key && k < i; k++)
			assert_false(d->running[k]->who == t->who &&
				     d->running[k]->entry.want.key &&
				     !strcmp(d->running[k]->entry.want.key, w->key));
	}
	assert_true(memory <= caps.memory_bytes && cpus <= caps.cpu_millis);
	assert_true(grouped <= caps.group_max[0]);
	assert_int_equal(memory, d->s.memory_bytes);
	for (size_t i = 0; i < PEOPLE; i++) {
		assert_true(running_of[i] <= caps.max_running_uid);
		assert_true(memory_of[i] <= caps.memory_bytes_uid);
		assert_true(cpus_of[i] <= caps.cpu_millis_uid);
	}
}

/* Where only priority and age count: whoever starts had waited long enough for it. */
static void check_order(struct day *d, const struct sim_task *t)
{
	bool has_aged = false;
	if (!is_free_of_conditions(t))
		return;
	for (size_t i = 0; i < TASKS; i++) {
		const struct sim_task *o = &d->tasks[i];
		if (o->entry.state != SCHED_READY || o->who != t->who || !is_free_of_conditions(o))
			continue;
		int steps = o->entry.want.priority - t->entry.want.priority;
		assert_true(
			(int64_t)(o->came_us - t->came_us) * 1000 >= steps * (int64_t)SCHED_AGE_NS);
		has_aged |= steps > 0;
	}
	d->n_aged += has_aged;
}

static void note_wait(struct day *d, const struct sim_task *t)
{
	struct person *p = t->who;
	uint64_t waited = d->now_us - t->came_us;
	uint64_t *worst = &d->worst_by_priority_us[t->entry.want.priority + 10];
	if (p->n_waits == p->n_room) {
		p->n_room = p->n_room ? 2 * p->n_room : 1024;
		p->waits_us = realloc(p->waits_us, p->n_room * sizeof(*p->waits_us));
		assert_non_null(p->waits_us);
	}
	p->waits_us[p->n_waits++] = waited;
	p->worst_wait_us = waited > p->worst_wait_us ? waited : p->worst_wait_us;
	if (p->has_priorities && waited > *worst)
		*worst = waited;
}

static void start_all(struct day *d)
{
	struct sched_entry *e;
	d->s.now_ns = d->now_us * 1000;
	while ((e = sched_next(&d->s))) {
		struct sim_task *t = (struct sim_task *)e;
		uint64_t run_us = length_of(t->who);
		t->starts_us = d->now_us;
		t->ends_us = d->now_us + run_us;
		t->cpu_us = run_us * t->who->busy / 100;
		t->who->n_waiting--;
		assert_true(d->n_running < SLOTS);
		d->running[d->n_running++] = t;
		check_caps(d);
		if (t->who->has_priorities)
			check_order(d, t);
		note_wait(d, t);
	}
}

/* ---- time ---- */

static void end_due(struct day *d)
{
	for (size_t i = 0; i < d->n_running;) {
		struct sim_task *t = d->running[i];
		if (t->ends_us > d->now_us) {
			i++;
			continue;
		}
		t->who->used_us += t->cpu_us;
		t->who->n_done++;
		sched_charge(&d->s, &t->entry, t->cpu_us, t->ends_us - t->starts_us);
		sched_remove(&d->s, &t->entry);
		d->running[i] = d->running[--d->n_running];
		t->next_free = d->free;
		d->free = t;
	}
}

static void go_on(struct day *d)
{
	uint64_t next = d->now_us + STEP;
	for (size_t i = 0; i < d->n_running; i++)
		next = d->running[i]->ends_us < next ? d->running[i]->ends_us : next;
	for (size_t i = 0; i < PEOPLE; i++)
		if (d->people[i].every_us && d->people[i].next_us < next)
			next = d->people[i].next_us;
	d->now_us = next;
}

static void live(struct day *d, struct person *people)
{
	memset(d, 0, sizeof(*d));
	d->people = people;
	for (size_t i = 0; i < TASKS; i++) {
		d->tasks[i].next_free = d->free;
		d->free = &d->tasks[i];
	}
	sched_init(&d->s, &caps);
	while (d->now_us < DAY) {
		end_due(d);
		come_all(d);
		start_all(d);
		go_on(d);
	}
	/* What still runs has used its part, too. */
	for (size_t i = 0; i < d->n_running; i++) {
		const struct sim_task *t = d->running[i];
		t->who->used_us += (d->now_us - t->starts_us) * t->who->busy / 100;
	}
	for (size_t i = 0; i < TASKS; i++) {
		const struct sim_task *t = &d->tasks[i];
		if (t->entry.state == SCHED_READY && d->now_us - t->came_us > t->who->worst_wait_us)
			t->who->worst_wait_us = d->now_us - t->came_us;
		sched_remove(&d->s, &d->tasks[i].entry);
	}
	assert_int_equal(d->s.memory_bytes + d->s.cpu_millis + d->s.group_running[0], 0);
	sched_finish(&d->s);
}

/* ---- what came of it ---- */

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

static uint64_t median_wait_us(struct person *p)
{
	assert_true(p->n_waits > 0);
	qsort(p->waits_us, p->n_waits, sizeof(*p->waits_us), compare);
	return p->waits_us[p->n_waits / 2];
}

static void print_table(struct person *people)
{
	uint64_t total = 0;
	for (size_t i = 0; i < PEOPLE; i++)
		total += people[i].used_us;
	print_message("%-8s %7s %8s %7s %12s %12s\n", "who", "tasks", "refused", "CPU",
		"median wait", "longest wait");
	for (size_t i = 0; i < PEOPLE; i++) {
		struct person *p = &people[i];
		print_message("%-8s %7zu %8zu %6.2f%% %10.1f s %10.1f s\n", p->name, p->n_done,
			p->n_refused, 100.0 * (double)p->used_us / (double)total,
			(double)median_wait_us(p) / SEC, (double)p->worst_wait_us / SEC);
	}
}

TEST(a_day_of_mixed_load_is_fair_to_all)
{
	static struct day d;
	struct person people[PEOPLE] = {
		[BATCH] = { "batch", 10 * MIN, 3 * HOUR, 95, .n_kept = 8, .memory_bytes = 4 * GIB,
			.cpu_millis = 2000 },
		[CI] = { "ci", 2 * SEC, 20 * MIN, 60, .n_kept = 60, .cpu_millis = 3000,
			.key_part = 10, .group_part = 10, .has_priorities = true },
		[SHORTS] = { "shorts", 20 * MS, 20 * SEC, 100, .n_kept = 30,
			.memory_bytes = GIB / 4 },
		[LIGHT] = { "light", 1 * SEC, 30 * SEC, 80, .every_us = 10 * MIN, .n_together = 1,
			.memory_bytes = GIB },
		[BURSTS] = { "bursts", 5 * MS, 2 * SEC, 90, .every_us = HOUR, .n_together = 500,
			.memory_bytes = GIB / 2, .key_part = 5 },
		[LARGE] = { "large", 1 * MIN, 5 * MIN, 50, .every_us = 2 * HOUR, .n_together = 1,
			.memory_bytes = 56 * GIB },
	};
	srandom(17);
	live(&d, people);
	print_table(people);

	/* Those who always have tasks ready: the same CPU time, within eight in a hundred. Some of
	 * it is lost where their tasks wait for room, keys and the label group. */
	uint64_t heavy = people[BATCH].used_us + people[CI].used_us + people[SHORTS].used_us;
	for (size_t i = BATCH; i <= SHORTS; i++)
		assert_in_range(people[i].used_us, heavy / 3 * 92 / 100, heavy / 3 * 108 / 100);

	/* Who asks for little does not wait behind those who ask for much. */
	uint64_t light = median_wait_us(&people[LIGHT]);
	assert_true(light < 5 * SEC);
	assert_true(light * 20 < median_wait_us(&people[BATCH]));
	assert_true(light * 20 < median_wait_us(&people[CI]));

	/* Low priorities have their turn: the lowest waits no longer than its twenty steps more. */
	assert_true(d.n_aged > 100);
	uint64_t most = d.worst_by_priority_us[PRIORITIES - 1] + 20 * SCHED_AGE_NS / 1000;
	for (size_t i = 0; i < PRIORITIES; i += 5)
		print_message("priority %3d: longest wait %.0f s\n", (int)i - 10,
			(double)d.worst_by_priority_us[i] / SEC);
	assert_true(d.worst_by_priority_us[0] > d.worst_by_priority_us[PRIORITIES - 1]);
	assert_true(d.worst_by_priority_us[0] <= most + 30 * MIN);

	/* Nobody waits for ever, not even for nearly all of the memory. */
	for (size_t i = 0; i < PEOPLE; i++) {
		assert_true(people[i].n_done > 5);
		assert_true(people[i].worst_wait_us < 6 * HOUR);
		free(people[i].waits_us);
	}
	assert_true(people[BURSTS].n_refused > 0);
	assert_int_equal(people[LIGHT].n_refused, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_day_of_mixed_load_is_fair_to_all),
	};
	return RUN_TESTS(tests);
}
