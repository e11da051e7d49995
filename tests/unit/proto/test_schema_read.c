#include "proto/request_helper.h"

#include "base/limits.h"
#include "proto/schema.h"

#include <errno.h>

TEST(c6_names_of_variables_are_checked)
{
	assert_task_refused("\"env\":{\"\":\"x\"}", ERR_BAD_VALUE, "task.env");
	assert_task_refused("\"env\":{\"A=B\":\"x\"}", ERR_BAD_VALUE, "task.env.A=B");
	assert_task_refused("\"env\":{\"=x\":\"\"}", ERR_BAD_VALUE, "task.env.=x");
	assert_task_refused("\"env\":{\"A\":null}", ERR_WRONG_TYPE, "task.env.A");
	assert_task_refused("\"env\":{\"A\":1}", ERR_WRONG_TYPE, "task.env.A");
	assert_task_refused("\"env\":{\"A\":[\"x\"]}", ERR_WRONG_TYPE, "task.env.A");
	assert_task_refused("\"env\":[\"A=x\"]", ERR_WRONG_TYPE, "task.env");
	assert_task_refused("\"env\":\"A=x\"", ERR_WRONG_TYPE, "task.env");
}

TEST(c6_values_of_variables_arrive_exactly)
{
	auto_request struct request *rq = parse_task("\"env\":{\"A\":\"b=c\",\"B C\":\"\",\"_\":\" "
						     "\\n\\t\\\"\\\\ \\u20ac\",\"lower\":\"x\"}");
	assert_string_equal(rq->spec->env[0], "A=b=c");
	assert_string_equal(rq->spec->env[1], "B C=");
	assert_string_equal(rq->spec->env[2], "_= \n\t\"\\ \xe2\x82\xac");
	assert_string_equal(rq->spec->env[3], "lower=x");
	assert_null(rq->spec->env[4]);
}

/* A run request with one string of len bytes at %s. */
static void with_long_string(const char *fmt, size_t len, enum err_code code, const char *field)
{
	auto_free char *text = malloc(len + 1);
	auto_free char *line = malloc(len + 256);
	assert_non_null(text);
	assert_non_null(line);
	memset(text, 'x', len);
	text[len] = '\0';
	const char *at = strchr(fmt, '%');
	snprintf(line, len + 256, "%.*s%s%s", (int)(at - fmt), fmt, text, at + 1);
	if (code == ERR_CODE_COUNT)
		request_destroy(parse_good(line));
	else
		assert_refused(line, code, field);
}

TEST(c6_k11_one_string_is_at_most_what_the_kernel_takes)
{
	const char *argv = "{\"op\":\"run\",\"id\":\"1\",\"task\":{\"argv\":[\"a\",\"%\"]}}";
	with_long_string(argv, LIMIT_ARG_BYTES - 1, ERR_CODE_COUNT, NULL);
	with_long_string(argv, LIMIT_ARG_BYTES, ERR_TOO_LARGE, "task.argv[1]");
	const char *env =
		"{\"op\":\"run\",\"id\":\"1\",\"task\":{\"argv\":[\"a\"],\"env\":{\"A\":\"%\"}}}";
	with_long_string(env, LIMIT_ARG_BYTES - 3, ERR_CODE_COUNT, NULL);
	with_long_string(env, LIMIT_ARG_BYTES - 2, ERR_TOO_LARGE, "task.env.A");
	with_long_string(env, 1 << 20, ERR_TOO_LARGE, "task.env.A");
}

TEST(labels_are_names_with_short_values)
{
	assert_task_refused("\"labels\":{\"\":\"x\"}", ERR_BAD_VALUE, NULL);
	assert_task_refused("\"labels\":{\"a b\":\"x\"}", ERR_BAD_VALUE, "task.labels.a b");
	assert_task_refused("\"labels\":{\"a=b\":\"x\"}", ERR_BAD_VALUE, "task.labels.a=b");
	assert_task_refused("\"labels\":{\"a\":5}", ERR_WRONG_TYPE, "task.labels.a");
	assert_task_refused("\"labels\":[]", ERR_WRONG_TYPE, "task.labels");
	const char *value = "{\"op\":\"run\",\"id\":\"1\",\"task\":{\"argv\":[\"a\"],\"labels\":{"
			    "\"k\":\"%\"}}}";
	with_long_string(value, LIMIT_LABEL_BYTES, ERR_CODE_COUNT, NULL);
	with_long_string(value, LIMIT_LABEL_BYTES + 1, ERR_TOO_LARGE, "task.labels.k");
	const char *key = "{\"op\":\"run\",\"id\":\"1\",\"task\":{\"argv\":[\"a\"],\"labels\":{\"%"
			  "\":\"v\"}}}";
	with_long_string(key, LIMIT_NAME_BYTES, ERR_CODE_COUNT, NULL);
	with_long_string(key, LIMIT_NAME_BYTES + 1, ERR_BAD_VALUE, NULL);
}

