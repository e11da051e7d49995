/* JSON that is read while memory is short: all of it or nothing. */
#include "proto/request_helper.h"

#include "proto/json_load.h"

#include <stdlib.h>
#include <string.h>

/* The allocation that fails, of those that our own code makes; 0: none. */
static int countdown;

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_malloc(size_t size)
{
	return countdown && --countdown == 0 ? NULL : __real_malloc(size);
}

static const char text[] = "{\"text\":\"a string that is longer than the first buffer of a token\","
			   "\"list\":[1,2.5,\"two\"],\"number\":17}";

TEST(J8_a_text_is_read_as_it_stands_or_not_at_all)
{
	json_t *whole = json_load_whole(text, strlen(text), 0, NULL);
	json_t *got = NULL;
	int n = 0;
	assert_non_null(whole);
	while (!got && ++n < 1000) {
		json_error_t why;
		countdown = n;
		got = json_load_whole(text, strlen(text), 0, &why);
		if (!got)
			assert_int_equal(json_error_code(&why), json_error_out_of_memory);
		/* It was not reached. */
		assert_true(!got || countdown > 0);
		countdown = 0;
	}
	assert_true(n > 10 && n < 1000);
	assert_true(json_equal(got, whole));
	json_decref(got);
	json_decref(whole);
}

TEST(J8_a_request_without_memory_is_an_error_of_ours)
{
	static const char line[] = "{\"op\":\"signal\",\"id\":\"r1\",\"signal\":\"TERM\",\"task\":"
				   "\"t-0123456789abcdef0123456789abcdef\"}";
	struct request *rq = NULL;
	int n = 0;
	while (!rq && ++n < 1000) {
		struct err e;
		char *id = NULL;
		countdown = n;
		if (request_parse(line, strlen(line), &rq, &id, &e) < 0)
			assert_int_equal(e.code, ERR_INTERNAL);
		countdown = 0;
		free(id);
	}
	assert_true(n > 10 && n < 1000);
	assert_string_equal(rq->task, "t-0123456789abcdef0123456789abcdef");
	request_destroy(rq);
}

TEST(what_is_no_JSON_is_said_to_be_none)
{
	json_error_t why;
	assert_null(json_load_whole("{\"a\":", 5, 0, &why));
	assert_int_equal(json_error_code(&why), json_error_premature_end_of_input);
	assert_null(json_load_whole("{\"a\":", 5, 0, NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(J8_a_text_is_read_as_it_stands_or_not_at_all),
		cmocka_unit_test(J8_a_request_without_memory_is_an_error_of_ours),
		cmocka_unit_test(what_is_no_JSON_is_said_to_be_none),
	};
	return RUN_TESTS(tests);
}
