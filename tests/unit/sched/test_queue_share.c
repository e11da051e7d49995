/* Fairness by CPU time, order, caps on sums and groups, keys, and a simulated day of mixed load. */
#include "harness.h"

#include "base/cleanup.h"
#include "sched/queue.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define MS  1000ull
#define SEC (1000 * MS)

static const struct sched_caps wide = {
	.max_running = 100, .max_running_uid = 100, .max_ready = 10000, .max_ready_uid = 10000
};

static struct sched_caps one_slot(void)
{
	struct sched_caps caps = wide;
	caps.max_running = 1;
	return caps;
}

static void submit(struct sched *s, struct sched_entry *e, uid_t uid, struct sched_want want)
{
	assert_int_equal(sched_submit(s, e, uid, &want, NULL), SCHED_OK);
}

static void finish_all(struct sched *s, struct sched_entry *e, size_t n)
{
	for (size_t i = 0; i < n; i++)
		sched_remove(s, &e[i]);
	sched_finish(s);
}

/* Runs the next for so long; returns it. */
static struct sched_entry *run_next(struct sched *s, uint64_t cpu_us)
{
	struct sched_entry *e = sched_next(s);
	assert_non_null(e);
	sched_charge(s, e, cpu_us, cpu_us);
	sched_remove(s, e);
	return e;
}

TEST(priority_comes_first_and_waiting_makes_up_for_it)
{
	struct sched s;
	struct sched_entry e[4] = { 0 };
	const struct sched_caps caps = one_slot();
	sched_init(&s, &caps);
	submit(&s, &e[0], 1, (struct sched_want){ .at_ns = 0, .priority = -1 });
	submit(&s, &e[1], 1, (struct sched_want){ .at_ns = SCHED_AGE_NS / 2 });
	submit(&s, &e[2], 1, (struct sched_want){ .at_ns = SCHED_AGE_NS / 2 + 1, .priority = 5 });
	/* Comes so late that the first has aged past it. */
	submit(&s, &e[3], 1, (struct sched_want){ .at_ns = SCHED_AGE_NS * 2 });
	assert_ptr_equal(run_next(&s, 1), &e[2]);
	assert_ptr_equal(run_next(&s, 1), &e[1]);
	assert_ptr_equal(run_next(&s, 1), &e[0]);
	assert_ptr_equal(run_next(&s, 1), &e[3]);
	sched_finish(&s);
}

TEST(one_user_s_priority_says_nothing_to_another_user)
{
	struct sched s;
	struct sched_entry e[20] = { 0 };
	const struct sched_caps caps = one_slot();
	size_t mild = 0;
	sched_init(&s, &caps);
	for (size_t i = 0; i < ARRAY_SIZE(e); i++)
		submit(&s, &e[i], i % 2, (struct sched_want){ .priority = i % 2 ? 10 : -10 });
	for (size_t i = 0; i < 10; i++) {
		struct sched_entry *got = run_next(&s, 10 * MS);
		mild += (size_t)(got - e) % 2 == 0;
	}
	assert_in_range(mild, 4, 6);
	finish_all(&s, e, ARRAY_SIZE(e));
}

TEST(the_sum_of_memory_is_kept_and_a_small_task_may_overtake_only_so_often)
{
	struct sched s;
	struct sched_caps caps = wide;
	static struct sched_entry small[100], big;
	memset(small, 0, sizeof(small));
	big = (struct sched_entry){ 0 };
	caps.memory_bytes = 100;
	sched_init(&s, &caps);
	submit(&s, &small[0], 1, (struct sched_want){ .memory_bytes = 60 });
	assert_ptr_equal(sched_next(&s), &small[0]);
	submit(&s, &big, 1, (struct sched_want){ .memory_bytes = 90 });
	size_t n = 1, started = 0;
	struct sched_entry *e = NULL;
	for (; n < 60; n++) {
		submit(&s, &small[n], 1, (struct sched_want){ .memory_bytes = 40, .at_ns = n });
		e = sched_next(&s);
		if (!e)
			break;
		assert_true(s.memory_bytes <= 100);
		sched_remove(&s, e);
		started++;
	}
	assert_int_equal(started, SCHED_OVERTAKEN_MAX);
	/* Now it has its turn, as soon as it fits. */
	assert_null(sched_next(&s));
	sched_remove(&s, &small[0]);
	assert_ptr_equal(sched_next(&s), &big);
	assert_null(sched_next(&s));
	sched_remove(&s, &big);
	assert_non_null(sched_next(&s));
	finish_all(&s, small, ARRAY_SIZE(small));
}

