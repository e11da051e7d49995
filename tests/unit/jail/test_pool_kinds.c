/* Which kinds of jails are kept ready, how many of each, and who may take them. */
#include "harness.h"

#include "base/clock.h"
#include "jail/pool_kinds.h"

#include <string.h>

#define IDLE_NS (60 * NS_PER_S)
#define A	1000
#define B	1001

static struct pool_key key_of(uint64_t processes)
{
	return (struct pool_key){ .processes = processes };
}

static struct pool_kind *asked(
	struct pool_kinds *t, uint64_t processes, uid_t owner, uint64_t now_ns, unsigned times)
{
	struct pool_key key = key_of(processes);
	struct pool_kind *k = pool_kinds_find(t, &key, owner);
	if (!k)
		k = pool_kinds_add(t, &key, owner);
	assert_non_null(k);
	for (unsigned i = 0; i < times; i++)
		pool_kind_note(k, now_ns);
	return k;
}

static void finish(struct pool_kinds *t)
{
	for (unsigned i = 0; i < POOL_KINDS_MAX; i++)
		if (t->all[i])
			pool_kinds_remove(t, t->all[i]);
}

TEST(a_kind_is_all_that_is_decided_before)
{
	const struct pool_key plain = key_of(1);
	struct pool_key other[] = { plain, plain, plain, plain, plain, plain, plain, plain, plain };
	other[0].image = PLAN_IMAGE_DIR;
	other[1].user = PLAN_USER_ROOT;
	other[2].network = PLAN_NETWORK_HOST;
	other[3].processes = 2;
	other[4].dev = 1;
	other[5].ino = 1;
	other[6].mount = 1;
	other[7].uid = 1;
	other[8].gid = 1;
	assert_true(pool_key_is_same(&plain, &plain));
	for (size_t i = 0; i < 9; i++)
		assert_false(pool_key_is_same(&plain, &other[i]));
}

TEST(one_that_nobody_asks_for_ends_at_once_however_young_the_machine_is)
{
	struct pool_kinds t = { 0 };
	uint64_t now = 5 * NS_PER_S;
	struct pool_kind *k = asked(&t, 1, A, now, 1);
	assert_true(pool_kind_end(k, IDLE_NS) == now + IDLE_NS);
	k->demand = (struct pool_demand){ 0 };
	assert_true(pool_kind_end(k, IDLE_NS) <= now);
	finish(&t);
}

TEST(the_first_kind_of_a_user_is_made_at_once_and_others_when_they_come_again)
{
	struct pool_kinds t = { 0 };
	uint64_t now = 100 * NS_PER_S;
	struct pool_kind *first = asked(&t, 1, A, now, 1), *other = asked(&t, 2, A, now, 1);
	pool_kinds_allot(&t, now, 8, IDLE_NS);
	assert_true(first->allotted > 0);
	assert_int_equal(other->allotted, 0);
	assert_ptr_equal(pool_kinds_short(&t, now), first);
	pool_kind_note(other, now + NS_PER_S);
	pool_kinds_allot(&t, now + NS_PER_S, 8, IDLE_NS);
	assert_true(other->allotted > 0);
	finish(&t);
}

TEST(a_kind_that_nobody_asks_for_has_no_place)
{
	struct pool_kinds t = { 0 };
	uint64_t now = 100 * NS_PER_S;
	struct pool_kind *k = asked(&t, 1, A, now, 3);
	k->n_ready = 1;
	pool_kinds_allot(&t, now + IDLE_NS - 1, 8, IDLE_NS);
	assert_int_equal(k->allotted, 1);
	assert_null(pool_kinds_surplus(&t));
	pool_kinds_allot(&t, now + IDLE_NS, 8, IDLE_NS);
	assert_int_equal(k->allotted, 0);
	assert_ptr_equal(pool_kinds_surplus(&t), k);
	finish(&t);
}

TEST(nobody_takes_more_than_his_share_from_another)
{
	struct pool_kinds t = { 0 };
	uint64_t now = 100 * NS_PER_S;
	struct pool_kind *calm = asked(&t, 1, B, now, 1);
	unsigned sum = 0;
	/* Many, odd and fast. */
	for (unsigned i = 0; i < POOL_KINDS_OWNER; i++)
		asked(&t, i + 1, A, now, 1000);
	for (unsigned max = 2; max < 64; max++) {
		pool_kinds_allot(&t, now, max, IDLE_NS);
		assert_int_equal(calm->allotted, 1);
		sum = 0;
		for (unsigned i = 0; i < POOL_KINDS_MAX; i++)
			sum += t.all[i] ? t.all[i]->allotted : 0;
		assert_int_equal(sum, max);
	}
	finish(&t);
}

