/* One that waits for much room holds up others, but not for ever; and what one uid may have. */
#include "harness.h"

#include "base/cleanup.h"
#include "sched/queue.h"

#define SECOND 1000000000ull

static const struct sched_caps caps = { 100, 100, 1000, 1000, .memory_bytes = 100 };

static void submit(struct sched *s, struct sched_entry *e, uid_t uid, uint64_t memory_bytes)
{
	*e = (struct sched_entry){ 0 };
	const struct sched_want want = { .at_ns = s->now_ns, .memory_bytes = memory_bytes };
	assert_int_equal(sched_submit(s, e, uid, &want, NULL), SCHED_OK);
}

/* Whether a small task of that uid starts now; if so it is over at once. */
static bool starts(struct sched *s, uid_t uid)
{
	struct sched_entry e;
	submit(s, &e, uid, 10);
	struct sched_entry *next = sched_next(s);
	assert_true(!next || next == &e);
	sched_remove(s, &e);
	return next;
}

/* As a small task that runs for days and a large one that waits for its end. */
static void begin(struct sched *s, struct sched_entry *small, struct sched_entry *large)
{
	sched_init(s, &caps);
	s->now_ns = 1000 * SECOND;
	submit(s, small, 1, 1);
	assert_ptr_equal(sched_next(s), small);
	submit(s, large, 2, 100);
	assert_null(sched_next(s));
	for (unsigned i = 0; i < SCHED_OVERTAKEN_MAX; i++)
		assert_true(starts(s, 3));
	assert_false(starts(s, 3));
}

TEST(others_are_held_up_for_a_part_of_the_time_only)
{
	struct sched s;
	struct sched_entry small, large;
	begin(&s, &small, &large);
	unsigned n_started = 0, longest = 0, held = 0;
	for (unsigned i = 0; i < 3600; i++) {
		s.now_ns += SECOND;
		bool is_started = starts(&s, 3);
		n_started += is_started;
		held = is_started ? 0 : held + 1;
		longest = held > longest ? held : longest;
	}
	assert_in_range(longest, 50, 61);
	assert_in_range(n_started, 3600 * 7 / 10, 3600 * 9 / 10);
	sched_remove(&s, &small);
	assert_ptr_equal(sched_next(&s), &large);
	sched_remove(&s, &large);
	sched_finish(&s);
}

TEST(a_rest_is_not_cut_short_by_asking_anew)
{
	struct sched s;
	struct sched_entry small, large;
	begin(&s, &small, &large);
	unsigned n_held = 0;
	for (unsigned i = 0; i < 3600; i++) {
		s.now_ns += SECOND;
		if (i % 20 == 0) {
			sched_remove(&s, &large);
			submit(&s, &large, 2, 100);
		}
		/* As often as it takes to wear out its patience. */
		for (unsigned n = 0; n <= SCHED_OVERTAKEN_MAX; n++)
			if (!starts(&s, 3)) {
				n_held++;
				break;
			}
	}
	assert_in_range(n_held, 100, 3600 * 3 / 10);
	sched_remove(&s, &small);
	sched_remove(&s, &large);
	sched_finish(&s);
}

TEST(tasks_of_its_own_uid_never_overtake_it_in_a_rest)
{
	struct sched s;
	struct sched_entry small, large;
	begin(&s, &small, &large);
	s.now_ns += SCHED_HOLD_NS + SECOND;
	assert_true(starts(&s, 3));
	assert_false(starts(&s, 2));
	sched_remove(&s, &small);
	sched_remove(&s, &large);
	sched_finish(&s);
}

TEST(what_its_own_uid_prefers_may_go_in_its_place)
{
	struct sched s;
	struct sched_entry small, large, urgent = { 0 }, more = { 0 };
	begin(&s, &small, &large);
	struct sched_want want = { .at_ns = s.now_ns, .priority = 1, .memory_bytes = 99 };
	assert_int_equal(sched_submit(&s, &urgent, 2, &want, NULL), SCHED_OK);
	want.memory_bytes = 1;
	assert_int_equal(sched_submit(&s, &more, 2, &want, NULL), SCHED_OK);
	assert_ptr_equal(sched_next(&s), &urgent);
	sched_remove(&s, &urgent);
	/* Its patience was for one of them. */
	assert_int_equal(large.n_overtaken, 1);
	assert_true(starts(&s, 3));
	sched_remove(&s, &more);
	sched_remove(&s, &small);
	assert_ptr_equal(sched_next(&s), &large);
	sched_remove(&s, &large);
	sched_finish(&s);
}

/* Else who asks for much would start before others whatever it has used. */
TEST(one_whose_uid_is_in_debt_is_not_overtaken)
{
	struct sched s;
	struct sched_entry small, large;
	sched_init(&s, &caps);
	s.now_ns = 1000 * SECOND;
	submit(&s, &small, 1, 60);
	assert_ptr_equal(sched_next(&s), &small);
	submit(&s, &large, 1, 60);
	sched_charge(&s, &small, 3600 * 1000000ull, 3600 * 1000000ull);
	sched_remove(&s, &small);
	submit(&s, &small, 2, 60);
	assert_ptr_equal(sched_next(&s), &small);
	for (unsigned i = 0; i < 10 * SCHED_OVERTAKEN_MAX; i++)
		assert_true(starts(&s, 3));
	assert_true(large.n_overtaken < SCHED_OVERTAKEN_MAX);
	sched_remove(&s, &small);
	sched_remove(&s, &large);
	sched_finish(&s);
}

TEST(one_uid_has_no_more_than_its_part_and_holds_nobody_up_by_it)
{
	struct sched s;
	struct sched_entry first, second, too_much = { 0 };
	const struct sched_caps shared = { 100, 100, 1000, 1000, 100, 1000, 80, 800 };
	sched_init(&s, &shared);
	const struct sched_want memory = { .memory_bytes = 81 }, cpus = { .cpu_millis = 801 };
	assert_int_equal(sched_submit(&s, &too_much, 1, &memory, NULL), SCHED_TOO_MUCH_MEMORY_UID);
	assert_int_equal(sched_submit(&s, &too_much, 1, &cpus, NULL), SCHED_TOO_MANY_CPUS_UID);
	submit(&s, &first, 1, 10);
	assert_ptr_equal(sched_next(&s), &first);
	submit(&s, &second, 1, 75);
	for (unsigned i = 0; i < 10 * SCHED_OVERTAKEN_MAX; i++)
		assert_true(starts(&s, 2));
	assert_int_equal(second.n_overtaken, 0);
	sched_remove(&s, &first);
	assert_ptr_equal(sched_next(&s), &second);
	sched_remove(&s, &second);
	assert_int_equal(s.memory_bytes, 0);
	sched_finish(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(others_are_held_up_for_a_part_of_the_time_only),
		cmocka_unit_test(a_rest_is_not_cut_short_by_asking_anew),
		cmocka_unit_test(tasks_of_its_own_uid_never_overtake_it_in_a_rest),
		cmocka_unit_test(what_its_own_uid_prefers_may_go_in_its_place),
		cmocka_unit_test(one_whose_uid_is_in_debt_is_not_overtaken),
		cmocka_unit_test(one_uid_has_no_more_than_its_part_and_holds_nobody_up_by_it),
	};
	return RUN_TESTS(tests);
}
