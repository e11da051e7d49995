/* What is told of the pool, and to whom. */
#include "harness.h"

#include "daemon/pool_view.h"
#include "plan/plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void tell(struct pool_view *v, uint32_t number, uid_t owner, uint32_t parked)
{
	struct wire_pooled k = {
		.number = number, .is_known = 1, .owner = owner, .parked = parked
	};
	k.misses[WIRE_POOL_WHY_NEW] = 2;
	pool_view_on_wire(v, &k);
}

static size_t count(const struct pool_view *v, uid_t uid, bool all)
{
	json_t *list = pool_view_to_json(v, uid, all);
	size_t n = json_array_size(list);
	json_decref(list);
	return n;
}

TEST(others_kinds_are_not_shown)
{
	struct pool_view v = { 0 };
	tell(&v, 0, 1000, 1);
	tell(&v, 5, 1001, 2);
	tell(&v, WIRE_POOL_KINDS_MAX - 1, 1001, 3);
	assert_int_equal(count(&v, 1000, false), 1);
	assert_int_equal(count(&v, 1001, false), 2);
	assert_int_equal(count(&v, 7, false), 0);
	assert_int_equal(count(&v, 7, true), 3);
}

TEST(a_kind_that_is_no_more_goes)
{
	struct pool_view v = { 0 };
	tell(&v, 3, 1000, 1);
	const struct wire_pooled gone = { .number = 3 };
	pool_view_on_wire(&v, &gone);
	assert_int_equal(count(&v, 0, true), 0);
	tell(&v, 3, 1000, 1);
	pool_view_forget(&v);
	assert_int_equal(count(&v, 0, true), 0);
}

TEST(a_kind_is_told_in_words)
{
	struct pool_view v = { 0 };
	struct wire_pooled k = { .number = 1,
		.is_known = 1,
		.image = PLAN_IMAGE_DIR,
		.user = PLAN_USER_ROOT,
		.network = PLAN_NETWORK_HOST,
		.owner = 1000,
		.processes = 5,
		.parked = 1,
		.wanted = 2,
		.hits = 7 };
	k.misses[WIRE_POOL_WHY_TAKEN] = 4;
	snprintf(k.path, sizeof(k.path), "/srv/image");
	pool_view_on_wire(&v, &k);
	json_t *list = pool_view_to_json(&v, 1000, false);
	char *text = json_dumps(list, JSON_COMPACT);
	assert_string_equal(text,
		"[{\"uid\":1000,\"image\":\"/srv/"
		"image\",\"user\":\"root\",\"network\":\"host\",\"processes\":5,"
		"\"parked\":1,\"wanted\":2,\"hits\":7,\"misses\":{\"new\":0,\"taken\":4,\"no_"
		"room\":0,"
		"\"changed\":0,\"cow\":0,\"unreachable\":0},\"unreachable\":false}]");
	free(text);
	json_decref(list);
	/* A path that is not text, or that is cut off within a character. */
	snprintf(k.path, sizeof(k.path), "/srv/\xff");
	pool_view_on_wire(&v, &k);
	list = pool_view_to_json(&v, 1000, false);
	assert_true(json_is_null(json_object_get(json_array_get(list, 0), "image")));
	json_decref(list);
}

TEST(metrics_are_by_what_the_kinds_are)
{
	struct pool_view v = { 0 };
	tell(&v, 0, 1000, 1);
	tell(&v, 1, 1001, 2);
	struct wire_pooled k = { .number = 2, .is_known = 1, .image = PLAN_IMAGE_DIR, .parked = 4 };
	pool_view_on_wire(&v, &k);
	json_t *list = json_array();
	pool_view_add_metrics(&v, &list);
	assert_int_equal(json_array_size(list), 2);
	json_int_t values[2];
	for (size_t i = 0; i < 2; i++)
		values[i] = json_integer_value(json_object_get(json_array_get(list, i), "value"));
	assert_int_equal(values[0], 3);
	assert_int_equal(values[1], 4);
	json_decref(list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(others_kinds_are_not_shown),
		cmocka_unit_test(a_kind_that_is_no_more_goes),
		cmocka_unit_test(a_kind_is_told_in_words),
		cmocka_unit_test(metrics_are_by_what_the_kinds_are),
	};
	return RUN_TESTS(tests);
}
