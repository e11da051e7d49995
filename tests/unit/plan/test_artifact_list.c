/* Artifacts as bytes. */
#include "harness.h"

#include "plan/artifact_list.h"

#include "base/limits.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

TEST(what_goes_in_comes_out)
{
	const struct artifact_item items[] = {
		{ ARTIFACT_OK, 0644, 7, 512, { 1, 2, 3 }, (char *)"a" },
		{ ARTIFACT_NOT_REGULAR, 0, 0, 0, { 0 }, (char *)"/dir/with\nnewline" },
		{ ARTIFACT_TOO_LARGE, 0600, UINT64_MAX, 0, { 0 }, (char *)"\xff\xfe" },
	};
	struct buf b;
	struct artifact_item a;
	buf_init(&b, LIMIT_ARTIFACT_LIST_BYTES);
	for (size_t i = 0; i < ARRAY_SIZE(items); i++)
		assert_int_equal(artifact_list_put(&b, &items[i]), 0);
	struct buf_reader r = { .p = (const uint8_t *)buf_data(&b), .left = buf_len(&b) };
	for (size_t i = 0; i < ARRAY_SIZE(items); i++) {
		assert_true(artifact_list_get(&r, &a));
		assert_int_equal(a.error, items[i].error);
		assert_int_equal(a.mode, items[i].mode);
		assert_true(a.bytes == items[i].bytes && a.offset == items[i].offset);
		assert_memory_equal(a.sha256, items[i].sha256, SHA256_SIZE);
		assert_string_equal(a.path, items[i].path);
		free(a.path);
	}
	assert_false(artifact_list_get(&r, &a));
	assert_false(r.failed);
	buf_finish(&b);
}

TEST(what_has_no_room_is_not_put_in_half)
{
	const struct artifact_item a = { .path = (char *)"0123456789" };
	struct buf b;
	buf_init(&b, 90);
	assert_int_equal(artifact_list_put(&b, &a), 0);
	size_t len = buf_len(&b);
	assert_int_equal(artifact_list_put(&b, &a), -ENOBUFS);
	assert_int_equal(buf_len(&b), len);
	buf_finish(&b);
}

/* Jail init is not trusted with where a name leads. */
TEST(bytes_that_are_none_of_a_list_are_refused)
{
	static const char *const bad[] = { "", "/", "..", "a/../b", "//a", "a/" };
	struct artifact_item a = { .path = (char *)"path" };
	struct buf b;
	buf_init(&b, 1000);
	assert_int_equal(artifact_list_put(&b, &a), 0);
	for (size_t len = 1; len < buf_len(&b); len++) {
		struct buf_reader cut = { .p = (const uint8_t *)buf_data(&b), .left = len };
		assert_false(artifact_list_get(&cut, &a));
		assert_true(cut.failed);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		buf_clear(&b);
		a = (struct artifact_item){ .path = (char *)bad[i] };
		assert_int_equal(artifact_list_put(&b, &a), 0);
		struct buf_reader r = { .p = (const uint8_t *)buf_data(&b), .left = buf_len(&b) };
		assert_false(artifact_list_get(&r, &a));
		assert_true(r.failed);
	}
	buf_finish(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_goes_in_comes_out),
		cmocka_unit_test(what_has_no_room_is_not_put_in_half),
		cmocka_unit_test(bytes_that_are_none_of_a_list_are_refused),
	};
	return RUN_TESTS(tests);
}
