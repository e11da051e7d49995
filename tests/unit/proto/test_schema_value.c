#include "proto/request_helper.h"

#include "proto/schema.h"

/* Tries `"limits":{"name":value}`. */
static void assert_limit_refused(const char *name, const char *value, enum err_code code)
{
	char members[256], field[64];
	snprintf(members, sizeof(members), "\"limits\":{\"%s\":%s}", name, value);
	snprintf(field, sizeof(field), "task.limits.%s", name);
	struct err e = assert_task_refused(members, code, field);
	assert_true(strlen(e.msg) > 5);
}

static uint64_t limit(const char *name, const char *value)
{
	char members[256];
	snprintf(members, sizeof(members), "\"artifacts\":{\"files\":[]},\"limits\":{\"%s\":%s}",
		name, value);
	auto_request struct request *rq = parse_task(members);
	const struct schema_field *f = schema_find(&schema_limits, OP_RUN, name);
	return *(uint64_t *)((char *)&rq->spec->limits + f->offset);
}

static bool is_measure(const struct schema_field *f)
{
	return f->kind == KIND_SIZE || f->kind == KIND_DURATION || f->kind == KIND_CPUS;
}

TEST(i5_no_limit_can_be_zero_but_core)
{
	for (size_t i = 0; i < schema_limits.n_fields; i++) {
		const struct schema_field *f = &schema_limits.fields[i];
		if (!strcmp(f->name, "core")) {
			assert_int_equal(limit("core", "0"), 0);
			continue;
		}
		assert_limit_refused(f->name, "0", ERR_OUT_OF_RANGE);
		assert_limit_refused(f->name, "-0", ERR_OUT_OF_RANGE);
		if (is_measure(f)) {
			assert_limit_refused(f->name, "\"0\"", ERR_OUT_OF_RANGE);
			assert_limit_refused(f->name, "\"0.0\"", ERR_OUT_OF_RANGE);
		}
	}
}

TEST(i5_no_limit_can_be_negative_or_above_its_maximum)
{
	static const char *const bad[] = { "-1", "-9223372036854775808", "9223372036854775807",
		"9007199254740993" };
	for (size_t i = 0; i < schema_limits.n_fields; i++) {
		const struct schema_field *f = &schema_limits.fields[i];
		for (size_t j = 0; j < ARRAY_SIZE(bad); j++)
			assert_limit_refused(f->name, bad[j], ERR_OUT_OF_RANGE);
		if (!is_measure(f))
			continue;
		assert_limit_refused(f->name, "\"-1\"", ERR_OUT_OF_RANGE);
		assert_limit_refused(f->name, "\"99999999999999999999\"", ERR_OUT_OF_RANGE);
		assert_limit_refused(f->name, "\"9223372036854775807\"", ERR_OUT_OF_RANGE);
	}
}

TEST(i5_the_bounds_themselves_are_allowed)
{
	for (size_t i = 0; i < schema_limits.n_fields; i++) {
		const struct schema_field *f = &schema_limits.fields[i];
		char text[SCHEMA_BOUND_SIZE], quoted[SCHEMA_BOUND_SIZE + 2];
		const uint64_t bounds[] = { f->min, f->max };
		for (size_t j = 0; j < 2; j++) {
			schema_format_bound(f->kind, bounds[j], text);
			snprintf(quoted, sizeof(quoted), is_measure(f) ? "\"%s\"" : "%s", text);
			assert_int_equal(limit(f->name, quoted), bounds[j]);
		}
	}
}

TEST(k5_limits_of_a_wrong_type_are_refused)
{
	static const char *const bad[] = { "null", "true", "[]", "[1]", "{}", "{\"a\":1}" };
	for (size_t i = 0; i < schema_limits.n_fields; i++) {
		const struct schema_field *f = &schema_limits.fields[i];
		for (size_t j = 0; j < ARRAY_SIZE(bad); j++)
			assert_limit_refused(f->name, bad[j], ERR_WRONG_TYPE);
		if (f->kind != KIND_CPUS) {
			assert_limit_refused(f->name, "1.5", ERR_WRONG_TYPE);
			assert_limit_refused(f->name, "1e3", ERR_WRONG_TYPE);
			assert_limit_refused(f->name, "1e308", ERR_WRONG_TYPE);
		}
		if (f->kind == KIND_UINT)
			assert_limit_refused(f->name, "\"5\"", ERR_WRONG_TYPE);
	}
}

