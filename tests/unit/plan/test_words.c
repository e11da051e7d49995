/* The request's schema and the plan are of two layers that do not know each other; here their words
 * and numbers meet. */
#include "harness.h"

#include "base/units.h"
#include "plan/build.h"
#include "plan/plan.h"
#include "proto/schema.h"

#include <string.h>

static const struct schema_field *field(const struct schema_object *object, const char *name)
{
	const struct schema_field *f = schema_find(object, OP_RUN, name);
	assert_non_null(f);
	return f;
}

TEST(the_words_of_requests_are_the_words_of_plans)
{
	size_t n = 0;
	for (const struct schema_word *w = field(&schema_task, "user")->words; w->name; w++, n++)
		assert_string_equal(plan_user_name((enum plan_user)w->value), w->name);
	assert_int_equal(n, PLAN_USER_COUNT);
	n = 0;
	for (const struct schema_word *w = field(&schema_task, "network")->words; w->name; w++, n++)
		assert_string_equal(plan_network_name((enum plan_network)w->value), w->name);
	assert_int_equal(n, PLAN_NETWORK_COUNT);
	n = 0;
	for (const struct schema_word *w = field(&schema_task, "profile")->words; w->name; w++, n++)
		assert_string_equal(plan_profile_name((enum plan_profile)w->value), w->name);
	assert_int_equal(n, PLAN_PROFILE_COUNT);
	n = 0;
	for (const struct schema_word *w = field(&schema_workspace, "mode")->words; w->name;
		w++, n++)
		assert_string_equal(plan_mode_name((enum plan_mode)w->value), w->name);
	assert_int_equal(n, PLAN_MODE_COUNT);
	for (const struct schema_word *w = field(&schema_mount, "mode")->words; w->name; w++)
		assert_string_equal(plan_mode_name((enum plan_mode)w->value), w->name);
}

TEST(the_defaults_in_the_document_are_those_of_the_planner)
{
	static const struct {
		const char *name;
		int (*parse)(const char *text, uint64_t *ret);
		uint64_t value;
	} defaults[] = {
		{ "wall", units_parse_duration, DEFAULT_WALL_MS },
		{ "grace", units_parse_duration, DEFAULT_GRACE_MS },
		{ "queue", units_parse_duration, DEFAULT_QUEUE_MS },
		{ "disk", units_parse_size, DEFAULT_DISK_BYTES },
		{ "inodes", units_parse_size, DEFAULT_DISK_INODES },
		{ "output", units_parse_size, DEFAULT_OUTPUT_BYTES },
		{ "open_files", units_parse_size, DEFAULT_OPEN_FILES },
		{ "pids", units_parse_size, DEFAULT_PROCESSES },
	};
	for (size_t i = 0; i < ARRAY_SIZE(defaults); i++) {
		char text[64];
		uint64_t value = 0;
		snprintf(text, sizeof(text), "%s", field(&schema_limits, defaults[i].name)->absent);
		text[strcspn(text, ",")] = '\0';
		assert_int_equal(defaults[i].parse(text, &value), 0);
		assert_int_equal(value, defaults[i].value);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_words_of_requests_are_the_words_of_plans),
		cmocka_unit_test(the_defaults_in_the_document_are_those_of_the_planner),
	};
	return RUN_TESTS(tests);
}
