/* Changes as bytes. */
#include "harness.h"

#include "plan/change_list.h"

#include "base/limits.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

TEST(what_goes_in_comes_out)
{
	static const struct change_entry entries[] = {
		{ CHANGE_ADDED, CHANGE_FILE, 0644, 7, "a" },
		{ CHANGE_MODIFIED, CHANGE_LINK, 0777, UINT64_MAX, "dir/with\nnewline" },
		{ CHANGE_DELETED, CHANGE_DIRECTORY, 0, 0, "\xff\xfe" },
		{ CHANGE_ADDED, CHANGE_SPECIAL, 0600, 0, "fifo" },
	};
	struct buf b;
	struct change_entry c;
	buf_init(&b, LIMIT_CHANGES_LIST_BYTES);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(change_list_put(&b, &entries[i]), 0);
	struct buf_reader r = { .p = (const uint8_t *)buf_data(&b), .left = buf_len(&b) };
	for (size_t i = 0; i < 4; i++) {
		assert_true(change_list_get(&r, &c));
		assert_int_equal(c.kind, entries[i].kind);
		assert_int_equal(c.type, entries[i].type);
		assert_int_equal(c.mode, entries[i].mode);
		assert_true(c.bytes == entries[i].bytes);
		assert_string_equal(c.path, entries[i].path);
		free((char *)c.path);
	}
	assert_false(change_list_get(&r, &c));
	assert_false(r.failed);
	buf_finish(&b);
}

TEST(what_has_no_room_is_not_put_in_half)
{
	const struct change_entry c = { CHANGE_ADDED, CHANGE_FILE, 0644, 7, "0123456789" };
	struct buf b;
	buf_init(&b, 40);
	assert_int_equal(change_list_put(&b, &c), 0);
	size_t len = buf_len(&b);
	assert_int_equal(change_list_put(&b, &c), -ENOBUFS);
	assert_int_equal(buf_len(&b), len);
	buf_finish(&b);
}

TEST(bytes_that_are_none_of_a_list_are_refused)
{
	const struct change_entry good = { CHANGE_ADDED, CHANGE_FILE, 0644, 7, "path" };
	struct change_entry c;
	struct buf b;
	buf_init(&b, 100);
	assert_int_equal(change_list_put(&b, &good), 0);
	for (size_t len = 1; len < buf_len(&b); len++) {
		struct buf_reader cut = { .p = (const uint8_t *)buf_data(&b), .left = len };
		assert_false(change_list_get(&cut, &c));
		assert_true(cut.failed);
	}
	for (size_t at = 0; at < 2; at++) {
		char *byte = buf_data(&b) + at, old = *byte;
		*byte = 9;
		struct buf_reader r = { .p = (const uint8_t *)buf_data(&b), .left = buf_len(&b) };
		assert_false(change_list_get(&r, &c));
		*byte = old;
	}
	buf_finish(&b);
}

TEST(kinds_and_types_have_names)
{
	assert_string_equal(change_kind_name(CHANGE_DELETED), "deleted");
	assert_string_equal(change_type_name(CHANGE_LINK), "symlink");
	assert_string_equal(change_kind_name(CHANGE_KIND_COUNT), "?");
	assert_string_equal(change_type_name(CHANGE_TYPE_COUNT), "?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_goes_in_comes_out),
		cmocka_unit_test(what_has_no_room_is_not_put_in_half),
		cmocka_unit_test(bytes_that_are_none_of_a_list_are_refused),
		cmocka_unit_test(kinds_and_types_have_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