TEST(i5_measures_that_are_nonsense_are_refused_with_a_hint)
{
	static const char *const bad[] = { "\"\"", "\" \"", "\"NaN\"", "\"inf\"", "\"infinity\"",
		"\"1e308\"", "\"0x10\"", "\"+5\"", "\"5 s\"", "\" 5\"", "\"max\"", "\"unlimited\"",
		"\"1,5\"", "\"5\\n\"", "\"\\u0665\"", "\"--5\"", "\"-x\"" };
	for (size_t i = 0; i < schema_limits.n_fields; i++) {
		const struct schema_field *f = &schema_limits.fields[i];
		for (size_t j = 0; is_measure(f) && j < ARRAY_SIZE(bad); j++)
			assert_limit_refused(f->name, bad[j], ERR_BAD_VALUE);
	}
	struct err e = assert_task_refused(
		"\"limits\":{\"disk\":\"2 GB\"}", ERR_BAD_VALUE, "task.limits.disk");
	assert_string_equal(e.msg, "\"2 GB\" is not a size");
	assert_non_null(strstr(e.hint, "64KiB"));
}

TEST(a_value_out_of_range_is_shown_with_its_bound_and_the_default)
{
	struct err e = assert_task_refused(
		"\"limits\":{\"wall\":\"0s\"}", ERR_OUT_OF_RANGE, "task.limits.wall");
	assert_string_equal(e.msg, "\"0s\" is below the minimum of 1ms");
	assert_string_equal(e.hint, "leave it out for the default (10m)");
	e = assert_task_refused(
		"\"limits\":{\"pids\":4194305}", ERR_OUT_OF_RANGE, "task.limits.pids");
	assert_string_equal(e.msg, "4194305 is above the maximum of 4194304");
}

TEST(cpus_may_be_written_with_a_fraction)
{
	assert_int_equal(limit("cpus", "2"), 2000);
	assert_int_equal(limit("cpus", "1.5"), 1500);
	assert_int_equal(limit("cpus", "0.1"), 100);
	assert_int_equal(limit("cpus", "\"0.25\""), 250);
	assert_limit_refused("cpus", "0.001", ERR_OUT_OF_RANGE);
	assert_limit_refused("cpus", "-0.5", ERR_OUT_OF_RANGE);
	assert_limit_refused("cpus", "1e308", ERR_OUT_OF_RANGE);
	assert_limit_refused("cpus", "65536.5", ERR_OUT_OF_RANGE);
}

TEST(bare_durations_are_seconds)
{
	assert_int_equal(limit("wall", "90"), 90000);
	assert_int_equal(limit("wall", "\"90\""), 90000);
	assert_int_equal(limit("wall", "\"0.5\""), 500);
	assert_limit_refused("wall", "31536001", ERR_OUT_OF_RANGE);
}

TEST(words_are_exact_and_the_nearest_is_offered)
{
	static const char *const fields[] = { "user", "network", "profile", "stdin",
		"on_disconnect", "on_output_limit" };
	static const char *const wrong[] = { "1", "true", "null", "[]", "{}", "0.5" };
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		char members[128], field[64];
		snprintf(field, sizeof(field), "task.%s", fields[i]);
		for (size_t j = 0; j < ARRAY_SIZE(wrong); j++) {
			snprintf(members, sizeof(members), "\"%s\":%s", fields[i], wrong[j]);
			assert_task_refused(members, ERR_WRONG_TYPE, field);
		}
		snprintf(members, sizeof(members), "\"%s\":\"\"", fields[i]);
		assert_task_refused(members, ERR_BAD_VALUE, field);
	}
	struct err e = assert_task_refused("\"network\":\"hots\"", ERR_BAD_VALUE, "task.network");
	assert_string_equal(e.msg, "\"hots\" is not one of: none, host");
	assert_string_equal(e.hint, "did you mean \"host\"?");
	assert_task_refused("\"user\":\"Root\"", ERR_BAD_VALUE, "task.user");
	assert_task_refused("\"workspace\":{\"path\":\"/w\",\"mode\":\"RW\"}", ERR_BAD_VALUE,
		"task.workspace.mode");
	assert_task_refused("\"mounts\":[{\"path\":\"/w\",\"mode\":\"cwo\"}]", ERR_BAD_VALUE,
		"task.mounts[0].mode");
	assert_task_refused(
		"\"best_effort\":[\"memory\",\"core\"]", ERR_BAD_VALUE, "task.best_effort[1]");
	assert_task_refused("\"best_effort\":\"memory\"", ERR_WRONG_TYPE, "task.best_effort");
	assert_task_refused("\"best_effort\":[1]", ERR_WRONG_TYPE, "task.best_effort[0]");
}

