/* The queue: order, caps, fairness between uids, and a random run against its own counts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "sched/queue.h"

#include <stdint.h>
#include <stdlib.h>

static const struct sched_want nothing;
static const struct sched_caps wide = { 100, 100, 1000, 1000 };

static void submit_ok(struct sched *s, struct sched_entry *e, uid_t uid)
{
	assert_int_equal(sched_submit(s, e, uid, &nothing, NULL), SCHED_OK);
	assert_int_equal(e->state, SCHED_READY);
}

static void tasks_of_one_uid_start_in_the_order_of_their_arrival(void **state)
{
	(void)state;
	struct sched s;
	struct sched_entry e[10] = { 0 };
	sched_init(&s, &wide);
	assert_null(sched_next(&s));
	for (size_t i = 0; i < ARRAY_SIZE(e); i++)
		submit_ok(&s, &e[i], 1000);
	for (size_t i = 0; i < ARRAY_SIZE(e); i++) {
		assert_ptr_equal(sched_next(&s), &e[i]);
		assert_int_equal(e[i].state, SCHED_RUNNING);
	}
	assert_null(sched_next(&s));
	for (size_t i = 0; i < ARRAY_SIZE(e); i++)
		sched_remove(&s, &e[i]);
	sched_finish(&s);
}

static void one_that_is_held_waits_and_holds_up_nobody(void **state)
{
	(void)state;
	struct sched s;
	struct sched_entry held = { 0 }, other = { 0 }, late = { 0 };
	const struct sched_want want = { .is_held = true };
	const struct sched_want at_once = { .is_held = true, .at_once = true };
	sched_init(&s, &wide);
	assert_int_equal(sched_submit(&s, &held, 1, &want, NULL), SCHED_OK);
	assert_int_equal(sched_submit(&s, &late, 1, &at_once, NULL), SCHED_WOULD_WAIT);
	submit_ok(&s, &other, 1);
	assert_ptr_equal(sched_next(&s), &other);
	assert_null(sched_next(&s));
	sched_release(&s, &held);
	assert_ptr_equal(sched_next(&s), &held);
	sched_remove(&s, &held);
	sched_remove(&s, &other);
	sched_finish(&s);
}

static void no_more_run_than_the_cap_and_the_next_follows_when_one_leaves(void **state)
{
	(void)state;
	struct sched s;
	struct sched_entry e[5] = { 0 };
	sched_init(&s, &(struct sched_caps){ 2, 2, 10, 10 });
	for (size_t i = 0; i < ARRAY_SIZE(e); i++)
		submit_ok(&s, &e[i], 1);
	assert_ptr_equal(sched_next(&s), &e[0]);
	assert_ptr_equal(sched_next(&s), &e[1]);
	assert_null(sched_next(&s));
	sched_remove(&s, &e[1]);
	assert_ptr_equal(sched_next(&s), &e[2]);
	assert_null(sched_next(&s));
	/* A ready one that is cancelled is skipped. */
	sched_remove(&s, &e[3]);
	sched_remove(&s, &e[3]);
	sched_remove(&s, &e[0]);
	assert_ptr_equal(sched_next(&s), &e[4]);
	sched_remove(&s, &e[2]);
	sched_remove(&s, &e[4]);
	assert_int_equal(s.n_running + s.n_ready, 0);
	sched_finish(&s);
}

static void a_uid_at_its_own_cap_does_not_block_the_others(void **state)
{
	(void)state;
	struct sched s;
	struct sched_entry a[4] = { 0 }, b = { 0 };
	sched_init(&s, &(struct sched_caps){ 10, 2, 100, 100 });
	for (size_t i = 0; i < ARRAY_SIZE(a); i++)
		submit_ok(&s, &a[i], 1);
	submit_ok(&s, &b, 2);
	assert_ptr_equal(sched_next(&s), &a[0]);
	assert_ptr_equal(sched_next(&s), &b);
	assert_ptr_equal(sched_next(&s), &a[1]);
	assert_null(sched_next(&s));
	sched_remove(&s, &a[0]);
	assert_ptr_equal(sched_next(&s), &a[2]);
	for (size_t i = 0; i < ARRAY_SIZE(a); i++)
		sched_remove(&s, &a[i]);
	sched_remove(&s, &b);
	sched_finish(&s);
}

