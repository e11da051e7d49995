/* Id maps for mounts. */
#include "jail/idmap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define BASE 1879113728u

/* Where an id on disk is seen, by the kernel's rule for such a map; UINT32_MAX when it is not in
 * the map. */
static uint32_t look_up(const char *map, uint32_t id)
{
	unsigned from, to, count;
	int used;
	for (; sscanf(map, "%u %u %u\n%n", &from, &to, &count, &used) == 3; map += used)
		if (id >= from && id - from < count)
			return to + (id - from);
	return UINT32_MAX;
}

static void single_map_has_one_id(void **state)
{
	char map[IDMAP_TEXT_SIZE];
	idmap_text_single(map, 61299, BASE + 1000);
	assert_int_equal(look_up(map, 61299), BASE + 1000);
	assert_int_equal(look_up(map, 0), UINT32_MAX);
	assert_int_equal(look_up(map, 1000), UINT32_MAX);
}

static void swap_map_is_one_to_one(void **state)
{
	static const uint32_t owners[] = { 0, 1, 999, 1000, 1001, 65534, 65535, 65536, 4000000 };
	char map[IDMAP_TEXT_SIZE];
	for (size_t i = 0; i < sizeof(owners) / sizeof(owners[0]); i++) {
		for (uint32_t inside = 0; inside <= 1000; inside += 1000) {
			idmap_text_swap(map, BASE, owners[i], inside);
			assert_int_equal(look_up(map, owners[i]), BASE + inside);
			if (owners[i] < 65536)
				assert_int_equal(look_up(map, inside), BASE + owners[i]);
			else
				assert_int_equal(look_up(map, inside), UINT32_MAX);
			for (uint32_t id = 0; id < 65536; id += 7)
				if (id != owners[i] && id != inside)
					assert_int_equal(look_up(map, id), BASE + id);
			assert_int_equal(look_up(map, 70000), UINT32_MAX);
		}
	}
}

static void group_map_keeps_the_clients_other_groups(void **state)
{
	char map[IDMAP_TEXT_SIZE];
	struct peer p = {
		.uid = 5, .gid = 50, .groups = { 50, 27, 27, 1000, 70000, 100 }, .n_groups = 6
	};
	idmap_text_groups(map, BASE, 1000, &p);
	assert_int_equal(look_up(map, 50), BASE + 1000);
	assert_int_equal(look_up(map, 27), BASE + 27);
	assert_int_equal(look_up(map, 100), BASE + 100);
	assert_int_equal(look_up(map, 1000), UINT32_MAX);
	assert_int_equal(look_up(map, 70000), UINT32_MAX);
	assert_int_equal(look_up(map, 0), UINT32_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(single_map_has_one_id),
		cmocka_unit_test(swap_map_is_one_to_one),
		cmocka_unit_test(group_map_keeps_the_clients_other_groups),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