TEST(booleans_are_true_or_false_and_nothing_else)
{
	static const char *const wrong[] = { "0", "1", "\"true\"", "null", "[]" };
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		char members[64];
		snprintf(members, sizeof(members), "\"tty\":%s", wrong[i]);
		assert_task_refused(members, ERR_WRONG_TYPE, "task.tty");
	}
	auto_request struct request *rq = parse_task("\"tty\":false");
	assert_false(rq->spec->tty);
}

TEST(paths_are_absolute_and_bounded)
{
	struct err e = assert_task_refused("\"cwd\":\"src\"", ERR_BAD_VALUE, "task.cwd");
	assert_string_equal(e.msg, "\"src\" must be an absolute path");
	assert_task_refused("\"cwd\":\"\"", ERR_BAD_VALUE, "task.cwd");
	assert_task_refused("\"cwd\":\"~/x\"", ERR_BAD_VALUE, "task.cwd");
	assert_task_refused("\"cwd\":5", ERR_WRONG_TYPE, "task.cwd");
	assert_task_refused(
		"\"workspace\":{\"path\":\"./w\"}", ERR_BAD_VALUE, "task.workspace.path");
	assert_task_refused("\"workspace\":{\"fd\":0,\"target\":\"w\"}", ERR_BAD_VALUE,
		"task.workspace.target");

	char line[5000], path[4097];
	memset(path, 'x', sizeof(path) - 1);
	path[0] = '/';
	path[4096] = '\0';
	snprintf(line, sizeof(line),
		"{\"op\":\"run\",\"id\":\"1\",\"task\":{\"argv\":[\"a\"],\"cwd\":\"%s\"}}", path);
	assert_refused(line, ERR_TOO_LARGE, "task.cwd");
	path[4095] = '\0';
	snprintf(line, sizeof(line),
		"{\"op\":\"run\",\"id\":\"1\",\"task\":{\"argv\":[\"a\"],\"cwd\":\"%s\"}}", path);
	request_destroy(parse_good(line));
}

TEST(k9_places_of_descriptors_are_small_whole_numbers)
{
	static const char *const far[] = { "-1", "16", "2147483648", "9223372036854775807" };
	for (size_t i = 0; i < ARRAY_SIZE(far); i++) {
		char members[64];
		snprintf(members, sizeof(members), "\"workspace\":{\"fd\":%s}", far[i]);
		assert_task_refused(members, ERR_OUT_OF_RANGE, "task.workspace.fd");
	}
	assert_task_refused("\"workspace\":{\"fd\":\"0\"}", ERR_WRONG_TYPE, "task.workspace.fd");
	assert_task_refused("\"workspace\":{\"fd\":0.0}", ERR_WRONG_TYPE, "task.workspace.fd");
	auto_request struct request *rq = parse_task("\"workspace\":{\"fd\":15}");
	assert_int_equal(rq->spec->workspace.source.fd, 15);
}

TEST(terminal_sizes_are_bounded)
{
	assert_task_refused("\"rows\":0", ERR_OUT_OF_RANGE, "task.rows");
	assert_task_refused("\"cols\":65536", ERR_OUT_OF_RANGE, "task.cols");
	assert_refused("{\"op\":\"resize\",\"id\":\"1\",\"task\":\"a\",\"rows\":0,\"cols\":80}",
		ERR_OUT_OF_RANGE, "rows");
	assert_refused("{\"op\":\"resize\",\"id\":\"1\",\"task\":\"a\",\"rows\":24,\"cols\":1e2}",
		ERR_WRONG_TYPE, "cols");
}