static void a_flood_of_one_uid_does_not_starve_another(void **state)
{
	(void)state;
	struct sched s;
	static struct sched_entry flood[500], calm[3], third[3];
	sched_init(&s, &(struct sched_caps){ 1, 1, 1000, 1000 });
	for (size_t i = 0; i < ARRAY_SIZE(flood); i++)
		submit_ok(&s, &flood[i], 1);
	struct sched_entry *running = sched_next(&s);
	for (size_t i = 0; i < ARRAY_SIZE(calm); i++) {
		submit_ok(&s, &calm[i], 2);
		submit_ok(&s, &third[i], 3);
	}
	size_t turns = 0, calm_done = 0, third_done = 0;
	while (calm_done < ARRAY_SIZE(calm) || third_done < ARRAY_SIZE(third)) {
		sched_remove(&s, running);
		running = sched_next(&s);
		calm_done += running >= calm && running < calm + ARRAY_SIZE(calm);
		third_done += running >= third && running < third + ARRAY_SIZE(third);
		turns++;
	}
	assert_true(turns <= 3 * ARRAY_SIZE(calm));
	sched_remove(&s, running);
	for (size_t i = 0; i < ARRAY_SIZE(flood); i++)
		sched_remove(&s, &flood[i]);
	sched_finish(&s);
}

static void a_full_queue_refuses_and_says_how_deep_it_is(void **state)
{
	(void)state;
	struct sched s;
	struct sched_entry e[8] = { 0 };
	size_t depth = 99;
	sched_init(&s, &(struct sched_caps){ 1, 1, 3, 2 });
	submit_ok(&s, &e[0], 1);
	assert_ptr_equal(sched_next(&s), &e[0]);
	assert_int_equal(sched_submit(&s, &e[1], 1, &nothing, &depth), SCHED_OK);
	assert_int_equal(depth, 1);
	submit_ok(&s, &e[2], 1);
	assert_int_equal(sched_submit(&s, &e[3], 1, &nothing, &depth), SCHED_BUSY_UID);
	assert_int_equal(depth, 2);
	assert_int_equal(e[3].state, SCHED_OUT);
	submit_ok(&s, &e[4], 2);
	assert_int_equal(sched_submit(&s, &e[5], 3, &nothing, &depth), SCHED_BUSY);
	assert_int_equal(depth, 3);
	/* Room again. */
	sched_remove(&s, &e[1]);
	submit_ok(&s, &e[5], 3);
	for (size_t i = 0; i < ARRAY_SIZE(e); i++)
		sched_remove(&s, &e[i]);
	sched_finish(&s);
}

static void without_a_queue_a_task_runs_at_once_or_is_refused(void **state)
{
	(void)state;
	struct sched s;
	struct sched_entry e[3] = { 0 };
	sched_init(&s, &(struct sched_caps){ 1, 1, 0, 0 });
	submit_ok(&s, &e[0], 1);
	assert_ptr_equal(sched_next(&s), &e[0]);
	assert_int_equal(sched_submit(&s, &e[1], 1, &nothing, NULL), SCHED_BUSY);
	assert_int_equal(sched_submit(&s, &e[2], 2, &nothing, NULL), SCHED_BUSY);
	sched_remove(&s, &e[0]);
	submit_ok(&s, &e[2], 2);
	sched_remove(&s, &e[2]);
	sched_finish(&s);
}

static void finish_all(struct sched *s, struct sched_entry *e, size_t n)
{
	for (size_t i = 0; i < n; i++)
		sched_remove(s, &e[i]);
	sched_finish(s);
}

