/* What a waiting client is told of its place. */
#include "harness.h"

#include "base/cleanup.h"
#include "sched/queue.h"

#include <stdint.h>

#define SEC 1000000ull

static void submit(struct sched *s, struct sched_entry *e, uid_t uid, uint64_t at_ns)
{
	const struct sched_want want = { .at_ns = at_ns };
	assert_int_equal(sched_submit(s, e, uid, &want, NULL), SCHED_OK);
}

static const struct sched *the_queue;

static void compare(struct sched_entry *e, void *arg)
{
	size_t *n = arg;
	assert_int_equal(e->position, sched_position(the_queue, e));
	(*n)++;
}

TEST(position_and_wait_follow_the_queue)
{
	struct sched s;
	struct sched_entry e[7] = { 0 };
	const struct sched_caps caps = {
		.max_running = 1, .max_running_uid = 1, .max_ready = 100, .max_ready_uid = 100
	};
	sched_init(&s, &caps);
	assert_int_equal(sched_wait_us(&s, 0), 0);
	submit(&s, &e[0], 1, 0);
	assert_ptr_equal(sched_next(&s), &e[0]);
	sched_charge(&s, &e[0], 10 * SEC, 10 * SEC);
	sched_remove(&s, &e[0]);
	for (size_t i = 0; i < ARRAY_SIZE(e); i++)
		submit(&s, &e[i], i < 4 ? 1 : 2, i);
	struct sched_entry *running = sched_next(&s);
	assert_ptr_equal(running, &e[0]);
	/* Turn about: user 2's first is next, user 1's second after it. */
	assert_int_equal(sched_position(&s, &e[4]), 0);
	assert_int_equal(sched_position(&s, &e[1]), 1);
	assert_int_equal(sched_position(&s, &e[3]), 5);
	assert_int_equal(sched_position(&s, running), 0);
	size_t n = 0;
	the_queue = &s;
	sched_each_ready(&s, compare, &n);
	assert_int_equal(n, ARRAY_SIZE(e) - 1);
	assert_int_equal(sched_wait_us(&s, 1), 20 * SEC);
	for (size_t i = 0; i < ARRAY_SIZE(e); i++)
		sched_remove(&s, &e[i]);
	sched_finish(&s);
}

TEST(an_estimate_never_wraps_around)
{
	struct sched s;
	const struct sched_caps caps = { .max_running = 1 };
	sched_init(&s, &caps);
	s.mean_run_us = UINT64_MAX / 2;
	assert_int_equal(sched_wait_us(&s, 1000), UINT64_MAX);
	sched_finish(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(position_and_wait_follow_the_queue),
		cmocka_unit_test(an_estimate_never_wraps_around),
	};
	return RUN_TESTS(tests);
}