TEST(replay_positions_stay_exact_in_every_language)
{
	assert_refused("{\"op\":\"attach\",\"id\":\"1\",\"task\":\"a\",\"after\":9007199254740993}",
		ERR_OUT_OF_RANGE, "after");
	assert_refused("{\"op\":\"attach\",\"id\":\"1\",\"task\":\"a\",\"after\":-1}",
		ERR_OUT_OF_RANGE, "after");
	assert_refused("{\"op\":\"attach\",\"id\":\"1\",\"task\":\"a\",\"after\":1.0}",
		ERR_WRONG_TYPE, "after");
}

TEST(signals_are_checked)
{
	static const char *const bad[] = { "\"\"", "\"0\"", "\"65\"", "\"-9\"", "\"SIG\"",
		"\"FOO\"", "\"SIGSIGTERM\"", "\"TERM \"" };
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		char line[128];
		snprintf(line, sizeof(line),
			"{\"op\":\"signal\",\"id\":\"1\",\"task\":\"a\",\"signal\":%s}", bad[i]);
		assert_refused(line, ERR_BAD_VALUE, "signal");
	}
	assert_refused("{\"op\":\"signal\",\"id\":\"1\",\"task\":\"a\",\"signal\":15}",
		ERR_WRONG_TYPE, "signal");
	assert_refused(
		"{\"op\":\"signal\",\"id\":\"1\",\"task\":\"a\",\"signal\":\"AAAAAAAAAAAAAAAAA\"}",
		ERR_TOO_LARGE, "signal");
}

TEST(a_long_path_of_fields_is_cut_and_not_overrun)
{
	char line[1200], key[600];
	memset(key, 'k', sizeof(key) - 1);
	key[sizeof(key) - 1] = '\0';
	snprintf(line, sizeof(line),
		"{\"op\":\"run\",\"id\":\"1\",\"task\":{\"argv\":[\"a\"],\"env\":{\"%s\":1}}}",
		key);
	struct err e = assert_refused(line, ERR_WRONG_TYPE, NULL);
	assert_true(strlen(e.field) < sizeof(e.field));
	assert_memory_equal(e.field, "task.env.kkkk", 13);
}

TEST(modes_are_octal_text)
{
	static const char *const bad[] = { "\"\"", "\"64\"", "\"00644\"", "\"0x44\"", "\"0689\"",
		"\"rwx\"", "\"-644\"", "\"+644\"" };
	char members[128];
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		snprintf(members, sizeof(members),
			"\"files\":[{\"path\":\"/a\",\"text\":\"\",\"mode\":%s}]", bad[i]);
		assert_task_refused(members, ERR_BAD_VALUE, "task.files[0].mode");
	}
	assert_task_refused("\"files\":[{\"path\":\"/a\",\"text\":\"\",\"mode\":420}]",
		ERR_WRONG_TYPE, "task.files[0].mode");
	assert_task_refused("\"files\":[{\"path\":\"/a\",\"text\":\"\",\"mode\":\"4755\"}]",
		ERR_OUT_OF_RANGE, "task.files[0].mode");
	assert_task_refused("\"files\":[{\"path\":\"/a\",\"text\":\"\",\"mode\":\"0000\"}]",
		ERR_OUT_OF_RANGE, "task.files[0].mode");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(i5_no_limit_can_be_zero_but_core),
		cmocka_unit_test(i5_no_limit_can_be_negative_or_above_its_maximum),
		cmocka_unit_test(i5_the_bounds_themselves_are_allowed),
		cmocka_unit_test(k5_limits_of_a_wrong_type_are_refused),
		cmocka_unit_test(i5_measures_that_are_nonsense_are_refused_with_a_hint),
		cmocka_unit_test(a_value_out_of_range_is_shown_with_its_bound_and_the_default),
		cmocka_unit_test(cpus_may_be_written_with_a_fraction),
		cmocka_unit_test(bare_durations_are_seconds),
		cmocka_unit_test(words_are_exact_and_the_nearest_is_offered),
		cmocka_unit_test(booleans_are_true_or_false_and_nothing_else),
		cmocka_unit_test(paths_are_absolute_and_bounded),
		cmocka_unit_test(k9_places_of_descriptors_are_small_whole_numbers),
		cmocka_unit_test(terminal_sizes_are_bounded),
		cmocka_unit_test(replay_positions_stay_exact_in_every_language),
		cmocka_unit_test(signals_are_checked),
		cmocka_unit_test(a_long_path_of_fields_is_cut_and_not_overrun),
		cmocka_unit_test(modes_are_octal_text),
	};
	return RUN_TESTS(tests);
}
