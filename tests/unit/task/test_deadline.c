/* Deadlines: the heap against a plain array, and the timer on the real clock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "task/deadline.h"

#include <poll.h>
#include <stdint.h>
#include <stdlib.h>

static bool is_readable(int fd, int timeout_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	return poll(&p, 1, timeout_ms) == 1;
}

static void deadlines_come_out_in_order_and_only_when_due(void **state)
{
	(void)state;
	struct deadline_heap h;
	struct deadline d[5] = { 0 };
	const uint64_t at[5] = { 50, 10, 40, 20, 30 };
	deadline_heap_init_manual(&h);
	assert_null(deadline_pop_due(&h, UINT64_MAX));
	for (size_t i = 0; i < 5; i++)
		deadline_set(&h, &d[i], at[i]);
	assert_null(deadline_pop_due(&h, 9));
	assert_ptr_equal(deadline_pop_due(&h, 35), &d[1]);
	assert_ptr_equal(deadline_pop_due(&h, 35), &d[3]);
	assert_ptr_equal(deadline_pop_due(&h, 35), &d[4]);
	assert_null(deadline_pop_due(&h, 35));
	assert_false(d[1].is_set);
	assert_true(d[0].is_set);
	assert_ptr_equal(deadline_pop_due(&h, 50), &d[2]);
	assert_ptr_equal(deadline_pop_due(&h, 50), &d[0]);
	assert_null(deadline_pop_due(&h, 50));
	deadline_heap_finish(&h);
}

static void a_cancelled_deadline_never_fires_and_one_set_anew_fires_once(void **state)
{
	(void)state;
	struct deadline_heap h;
	struct deadline a = { 0 }, b = { 0 };
	deadline_heap_init_manual(&h);
	deadline_cancel(&h, &a);
	deadline_set(&h, &a, 10);
	deadline_set(&h, &b, 20);
	deadline_cancel(&h, &a);
	deadline_cancel(&h, &a);
	deadline_set(&h, &b, 5);
	deadline_set(&h, &b, 15);
	assert_null(deadline_pop_due(&h, 14));
	assert_ptr_equal(deadline_pop_due(&h, 100), &b);
	assert_null(deadline_pop_due(&h, 100));
	deadline_set(&h, &a, UINT64_MAX);
	assert_false(a.is_set);
	assert_null(deadline_pop_due(&h, UINT64_MAX));
	deadline_heap_finish(&h);
}

/* A million steps of set, set anew, cancel and pop; an array says what is right. */
static void the_heap_agrees_with_a_plain_array(void **state)
{
	(void)state;
	static struct deadline d[200];
	struct deadline_heap h;
	uint64_t now = 0;
	deadline_heap_init_manual(&h);
	srandom(7);
	for (int step = 0; step < 1000000; step++) {
		struct deadline *one = &d[(size_t)random() % ARRAY_SIZE(d)];
		switch (random() % 4) {
		case 0:
		case 1:
			deadline_set(&h, one, now + (uint64_t)(random() % 1000));
			break;
		case 2:
			deadline_cancel(&h, one);
			break;
		default:
			now += (uint64_t)(random() % 8);
			uint64_t earliest = UINT64_MAX;
			for (size_t i = 0; i < ARRAY_SIZE(d); i++)
				if (d[i].is_set && d[i].at_ns < earliest)
					earliest = d[i].at_ns;
			struct deadline *popped = deadline_pop_due(&h, now);
			assert_int_equal(popped != NULL, earliest <= now);
			if (popped)
				assert_int_equal(popped->at_ns, earliest);
		}
	}
	size_t n_set = 0, n_popped = 0;
	for (size_t i = 0; i < ARRAY_SIZE(d); i++)
		n_set += d[i].is_set;
	while (deadline_pop_due(&h, UINT64_MAX - 1))
		n_popped++;
	assert_int_equal(n_popped, n_set);
	deadline_heap_finish(&h);
}

static void the_timer_wakes_for_the_earliest_deadline(void **state)
{
	(void)state;
	struct deadline_heap h;
	struct deadline soon = { 0 }, late = { 0 };
	assert_int_equal(deadline_heap_init(&h), 0);
	uint64_t start = clock_boot_ns();
	deadline_set(&h, &late, deadline_after_ms(start, 3600 * 1000));
	assert_false(is_readable(h.fd, 0));
	deadline_set(&h, &soon, deadline_after_ms(start, 30));
	assert_true(is_readable(h.fd, 5000));
	uint64_t now = clock_boot_ns();
	assert_true(now >= start + 30 * NS_PER_MS);
	assert_ptr_equal(deadline_pop_due(&h, now), &soon);
	assert_null(deadline_pop_due(&h, now));
	/* Armed for the late one: quiet again. */
	assert_false(is_readable(h.fd, 0));
	assert_int_equal(h.armed_ns, late.at_ns);
	deadline_heap_finish(&h);
	assert_int_equal(h.fd, -1);
}

static void a_deadline_in_the_past_wakes_at_once_and_an_empty_heap_never(void **state)
{
	(void)state;
	struct deadline_heap h;
	struct deadline d = { 0 };
	assert_int_equal(deadline_heap_init(&h), 0);
	deadline_set(&h, &d, 0);
	assert_true(is_readable(h.fd, 5000));
	assert_ptr_equal(deadline_pop_due(&h, clock_boot_ns()), &d);
	assert_null(deadline_pop_due(&h, clock_boot_ns()));
	assert_false(is_readable(h.fd, 20));
	assert_int_equal(h.armed_ns, UINT64_MAX);
	/* A cancelled one may wake, but yields nothing, and only once. */
	deadline_set(&h, &d, deadline_after_ms(clock_boot_ns(), 10));
	deadline_cancel(&h, &d);
	is_readable(h.fd, 100);
	assert_null(deadline_pop_due(&h, clock_boot_ns()));
	assert_false(is_readable(h.fd, 20));
	deadline_heap_finish(&h);
}

/* I5 */
static void a_huge_limit_is_far_away_and_never_in_the_past(void **state)
{
	(void)state;
	assert_int_equal(deadline_after_ms(5, 2), 5 + 2 * NS_PER_MS);
	assert_int_equal(deadline_after_ms(5, UINT64_MAX), UINT64_MAX);
	assert_int_equal(deadline_after_ms(UINT64_MAX - 5, 1), UINT64_MAX);
	struct deadline_heap h;
	struct deadline d = { 0 };
	assert_int_equal(deadline_heap_init(&h), 0);
	deadline_set(&h, &d, UINT64_MAX - 1);
	assert_false(is_readable(h.fd, 20));
	assert_null(deadline_pop_due(&h, clock_boot_ns()));
	deadline_heap_finish(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(deadlines_come_out_in_order_and_only_when_due),
		cmocka_unit_test(a_cancelled_deadline_never_fires_and_one_set_anew_fires_once),
		cmocka_unit_test(the_heap_agrees_with_a_plain_array),
		cmocka_unit_test(the_timer_wakes_for_the_earliest_deadline),
		cmocka_unit_test(a_deadline_in_the_past_wakes_at_once_and_an_empty_heap_never),
		cmocka_unit_test(a_huge_limit_is_far_away_and_never_in_the_past),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