/* "name":[item,item,...] or "name":{"k0":item,...} with n entries. */
static void with_entries(const char *name, bool is_map, const char *item, int n, enum err_code code)
{
	char members[3500], field[64];
	size_t len =
		(size_t)snprintf(members, sizeof(members), "\"%s\":%s", name, is_map ? "{" : "[");
	for (int i = 0; i < n; i++) {
		len += (size_t)snprintf(members + len, sizeof(members) - len, "%s", i ? "," : "");
		if (is_map)
			len += (size_t)snprintf(
				members + len, sizeof(members) - len, "\"k%d\":", i);
		len += (size_t)snprintf(members + len, sizeof(members) - len, "%s", item);
	}
	snprintf(members + len, sizeof(members) - len, "%s", is_map ? "}" : "]");
	snprintf(field, sizeof(field), "task.%s", name);
	if (code == ERR_CODE_COUNT)
		request_destroy(parse_task(members));
	else
		assert_task_refused(members, code, field);
}

TEST(k5_lists_have_a_longest)
{
	with_entries("labels", true, "\"v\"", 0, ERR_CODE_COUNT);
	with_entries("labels", true, "\"v\"", LIMIT_LABELS, ERR_CODE_COUNT);
	with_entries("labels", true, "\"v\"", LIMIT_LABELS + 1, ERR_TOO_LARGE);
	with_entries("mounts", false, "{\"path\":\"/a\"}", 0, ERR_CODE_COUNT);
	with_entries("mounts", false, "{\"path\":\"/a\"}", LIMIT_MOUNTS, ERR_CODE_COUNT);
	with_entries("mounts", false, "{\"path\":\"/a\"}", LIMIT_MOUNTS + 1, ERR_TOO_LARGE);
	with_entries("best_effort", false, "\"memory\"", 0, ERR_CODE_COUNT);
}

TEST(k5_every_field_refuses_every_wrong_type)
{
	static const char *const values[] = { "null", "true", "0.5", "7", "\"\\ud83d\\ude00\"",
		"[]", "[null]", "{}", "{\"a\":null}" };
	for (size_t i = 0; i < schema_task.n_fields; i++) {
		const struct schema_field *f = &schema_task.fields[i];
		size_t accepted = 0;
		for (size_t j = 0; j < ARRAY_SIZE(values); j++) {
			char line[256];
			struct request *rq = NULL;
			char *id = NULL;
			struct err e = { 0 };
			const char *argv = strcmp(f->name, "argv") ? "\"argv\":[\"a\"]," : "";
			snprintf(line, sizeof(line),
				"{\"op\":\"run\",\"id\":\"1\",\"task\":{%s\"%s\":%s}}", argv,
				f->name, values[j]);
			if (request_parse(line, strlen(line), &rq, &id, &e) == 0)
				accepted++;
			else
				assert_memory_equal(e.field, "task.", 5);
			free(id);
			request_destroy(rq);
		}
		/* At most one of these is of the field's own type and a value that it takes. */
		assert_true(accepted <= 1);
	}
}

TEST(k5_objects_are_needed_where_objects_are_meant)
{
	assert_task_refused("\"limits\":[]", ERR_WRONG_TYPE, "task.limits");
	assert_task_refused("\"limits\":null", ERR_WRONG_TYPE, "task.limits");
	assert_task_refused("\"workspace\":\"/w\"", ERR_WRONG_TYPE, "task.workspace");
	assert_task_refused("\"mounts\":{}", ERR_WRONG_TYPE, "task.mounts");
	assert_task_refused("\"mounts\":[\"/w\"]", ERR_WRONG_TYPE, "task.mounts[0]");
	assert_refused("{\"op\":\"run\",\"id\":\"1\",\"task\":[]}", ERR_WRONG_TYPE, "task");
	assert_refused("{\"op\":\"run\",\"id\":\"1\",\"task\":null}", ERR_WRONG_TYPE, "task");
}

TEST(a_spec_can_be_freed_apart_from_its_request)
{
	struct request *rq = parse_task(
		"\"name\":\"n\",\"mounts\":[{\"path\":\"/a\"}],\"labels\":{\"a\":\"b\"}");
	struct task_spec *spec = take_ptr(rq->spec);
	request_destroy(rq);
	assert_string_equal(spec->name, "n");
	task_spec_destroy(spec);
	task_spec_destroy(NULL);
	request_destroy(NULL);
}

TEST(freeing_twice_is_harmless)
{
	struct request *rq = parse_task(
		"\"name\":\"n\",\"mounts\":[{\"path\":\"/a\"}],\"workspace\":{\"path\":\"/b\"}");
	schema_free(&schema_request, rq);
	assert_null(rq->id);
	assert_null(rq->spec);
	request_destroy(rq);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(c6_names_of_variables_are_checked),
		cmocka_unit_test(c6_values_of_variables_arrive_exactly),
		cmocka_unit_test(c6_k11_one_string_is_at_most_what_the_kernel_takes),
		cmocka_unit_test(labels_are_names_with_short_values),
		cmocka_unit_test(k5_lists_have_a_longest),
		cmocka_unit_test(k5_every_field_refuses_every_wrong_type),
		cmocka_unit_test(k5_objects_are_needed_where_objects_are_meant),
		cmocka_unit_test(a_spec_can_be_freed_apart_from_its_request),
		cmocka_unit_test(freeing_twice_is_harmless),
	};
	return RUN_TESTS(tests);
}
