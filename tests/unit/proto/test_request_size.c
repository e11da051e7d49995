/* Requests that are made to be dear: what bounds their size, and what they may cost. */
#include "proto/request_helper.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/str.h"

#include <stdarg.h>
#include <time.h>

struct text {
	char *data;
	size_t len, cap;
};

static void append(struct text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void append(struct text *t, const char *fmt, ...)
{
	if (t->cap - t->len < 512) {
		t->cap = t->cap ? t->cap * 2 : 4096;
		t->data = realloc(t->data, t->cap);
		assert_non_null(t->data);
	}
	va_list ap;
	va_start(ap, fmt);
	t->len += (size_t)vsnprintf(t->data + t->len, t->cap - t->len, fmt, ap);
	va_end(ap);
}

/* Of this thread: what else runs does not count. */
static uint64_t cpu_ns(void)
{
	struct timespec t;
	assert_int_equal(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t), 0);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

/* Refused, and not at a cost that grows with the square of the size: that would be many times
 * this bound. */
static struct err assert_refused_fast(struct text *t, enum err_code code)
{
	uint64_t start = cpu_ns();
	struct request *rq = NULL;
	char *id = NULL;
	struct err e;
	assert_true(request_parse(t->data, t->len, &rq, &id, &e) < 0);
	free(id);
	free(t->data);
	if (e.code != code)
		fail_msg("%s: %s", err_code_name(e.code), e.msg);
	assert_true(cpu_ns() - start < 2 * NS_PER_S);
	return e;
}

TEST(k4_a_million_open_brackets_cost_nothing)
{
	struct text t = { 0 };
	append(&t, "{\"a\":");
	for (int i = 0; i < 1000000; i++)
		append(&t, "[");
	assert_refused_fast(&t, ERR_PROTOCOL);
	struct text u = { 0 };
	for (int i = 0; i < 200000; i++)
		append(&u, "{\"a\":");
	assert_refused_fast(&u, ERR_PROTOCOL);
}

TEST(nesting_up_to_the_bound_is_read)
{
	for (int extra = 0; extra <= 1; extra++) {
		struct text t = { 0 };
		append(&t, "{\"op\":\"ping\",\"id\":\"1\",\"x\":");
		for (int i = 0; i < LIMIT_REQUEST_DEPTH - 1 + extra; i++)
			append(&t, "[");
		append(&t, "\"]]]]}}}}{{{{[[[[\"");
		for (int i = 0; i < LIMIT_REQUEST_DEPTH - 1 + extra; i++)
			append(&t, "]");
		append(&t, "}");
		assert_refused_fast(&t, extra ? ERR_PROTOCOL : ERR_UNKNOWN_FIELD);
	}
}

TEST(k4_a_request_over_the_bound_is_refused_unread)
{
	struct text t = { 0 };
	append(&t, "{\"op\":\"ping\",\"id\":\"");
	while (t.len <= LIMIT_REQUEST_BYTES)
		append(&t, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
	append(&t, "\"}");
	assert_refused_fast(&t, ERR_TOO_LARGE);
}

TEST(k4_very_many_values_are_refused_before_they_are_parsed)
{
	struct text t = { 0 };
	append(&t, "{\"op\":\"ping\",\"id\":\"1\",\"x\":[0");
	for (int i = 0; i < 900000; i++)
		append(&t, ",0");
	append(&t, "]}");
	assert_refused_fast(&t, ERR_TOO_LARGE);
	struct text u = { 0 };
	append(&u, "{\"op\":\"ping\",\"id\":\"1\"");
	for (int i = 0; i < 150000; i++)
		append(&u, ",\"k%d\":0", i);
	append(&u, "}");
	assert_refused_fast(&u, ERR_TOO_LARGE);
	/* Containers are the dearest values. */
	struct text v = { 0 };
	append(&v, "{\"op\":\"ping\",\"id\":\"1\",\"x\":[0");
	for (int i = 0; i < 40000; i++)
		append(&v, ",[[[[[[[[[[[[]]]]]]]]]]]]");
	append(&v, "]}");
	assert_refused_fast(&v, ERR_TOO_LARGE);
}

TEST(k4_a_number_of_a_million_digits_is_refused)
{
	struct text t = { 0 };
	append(&t, "{\"op\":\"ping\",\"id\":0.");
	for (int i = 0; i < 100000; i++)
		append(&t, "0123456789");
	append(&t, "}");
	assert_refused_fast(&t, ERR_PROTOCOL);
}

TEST(k4_a_string_of_a_megabyte_is_refused_by_its_field)
{
	struct text t = { 0 };
	append(&t, "{\"op\":\"run\",\"id\":\"1\",\"task\":{\"argv\":[\"true\"],\"name\":\"");
	for (int i = 0; i < 100000; i++)
		append(&t, "xxxxxxxxxx");
	append(&t, "\"}}");
	struct err e = assert_refused_fast(&t, ERR_TOO_LARGE);
	assert_string_equal(e.field, "task.name");
}

/* The old hash of the library, without a seed: keys of equal value fall into one chain
 * (CVE-2013-6401). */
TEST(k4_keys_made_to_collide_are_read_in_linear_time)
{
	struct text t = { 0 };
	append(&t,
		"{\"op\":\"run\",\"id\":\"1\",\"task\":{\"argv\":[\"true\"],\"env\":{\"x\":\"\"");
	for (unsigned i = 0; i < 40000; i++) {
		/* 33 * 'a' + 'z' == 33 * 'b' + 'Y': sixteen such pairs, chosen by the bits of i. */
		char key[33] = "";
		for (int bit = 0; bit < 16; bit++)
			memcpy(key + 2 * bit, i >> bit & 1 ? "az" : "bY", 2);
		append(&t, ",\"%s\":\"\"", key);
	}
	append(&t, "}}}");
	struct err e = assert_refused_fast(&t, ERR_TOO_LARGE);
	assert_string_equal(e.field, "task.env");
}

TEST(k11_an_argv_of_full_length_is_read_in_linear_time)
{
	struct text t = { 0 };
	append(&t, "{\"op\":\"run\",\"id\":\"1\",\"task\":{\"argv\":[\"a\"");
	for (int i = 1; i < LIMIT_ARGV_COUNT; i++)
		append(&t, ",\"\"");
	append(&t, "]}}");
	uint64_t start = cpu_ns();
	auto_request struct request *rq = parse_good(t.data);
	assert_int_equal(strv_len(rq->spec->argv), LIMIT_ARGV_COUNT);
	assert_true(cpu_ns() - start < 2 * NS_PER_S);
	t.len -= 3;
	append(&t, ",\"\"]}}");
	struct err e = assert_refused_fast(&t, ERR_TOO_LARGE);
	assert_string_equal(e.field, "task.argv");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(k4_a_million_open_brackets_cost_nothing),
		cmocka_unit_test(nesting_up_to_the_bound_is_read),
		cmocka_unit_test(k4_a_request_over_the_bound_is_refused_unread),
		cmocka_unit_test(k4_very_many_values_are_refused_before_they_are_parsed),
		cmocka_unit_test(k4_a_number_of_a_million_digits_is_refused),
		cmocka_unit_test(k4_a_string_of_a_megabyte_is_refused_by_its_field),
		cmocka_unit_test(k4_keys_made_to_collide_are_read_in_linear_time),
		cmocka_unit_test(k11_an_argv_of_full_length_is_read_in_linear_time),
	};
	return RUN_TESTS(tests);
}