TEST(what_is_asked_for_most_comes_first)
{
	struct pool_kinds t = { 0 };
	uint64_t now = 100 * NS_PER_S;
	struct pool_kind *rare = asked(&t, 1, A, now, 1), *often = asked(&t, 2, A, now, 1);
	for (unsigned i = 0; i < 20; i++) {
		pool_kind_note(often, now += 50 * NS_PER_MS);
		pool_kind_note(often, now += 50 * NS_PER_MS);
		pool_kind_note(rare, now += 50 * NS_PER_MS);
	}
	pool_kinds_allot(&t, now, 1, IDLE_NS);
	assert_int_equal(often->allotted, 1);
	assert_false(often->lacks_room);
	assert_true(rare->lacks_room);
	pool_kinds_allot(&t, now, 2, IDLE_NS);
	assert_int_equal(often->allotted, 1);
	assert_int_equal(rare->allotted, 1);
	finish(&t);
}

TEST(one_that_cannot_be_made_keeps_no_place)
{
	struct pool_kinds t = { 0 };
	uint64_t now = 100 * NS_PER_S;
	struct pool_kind *k = asked(&t, 1, A, now, 1);
	k->not_before_ns = now + 1;
	pool_kinds_allot(&t, now, 8, IDLE_NS);
	assert_null(pool_kinds_short(&t, now));
	pool_kinds_allot(&t, now + 1, 8, IDLE_NS);
	assert_ptr_equal(pool_kinds_short(&t, now + 1), k);
	/* What is dying counts: the place is not free. */
	k->n_busy = 1;
	assert_null(pool_kinds_short(&t, now + 1));
	finish(&t);
}

TEST(the_last_of_another_is_lent_to_who_has_not_just_asked)
{
	struct pool_kinds t = { 0 };
	uint64_t now = 100 * NS_PER_S;
	struct pool_kind *mine = asked(&t, 1, A, now, 1), *his = asked(&t, 1, B, now, 1);
	assert_null(pool_kinds_lender(&t, mine));
	his->n_ready = 1;
	assert_ptr_equal(pool_kinds_lender(&t, mine), his);
	pool_kind_note(mine, now + NS_PER_MS);
	assert_null(pool_kinds_lender(&t, mine));
	his->n_ready = 2;
	assert_ptr_equal(pool_kinds_lender(&t, mine), his);
	mine->n_ready = 1;
	assert_ptr_equal(pool_kinds_lender(&t, mine), mine);
	struct pool_kind *other = asked(&t, 2, A, now, 1);
	assert_null(pool_kinds_lender(&t, other));
	finish(&t);
}

TEST(kinds_are_bounded_and_the_greedy_lose_theirs)
{
	struct pool_kinds t = { 0 };
	struct pool_kind *victim;
	uint64_t now = 100 * NS_PER_S;
	struct pool_kind *his = asked(&t, 1, B, now, 1);
	for (unsigned i = 0; i < POOL_KINDS_OWNER; i++)
		asked(&t, 1 + i, A, now + i, 1);
	assert_true(pool_kinds_victim(&t, B, &victim));
	assert_null(victim);
	assert_true(pool_kinds_victim(&t, A, &victim));
	assert_int_equal(victim->owner, A);
	assert_int_equal(victim->key.processes, 1);
	/* What is on its way still says whose it is. */
	victim->n_busy = 1;
	assert_true(pool_kinds_victim(&t, A, &victim));
	assert_int_equal(victim->key.processes, 2);
	for (unsigned i = POOL_KINDS_OWNER + 1; i < POOL_KINDS_MAX; i++)
		asked(&t, 1, 2000 + i, now, 1);
	assert_true(pool_kinds_victim(&t, 5000, &victim));
	assert_int_equal(victim->owner, A);
	assert_ptr_equal(his, t.all[0]);
	struct pool_key key = key_of(9);
	assert_null(pool_kinds_add(&t, &key, 5000));
	for (unsigned i = 0; i < POOL_KINDS_MAX; i++)
		t.all[i]->n_busy = 1;
	assert_false(pool_kinds_victim(&t, 5000, &victim));
	finish(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_kind_is_all_that_is_decided_before),
		cmocka_unit_test(
			the_first_kind_of_a_user_is_made_at_once_and_others_when_they_come_again),
		cmocka_unit_test(
			one_that_nobody_asks_for_ends_at_once_however_young_the_machine_is),
		cmocka_unit_test(a_kind_that_nobody_asks_for_has_no_place),
		cmocka_unit_test(nobody_takes_more_than_his_share_from_another),
		cmocka_unit_test(what_is_asked_for_most_comes_first),
		cmocka_unit_test(one_that_cannot_be_made_keeps_no_place),
		cmocka_unit_test(the_last_of_another_is_lent_to_who_has_not_just_asked),
		cmocka_unit_test(kinds_are_bounded_and_the_greedy_lose_theirs),
	};
	return RUN_TESTS(tests);
}