static void lower_sums_leave_the_rest_of_the_queue_going(void **state)
{
	(void)state;
	struct sched s;
	struct sched_entry e[40] = { 0 };
	const struct sched_want big = { .memory_bytes = 60, .cpu_millis = 1000 };
	struct sched_caps caps = { 1, 1, 100, 100, .memory_bytes = 100, .cpu_millis = 4000 };
	sched_init(&s, &caps);
	submit_ok(&s, &e[0], 1);
	assert_ptr_equal(sched_next(&s), &e[0]);
	assert_int_equal(sched_submit(&s, &e[1], 1, &big, NULL), SCHED_OK);
	assert_int_equal(sched_check(&s, &big), SCHED_OK);
	for (size_t i = 2; i < ARRAY_SIZE(e); i++)
		submit_ok(&s, &e[i], 1);
	caps.memory_bytes = 50;
	sched_set_caps(&s, &caps);
	assert_int_equal(sched_check(&s, &big), SCHED_TOO_MUCH_MEMORY);
	/* More of them than may overtake one that has a hope. */
	for (size_t i = 2; i < ARRAY_SIZE(e); i++) {
		sched_remove(&s, i == 2 ? &e[0] : &e[i - 1]);
		assert_ptr_equal(sched_next(&s), &e[i]);
	}
	caps.memory_bytes = 0;
	caps.cpu_millis = 999;
	sched_set_caps(&s, &caps);
	assert_int_equal(sched_check(&s, &big), SCHED_TOO_MANY_CPUS);
	finish_all(&s, e, ARRAY_SIZE(e));
}

static void what_is_to_start_at_once_may_pass_those_that_cannot(void **state)
{
	(void)state;
	struct sched s;
	struct sched_entry e[5] = { 0 };
	const struct sched_want at_once = { .at_once = true };
	const struct sched_want in_group = { .groups = 1 }, both = { .groups = 1, .at_once = true };
	sched_init(&s, &(struct sched_caps){ 3, 2, 10, 10, .n_groups = 1, .group_max = { 1 } });
	assert_int_equal(sched_submit(&s, &e[0], 1, &in_group, NULL), SCHED_OK);
	/* Nobody has asked for the next yet: the slot is that of the first. */
	assert_int_equal(sched_submit(&s, &e[1], 2, &at_once, NULL), SCHED_WOULD_WAIT);
	assert_ptr_equal(sched_next(&s), &e[0]);
	assert_int_equal(sched_submit(&s, &e[1], 1, &in_group, NULL), SCHED_OK);
	assert_null(sched_next(&s));
	assert_int_equal(sched_submit(&s, &e[2], 2, &both, NULL), SCHED_WOULD_WAIT);
	assert_int_equal(sched_submit(&s, &e[2], 2, &at_once, NULL), SCHED_OK);
	assert_ptr_equal(sched_next(&s), &e[2]);
	assert_int_equal(sched_submit(&s, &e[3], 1, &at_once, NULL), SCHED_OK);
	assert_ptr_equal(sched_next(&s), &e[3]);
	/* All slots are taken. */
	assert_int_equal(sched_submit(&s, &e[4], 2, &at_once, NULL), SCHED_WOULD_WAIT);
	finish_all(&s, e, ARRAY_SIZE(e));
}

static void one_that_supersedes_takes_the_place_of_those_that_wait(void **state)
{
	(void)state;
	struct sched s;
	struct sched_entry e[6] = { 0 };
	const struct sched_want old = { .key = "k" }, new = { .key = "k", .supersedes = true };
	const struct sched_want other = { .key = "o", .supersedes = true };
	sched_init(&s, &(struct sched_caps){ 1, 1, 2, 2 });
	submit_ok(&s, &e[0], 1);
	assert_ptr_equal(sched_next(&s), &e[0]);
	assert_int_equal(sched_submit(&s, &e[1], 1, &old, NULL), SCHED_OK);
	submit_ok(&s, &e[2], 1);
	assert_int_equal(sched_submit(&s, &e[3], 1, &old, NULL), SCHED_BUSY);
	assert_int_equal(sched_submit(&s, &e[3], 1, &other, NULL), SCHED_BUSY);
	assert_int_equal(sched_submit(&s, &e[3], 2, &new, NULL), SCHED_BUSY);
	assert_int_equal(sched_submit(&s, &e[3], 1, &new, NULL), SCHED_OK);
	sched_remove(&s, &e[1]);
	assert_int_equal(s.n_ready, 2);
	finish_all(&s, e, ARRAY_SIZE(e));
}