TEST(what_can_never_fit_is_refused_by_name)
{
	struct sched s;
	struct sched_caps caps = wide;
	struct sched_entry e = { 0 };
	caps.memory_bytes = 100;
	caps.cpu_millis = 2000;
	sched_init(&s, &caps);
	const struct sched_want memory = { .memory_bytes = 101 }, cpus = { .cpu_millis = 2001 };
	assert_int_equal(sched_submit(&s, &e, 1, &memory, NULL), SCHED_TOO_MUCH_MEMORY);
	assert_int_equal(sched_submit(&s, &e, 1, &cpus, NULL), SCHED_TOO_MANY_CPUS);
	sched_finish(&s);
}

TEST(what_is_to_start_at_once_is_refused_if_it_would_wait)
{
	struct sched s;
	struct sched_entry e[3] = { 0 };
	const struct sched_caps caps = one_slot();
	const struct sched_want at_once = { .at_once = true };
	sched_init(&s, &caps);
	submit(&s, &e[0], 1, at_once);
	assert_ptr_equal(sched_next(&s), &e[0]);
	assert_int_equal(sched_submit(&s, &e[1], 2, &at_once, NULL), SCHED_WOULD_WAIT);
	sched_remove(&s, &e[0]);
	submit(&s, &e[1], 2, at_once);
	finish_all(&s, e, ARRAY_SIZE(e));
}

TEST(a_group_has_its_own_cap_and_blocks_nobody_else)
{
	struct sched s;
	struct sched_caps caps = wide;
	struct sched_entry e[4] = { 0 };
	caps.n_groups = 2;
	caps.group_max[0] = 1;
	caps.group_max[1] = 5;
	sched_init(&s, &caps);
	submit(&s, &e[0], 1, (struct sched_want){ .groups = 1 });
	submit(&s, &e[1], 1, (struct sched_want){ .groups = 3 });
	submit(&s, &e[2], 1, (struct sched_want){ .groups = 2 });
	submit(&s, &e[3], 2, (struct sched_want){ .groups = 1 });
	assert_ptr_equal(sched_next(&s), &e[0]);
	assert_ptr_equal(sched_next(&s), &e[2]);
	assert_null(sched_next(&s));
	sched_remove(&s, &e[0]);
	assert_non_null(sched_next(&s));
	assert_null(sched_next(&s));
	finish_all(&s, e, ARRAY_SIZE(e));
}

TEST(tasks_with_the_same_key_run_one_at_a_time)
{
	struct sched s;
	struct sched_entry e[4] = { 0 };
	sched_init(&s, &wide);
	submit(&s, &e[0], 1, (struct sched_want){ .key = "deploy" });
	submit(&s, &e[1], 1, (struct sched_want){ .key = "deploy" });
	submit(&s, &e[2], 1, (struct sched_want){ .key = "other" });
	submit(&s, &e[3], 2, (struct sched_want){ .key = "deploy" }); /* of somebody else */
	for (int i = 0; i < 3; i++)
		assert_ptr_not_equal(sched_next(&s), &e[1]);
	assert_null(sched_next(&s));
	sched_remove(&s, &e[0]);
	assert_ptr_equal(sched_next(&s), &e[1]);
	finish_all(&s, e, ARRAY_SIZE(e));
}

/* ---- a day ---- */

struct person {
	uid_t uid;
	uint64_t min_us, max_us; /* what a task takes */
	size_t n_waiting;	 /* how many of his tasks are in the queue at any time */
	bool is_away;		 /* submits only in the second half of the day */
	uint64_t used_us, n_done, worst_wait_us;
};

struct sim_task {
	struct sched_entry entry; /* first: found from it */
	struct person *who;
	uint64_t submitted_us, cpu_us, ends_us;
};

#define SLOTS 4
#define TASKS 64

struct day {
	struct sched s;
	struct sim_task tasks[TASKS];
	struct person *people;
	size_t n_people;
	uint64_t now_us;
};

static void sim_submit(struct day *d, struct person *p)
{
	size_t waiting = 0;
	for (size_t i = 0; i < TASKS; i++)
		waiting += d->tasks[i].who == p && d->tasks[i].entry.state == SCHED_READY;
	for (size_t i = 0; i < TASKS && waiting < p->n_waiting; i++) {
		struct sim_task *t = &d->tasks[i];
		if (t->entry.state != SCHED_OUT)
			continue;
		*t = (struct sim_task){ .who = p, .submitted_us = d->now_us };
		t->cpu_us = p->min_us + (uint64_t)rand() % (p->max_us - p->min_us + 1);
		submit(&d->s, &t->entry, p->uid, (struct sched_want){ .at_ns = d->now_us * 1000 });
		waiting++;
	}
}

static void sim_start(struct day *d)
{
	struct sched_entry *e;
	while ((e = sched_next(&d->s))) {
		struct sim_task *t = (struct sim_task *)e;
		uint64_t waited = d->now_us - t->submitted_us;
		t->ends_us = d->now_us + t->cpu_us;
		if (waited > t->who->worst_wait_us)
			t->who->worst_wait_us = waited;
	}
}

