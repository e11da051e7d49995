/* What one uid takes of the loop's time and of memory. */
#include "harness.h"

#include "daemon/tenant.h"

TEST(connections_of_one_uid_share_an_account_that_goes_with_the_last)
{
	struct tenants ts;
	tenants_init(&ts);
	struct tenant *a = tenant_join(&ts, 1), *b = tenant_join(&ts, 2), *c = tenant_join(&ts, 1);
	assert_ptr_equal(a, c);
	assert_ptr_not_equal(a, b);
	tenant_leave(&a);
	assert_null(a);
	assert_false(list_empty(&ts.all));
	tenant_leave(&c);
	tenant_leave(&b);
	assert_true(list_empty(&ts.all));
	tenant_leave(&b);
}

TEST(a_turn_is_over_for_who_has_used_his_part_only)
{
	struct tenants ts;
	tenants_init(&ts);
	struct tenant *a = tenant_join(&ts, 1), *b = tenant_join(&ts, 2);
	a->used_ns = TENANT_TURN_NS;
	assert_false(tenant_has_time(a));
	assert_true(tenant_has_time(b));
	/* What he is told is another account. */
	assert_true(tenant_may_be_told(a));
	b->told_ns = TENANT_TURN_NS;
	assert_false(tenant_may_be_told(b));
	tenants_turn(&ts);
	assert_true(tenant_has_time(a));
	assert_true(tenant_may_be_told(b));
	tenant_leave(&a);
	tenant_leave(&b);
}

TEST(sums_follow_their_shares)
{
	size_t sum = 0, first = 0, second = 0;
	tenant_count(&sum, &first, 100);
	tenant_count(&sum, &second, 50);
	assert_int_equal(sum, 150);
	tenant_count(&sum, &first, 10);
	assert_int_equal(sum, 60);
	tenant_count(&sum, &first, 0);
	tenant_count(&sum, &second, 0);
	assert_int_equal(sum, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(connections_of_one_uid_share_an_account_that_goes_with_the_last),
		cmocka_unit_test(a_turn_is_over_for_who_has_used_his_part_only),
		cmocka_unit_test(sums_follow_their_shares),
	};
	return RUN_TESTS(tests);
}