/* Nobody calls sched_next(): the queue is bounded all the same. */
static void the_queue_is_bounded_even_if_nothing_is_taken_out(void **state)
{
	(void)state;
	struct sched s;
	static struct sched_entry e[100];
	sched_init(&s, &(struct sched_caps){ 1000, 1000, 5, 5 });
	size_t n = 0;
	while (n < ARRAY_SIZE(e) && sched_submit(&s, &e[n], 1, &nothing, NULL) == SCHED_OK)
		n++;
	assert_int_equal(n, 5);
	for (size_t i = 0; i < n; i++)
		sched_remove(&s, &e[i]);
	sched_finish(&s);
}

static void check_counts(const struct sched *s, const struct sched_entry *e, size_t n)
{
	size_t ready = 0, running = 0;
	for (size_t i = 0; i < n; i++) {
		ready += e[i].state == SCHED_READY;
		running += e[i].state == SCHED_RUNNING;
	}
	assert_int_equal(s->n_ready, ready);
	assert_int_equal(s->n_running, running);
	assert_true(running <= s->caps.max_running);
}

static void a_random_run_keeps_its_counts_and_leaves_nothing(void **state)
{
	(void)state;
	static struct sched_entry e[300];
	struct sched s;
	sched_init(&s, &(struct sched_caps){ 20, 6, 100, 40 });
	srandom(3);
	for (int step = 0; step < 100000; step++) {
		size_t i = (size_t)random() % ARRAY_SIZE(e);
		if (random() % 3 == 0)
			sched_next(&s);
		else if (e[i].state != SCHED_OUT)
			sched_remove(&s, &e[i]);
		else
			assert_true(sched_submit(&s, &e[i], (uid_t)(i % 7), &nothing, NULL) >= 0);
		if (step % 97 == 0)
			check_counts(&s, e, ARRAY_SIZE(e));
	}
	for (size_t i = 0; i < ARRAY_SIZE(e); i++)
		sched_remove(&s, &e[i]);
	check_counts(&s, e, ARRAY_SIZE(e));
	sched_finish(&s);
}

static void an_entry_changes_its_groups(void **state)
{
	struct sched s;
	struct sched_entry a = { 0 }, b = { 0 };
	struct sched_caps caps = { .max_running = 9,
		.max_running_uid = 9,
		.max_ready = 9,
		.max_ready_uid = 9,
		.n_groups = 2,
		.group_max = { 1, 1 } };
	const struct sched_want want = { .groups = 1 };
	sched_init(&s, &caps);
	assert_int_equal(sched_submit(&s, &a, 1, &want, NULL), SCHED_OK);
	assert_int_equal(sched_submit(&s, &b, 1, &want, NULL), SCHED_OK);
	assert_ptr_equal(sched_next(&s), &a);
	assert_null(sched_next(&s));
	sched_set_groups(&s, &a, 2);
	assert_int_equal(s.group_running[0], 0);
	assert_int_equal(s.group_running[1], 1);
	assert_ptr_equal(sched_next(&s), &b);
	sched_remove(&s, &a);
	sched_remove(&s, &b);
	assert_int_equal(s.group_running[0] + s.group_running[1], 0);
	sched_finish(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lower_sums_leave_the_rest_of_the_queue_going),
		cmocka_unit_test(what_is_to_start_at_once_may_pass_those_that_cannot),
		cmocka_unit_test(one_that_supersedes_takes_the_place_of_those_that_wait),
		cmocka_unit_test(an_entry_changes_its_groups),
		cmocka_unit_test(tasks_of_one_uid_start_in_the_order_of_their_arrival),
		cmocka_unit_test(one_that_is_held_waits_and_holds_up_nobody),
		cmocka_unit_test(no_more_run_than_the_cap_and_the_next_follows_when_one_leaves),
		cmocka_unit_test(a_uid_at_its_own_cap_does_not_block_the_others),
		cmocka_unit_test(a_flood_of_one_uid_does_not_starve_another),
		cmocka_unit_test(a_full_queue_refuses_and_says_how_deep_it_is),
		cmocka_unit_test(without_a_queue_a_task_runs_at_once_or_is_refused),
		cmocka_unit_test(the_queue_is_bounded_even_if_nothing_is_taken_out),
		cmocka_unit_test(a_random_run_keeps_its_counts_and_leaves_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