static void sim_end_next(struct day *d)
{
	struct sim_task *first = NULL;
	for (size_t i = 0; i < TASKS; i++) {
		struct sim_task *t = &d->tasks[i];
		if (t->entry.state == SCHED_RUNNING && (!first || t->ends_us < first->ends_us))
			first = t;
	}
	assert_non_null(first);
	d->now_us = first->ends_us;
	first->who->used_us += first->cpu_us;
	first->who->n_done++;
	sched_charge(&d->s, &first->entry, first->cpu_us, first->cpu_us);
	sched_remove(&d->s, &first->entry);
}

static void sim_day(struct day *d, struct person *people, size_t n)
{
	struct sched_caps caps = wide;
	caps.max_running = SLOTS;
	memset(d, 0, sizeof(*d));
	d->people = people;
	d->n_people = n;
	sched_init(&d->s, &caps);
	const uint64_t day_us = 24 * 3600 * SEC;
	while (d->now_us < day_us) {
		for (size_t i = 0; i < n; i++)
			if (!people[i].is_away || d->now_us > day_us / 2)
				sim_submit(d, &people[i]);
		sim_start(d);
		sim_end_next(d);
	}
	for (size_t i = 0; i < TASKS; i++)
		sched_remove(&d->s, &d->tasks[i].entry);
	sched_finish(&d->s);
}

TEST(over_a_day_everybody_who_waits_gets_the_same_CPU_time)
{
	static struct day d;
	struct person people[] = {
		{ .uid = 1, .min_us = 50 * MS, .max_us = 200 * MS, .n_waiting = 8 },
		{ .uid = 2, .min_us = 20 * SEC, .max_us = 90 * SEC, .n_waiting = 8 },
		{ .uid = 3, .min_us = 1 * SEC, .max_us = 3 * SEC, .n_waiting = 20 },
	};
	srand(11);
	sim_day(&d, people, ARRAY_SIZE(people));
	uint64_t total = 0;
	for (size_t i = 0; i < ARRAY_SIZE(people); i++)
		total += people[i].used_us;
	for (size_t i = 0; i < ARRAY_SIZE(people); i++) {
		/* Within two in a hundred of a third. */
		assert_in_range(people[i].used_us, total / 3 - total / 50, total / 3 + total / 50);
		print_message("uid %u: %llu tasks, %llu s of CPU, longest wait %llu s\n",
			(unsigned)people[i].uid, (unsigned long long)people[i].n_done,
			(unsigned long long)(people[i].used_us / SEC),
			(unsigned long long)(people[i].worst_wait_us / SEC));
	}
}

TEST(who_comes_at_noon_gets_his_share_of_the_afternoon_and_nobody_s_debts_last)
{
	static struct day d;
	struct person people[] = {
		{ .uid = 1, .min_us = 1 * SEC, .max_us = 5 * SEC, .n_waiting = 10 },
		{ .uid = 2,
			.min_us = 1 * SEC,
			.max_us = 5 * SEC,
			.n_waiting = 10,
			.is_away = true },
	};
	srand(12);
	sim_day(&d, people, ARRAY_SIZE(people));
	/* All of the morning and half of the afternoon; the other half. */
	uint64_t total = people[0].used_us + people[1].used_us;
	assert_in_range(people[1].used_us, total / 4 - total / 50, total / 4 + total / 50);
}

TEST(short_tasks_do_not_wait_for_long_ones_of_others_longer_than_a_slot_takes)
{
	static struct day d;
	struct person people[] = {
		{ .uid = 1, .min_us = 60 * SEC, .max_us = 60 * SEC, .n_waiting = 30 },
		{ .uid = 2, .min_us = 10 * MS, .max_us = 20 * MS, .n_waiting = 1 },
	};
	srand(13);
	sim_day(&d, people, ARRAY_SIZE(people));
	/* No task is ever stopped for another: the worst is one long task in each slot. */
	assert_true(people[1].worst_wait_us <= 61 * SEC);
	assert_true(people[1].n_done > people[0].n_done);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(priority_comes_first_and_waiting_makes_up_for_it),
		cmocka_unit_test(one_user_s_priority_says_nothing_to_another_user),
		cmocka_unit_test(
			the_sum_of_memory_is_kept_and_a_small_task_may_overtake_only_so_often),
		cmocka_unit_test(what_can_never_fit_is_refused_by_name),
		cmocka_unit_test(what_is_to_start_at_once_is_refused_if_it_would_wait),
		cmocka_unit_test(a_group_has_its_own_cap_and_blocks_nobody_else),
		cmocka_unit_test(tasks_with_the_same_key_run_one_at_a_time),
		cmocka_unit_test(over_a_day_everybody_who_waits_gets_the_same_CPU_time),
		cmocka_unit_test(
			who_comes_at_noon_gets_his_share_of_the_afternoon_and_nobody_s_debts_last),
		cmocka_unit_test(
			short_tasks_do_not_wait_for_long_ones_of_others_longer_than_a_slot_takes),
	};
	return RUN_TESTS(tests);
}
