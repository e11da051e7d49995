/* A number for equal requests. */
#include "proto/request_helper.h"

#include "proto/schema.h"

static uint64_t digest(const char *task)
{
	char line[1024];
	struct request *rq = NULL;
	char *id = NULL;
	struct err e;
	snprintf(line, sizeof(line), "{\"op\":\"run\",\"id\":\"1\",\"task\":%s}", task);
	assert_int_equal(request_parse(line, strlen(line), &rq, &id, &e), 0);
	uint64_t sum = schema_digest(&schema_task, rq->spec);
	request_destroy(rq);
	return sum;
}

TEST(the_same_request_has_the_same_number)
{
	assert_true(digest("{\"argv\":[\"a\"],\"limits\":{\"wall\":\"60s\"}}") ==
		    digest("{\"limits\":{\"wall\":\"1m\"},\"argv\":[\"a\"]}"));
	assert_true(digest("{\"argv\":[\"a\"]}") == digest("{\"argv\":[\"a\"],\"priority\":0}"));
}

TEST(every_difference_counts)
{
	static const char *const tasks[] = {
		"{\"argv\":[\"a\"]}",
		"{\"argv\":[\"a\",\"\"]}",
		"{\"argv\":[\"ab\"]}",
		"{\"argv\":[\"a\",\"b\"]}",
		"{\"argv\":[\"a\"],\"priority\":-1}",
		"{\"argv\":[\"a\"],\"tty\":true}",
		"{\"argv\":[\"a\"],\"queue\":false}",
		"{\"argv\":[\"a\"],\"user\":\"root\"}",
		"{\"argv\":[\"a\"],\"env\":{\"A\":\"\"}}",
		"{\"argv\":[\"a\"],\"labels\":{\"a\":\"1\"}}",
		"{\"argv\":[\"a\"],\"labels\":{\"a\":\"2\"}}",
		"{\"argv\":[\"a\"],\"best_effort\":[\"memory\"]}",
		"{\"argv\":[\"a\"],\"limits\":{\"memory\":\"1GiB\"}}",
		"{\"argv\":[\"a\"],\"workspace\":{\"path\":\"/a\"}}",
		"{\"argv\":[\"a\"],\"mounts\":[{\"path\":\"/a\"}]}",
		"{\"argv\":[\"a\"],\"mounts\":[{\"path\":\"/a\"},{\"path\":\"/b\"}]}",
		"{\"argv\":[\"a\"],\"concurrency\":{\"key\":\"k\"}}",
		"{\"argv\":[\"a\"],\"concurrency\":{\"key\":\"k\",\"mode\":\"supersede\"}}",
	};
	for (size_t i = 0; i < ARRAY_SIZE(tasks); i++)
		for (size_t k = 0; k < i; k++)
			assert_true(digest(tasks[i]) != digest(tasks[k]));
}

TEST(values_of_the_environment_do_not)
{
	assert_true(digest("{\"argv\":[\"a\"],\"env\":{\"A\":\"secret\"}}") ==
		    digest("{\"argv\":[\"a\"],\"env\":{\"A\":\"other\"}}"));
}

TEST(contents_of_files_and_secrets_do_not)
{
	assert_true(
		digest("{\"argv\":[\"a\"],\"secrets\":[{\"name\":\"a\",\"text\":\"1\"}]}") ==
		digest("{\"argv\":[\"a\"],\"secrets\":[{\"name\":\"a\",\"base64\":\"AAA=\"}]}"));
	assert_true(digest("{\"argv\":[\"a\"],\"secrets\":[{\"name\":\"a\",\"text\":\"1\"}]}") !=
		    digest("{\"argv\":[\"a\"],\"secrets\":[{\"name\":\"b\",\"text\":\"1\"}]}"));
	assert_true(digest("{\"argv\":[\"a\"],\"files\":[{\"path\":\"/a\",\"text\":\"1\"}]}") ==
		    digest("{\"argv\":[\"a\"],\"files\":[{\"path\":\"/a\",\"text\":\"2\"}]}"));
	assert_true(digest("{\"argv\":[\"a\"],\"files\":[{\"path\":\"/a\",\"text\":\"1\"}]}") !=
		    digest("{\"argv\":[\"a\"],\"files\":[{\"path\":\"/a\",\"text\":\"1\","
			   "\"mode\":\"0600\"}]}"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_request_has_the_same_number),
		cmocka_unit_test(every_difference_counts),
		cmocka_unit_test(values_of_the_environment_do_not),
		cmocka_unit_test(contents_of_files_and_secrets_do_not),
	};
	return RUN_TESTS(tests);
}
