#include "harness.h"

#include "base/buf.h"

#include <errno.h>
#include <string.h>

TEST(a_new_buffer_is_empty_and_needs_no_memory)
{
	struct buf b;
	buf_init(&b, 0);
	assert_int_equal(buf_len(&b), 0);
	assert_null(b.data);
	buf_finish(&b);
	buf_finish(&b);
}

TEST(what_is_added_is_read_back_in_order)
{
	struct buf b;
	buf_init(&b, 0);
	assert_int_equal(buf_add(&b, "abc", 3), 0);
	assert_int_equal(buf_add_str(&b, "def"), 0);
	assert_int_equal(buf_printf(&b, "-%d-", 42), 0);
	assert_int_equal(buf_len(&b), 10);
	assert_memory_equal(buf_data(&b), "abcdef-42-", 10);
	buf_finish(&b);
}

TEST(adding_nothing_changes_nothing)
{
	struct buf b;
	buf_init(&b, 0);
	assert_int_equal(buf_add(&b, NULL, 0), 0);
	assert_int_equal(buf_add_str(&b, ""), 0);
	assert_int_equal(buf_len(&b), 0);
	buf_finish(&b);
}

TEST(the_cap_holds_and_a_refused_add_leaves_no_trace)
{
	struct buf b;
	buf_init(&b, 10);
	assert_int_equal(buf_add(&b, "0123456789", 10), 0);
	assert_int_equal(buf_add(&b, "x", 1), -ENOBUFS);
	assert_int_equal(buf_reserve(&b, SIZE_MAX), -ENOBUFS);
	assert_int_equal(buf_len(&b), 10);
	buf_consume(&b, 4);
	assert_int_equal(buf_add(&b, "abcd", 4), 0);
	assert_int_equal(buf_add(&b, "x", 1), -ENOBUFS);
	assert_memory_equal(buf_data(&b), "456789abcd", 10);
	buf_finish(&b);
}

TEST(formatted_text_is_whole_or_absent)
{
	struct buf b;
	buf_init(&b, 8);
	assert_int_equal(buf_printf(&b, "%s", "1234567"), 0);
	assert_int_equal(buf_printf(&b, "%s", "89"), -ENOBUFS);
	assert_int_equal(buf_len(&b), 7);
	buf_finish(&b);
}

TEST(a_buffer_serves_as_a_queue_of_any_length)
{
	struct buf b;
	uint8_t in = 0, out = 0;
	buf_init(&b, 0);
	for (int i = 0; i < 2000; i++) {
		uint8_t some[7];
		for (size_t j = 0; j < sizeof(some); j++)
			some[j] = in++;
		assert_int_equal(buf_add(&b, some, sizeof(some)), 0);
		size_t n = (size_t)i % 9 < buf_len(&b) ? (size_t)i % 9 : buf_len(&b);
		for (size_t j = 0; j < n; j++)
			assert_int_equal((uint8_t)buf_data(&b)[j], out++);
		buf_consume(&b, n);
	}
	while (buf_len(&b)) {
		assert_int_equal((uint8_t)buf_data(&b)[0], out++);
		buf_consume(&b, 1);
	}
	assert_int_equal(in, out);
	assert_int_equal(b.start, 0);
	buf_finish(&b);
}

TEST(clear_empties_and_keeps_the_memory)
{
	struct buf b;
	buf_init(&b, 0);
	buf_add_str(&b, "hello");
	size_t cap = b.cap;
	buf_clear(&b);
	assert_int_equal(buf_len(&b), 0);
	assert_int_equal(b.cap, cap);
	buf_finish(&b);
}

TEST(binary_records_come_back_as_they_went_in)
{
	struct buf b;
	buf_init(&b, 0);
	buf_put_u8(&b, 0xfe);
	buf_put_u16(&b, 0x1234);
	buf_put_u32(&b, 0xdeadbeef);
	buf_put_u64(&b, 0x0123456789abcdef);
	buf_put_str(&b, "text");
	buf_put_str(&b, "");
	buf_put_str(&b, NULL);
	assert_memory_equal(buf_data(&b), "\xfe\x34\x12\xef\xbe\xad\xde", 7);

	struct buf_reader r = { .p = (const uint8_t *)buf_data(&b), .left = buf_len(&b) };
	assert_int_equal(buf_get_u8(&r), 0xfe);
	assert_int_equal(buf_get_u16(&r), 0x1234);
	assert_int_equal(buf_get_u32(&r), 0xdeadbeef);
	assert_int_equal(buf_get_u64(&r), 0x0123456789abcdef);
	auto_free char *text = buf_get_str(&r, 100);
	auto_free char *empty = buf_get_str(&r, 100);
	assert_string_equal(text, "text");
	assert_string_equal(empty, "");
	assert_null(buf_get_str(&r, 100));
	assert_false(r.failed);
	assert_int_equal(r.left, 0);
	buf_finish(&b);
}

TEST(a_short_record_fails_for_good)
{
	const uint8_t data[] = { 1, 2, 3 };
	struct buf_reader r = { .p = data, .left = sizeof(data) };
	assert_int_equal(buf_get_u32(&r), 0);
	assert_true(r.failed);
	assert_int_equal(buf_get_u8(&r), 0);
	assert_null(buf_get_str(&r, 10));
	assert_true(r.failed);
}

TEST(a_string_with_a_lying_length_or_a_nul_is_refused)
{
	static const struct {
		const char *bytes;
		size_t len, max;
	} bad[] = {
		{ "\x05\0\0\0abcd", 8, 100 },
		{ "\x04\0\0\0abcd", 8, 3 },
		{ "\x04\0\0\0ab\0d", 8, 100 },
		{ "\xfe\xff\xff\xff"
		  "abcd",
			8, SIZE_MAX },
	};
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct buf_reader r = { .p = (const uint8_t *)bad[i].bytes, .left = bad[i].len };
		assert_null(buf_get_str(&r, bad[i].max));
		assert_true(r.failed);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_new_buffer_is_empty_and_needs_no_memory),
		cmocka_unit_test(what_is_added_is_read_back_in_order),
		cmocka_unit_test(adding_nothing_changes_nothing),
		cmocka_unit_test(the_cap_holds_and_a_refused_add_leaves_no_trace),
		cmocka_unit_test(formatted_text_is_whole_or_absent),
		cmocka_unit_test(a_buffer_serves_as_a_queue_of_any_length),
		cmocka_unit_test(clear_empties_and_keeps_the_memory),
		cmocka_unit_test(binary_records_come_back_as_they_went_in),
		cmocka_unit_test(a_short_record_fails_for_good),
		cmocka_unit_test(a_string_with_a_lying_length_or_a_nul_is_refused),
	};
	return RUN_TESTS(tests);
}
