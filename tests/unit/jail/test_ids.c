/* Slots of ids. */
#include "jail/ids.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

static struct ids ids;

static void live_slots_are_never_given_twice(void **state)
{
	static uint8_t seen[IDS_SLOT_COUNT];
	memset(seen, 0, sizeof(seen));
	ids_init(&ids, WARDEN_MODE_ROOT, 0, 0);
	for (int i = 0; i < IDS_SLOT_COUNT; i++) {
		int slot = ids_take_slot(&ids);
		assert_in_range(slot, 0, IDS_SLOT_COUNT - 1);
		assert_int_equal(seen[slot]++, 0);
	}
	assert_int_equal(ids_take_slot(&ids), -EBUSY);
	assert_false(ids_has_slot(&ids));
	ids_release_slot(&ids, 77);
	assert_true(ids_has_slot(&ids));
	assert_int_equal(ids_take_slot(&ids), 77);
}

static void a_range_rests_before_it_is_used_again(void **state)
{
	ids_init(&ids, WARDEN_MODE_ROOT, 0, 0);
	int first = ids_take_slot(&ids);
	ids_release_slot(&ids, first);
	for (int i = 0; i < 32; i++) {
		int slot = ids_take_slot(&ids);
		assert_int_not_equal(slot, first);
		ids_release_slot(&ids, slot);
	}
}

static bool has_map(int slot)
{
	return ids.image_ns[slot] >= 0 && fcntl(ids.image_ns[slot], F_GETFD) >= 0;
}

static void only_ranges_that_take_turns_keep_their_map(void **state)
{
	ids_init(&ids, WARDEN_MODE_ROOT, 0, 0);
	int last = ids.rotation;
	for (int i = 0; i <= last; i++) {
		assert_int_equal(ids_take_slot(&ids), i);
		ids.image_ns[i] = eventfd(0, EFD_CLOEXEC);
	}
	assert_true(has_map(0) && has_map(last));
	for (int i = 0; i <= last; i++)
		ids_release_slot(&ids, i);
	assert_true(has_map(0) && has_map(last - 1));
	assert_int_equal(ids.image_ns[last], -1);
	for (int i = 0; i < last; i++)
		close(ids.image_ns[i]);
}

static void ranges_do_not_meet_each_other_or_known_users(void **state)
{
	ids_init(&ids, WARDEN_MODE_ROOT, 0, 0);
	assert_true(ids_slot_base(&ids, 0) >= IDS_BASE + IDS_PER_TASK);
	for (int i = 0; i + 1 < IDS_SLOT_COUNT; i++)
		assert_int_equal(ids_slot_base(&ids, i) + IDS_PER_TASK, ids_slot_base(&ids, i + 1));
	assert_true((uint64_t)ids_slot_base(&ids, IDS_SLOT_COUNT - 1) + IDS_PER_TASK - 1 <=
		    2147352575u);
}

static void ranges_may_be_elsewhere_and_fewer(void **state)
{
	ids_init(&ids, WARDEN_MODE_ROOT, 1000000, 2);
	assert_int_equal(ids_take_slot(&ids), 0);
	assert_int_equal(ids_take_slot(&ids), 1);
	assert_int_equal(ids_take_slot(&ids), -EBUSY);
	assert_int_equal(ids_slot_base(&ids, 1), 1000000 + 2 * IDS_PER_TASK);
}

static void without_privilege_there_is_one_slot_and_it_is_shared(void **state)
{
	ids_init(&ids, WARDEN_MODE_SINGLE, 0, 0);
	assert_int_equal(ids_take_slot(&ids), 0);
	assert_int_equal(ids_take_slot(&ids), 0);
	ids_release_slot(&ids, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(live_slots_are_never_given_twice),
		cmocka_unit_test(a_range_rests_before_it_is_used_again),
		cmocka_unit_test(only_ranges_that_take_turns_keep_their_map),
		cmocka_unit_test(ranges_do_not_meet_each_other_or_known_users),
		cmocka_unit_test(ranges_may_be_elsewhere_and_fewer),
		cmocka_unit_test(without_privilege_there_is_one_slot_and_it_is_shared),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
