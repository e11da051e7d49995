/* K14: what is above a ceiling is refused by name, never lowered. */
#include "harness.h"

#include "daemon/policy.h"

#include <errno.h>
#include <string.h>

static uint64_t *limit(struct task_spec *spec, size_t i)
{
	return (uint64_t *)((char *)&spec->limits + policy_fields[i].offset);
}

TEST(every_limit_of_a_request_has_a_ceiling_that_can_be_set)
{
	assert_int_equal(policy_field_count * sizeof(uint64_t), sizeof(struct spec_limits));
	for (size_t i = 0; i < policy_field_count; i++) {
		struct policy p;
		struct err e;
		struct task_spec spec = { 0 };
		char field[64];
		policy_init(&p);
		assert_int_equal(policy_set(&p, i, "3", &e), 0);
		uint64_t max = policy_value(&p.ceiling, i);
		assert_true(max > 0);
		*limit(&spec, i) = max;
		assert_int_equal(policy_check(&p, &spec, &e), 0);
		*limit(&spec, i) = max + 1;
		assert_int_equal(policy_check(&p, &spec, &e), -EINVAL);
		assert_int_equal(e.code, ERR_NOT_ALLOWED);
		snprintf(field, sizeof(field), "task.limits.%s", policy_fields[i].name);
		assert_string_equal(e.field, field);
		assert_non_null(strstr(e.hint, policy_fields[i].option));
		/* What was asked for is as it was. */
		assert_int_equal(*limit(&spec, i), max + 1);
	}
}

TEST(the_ceilings_that_nobody_set_are_those_of_the_table)
{
	struct policy p;
	struct err e;
	struct task_spec spec = { .limits = { .wall_ms = 24 * 3600 * 1000ull,
					  .memory_bytes = UINT64_MAX } };
	policy_init(&p);
	assert_int_equal(policy_check(&p, &spec, &e), 0);
	spec.limits.wall_ms++;
	assert_int_equal(policy_check(&p, &spec, &e), -EINVAL);
	assert_string_equal(e.field, "task.limits.wall");
	assert_non_null(strstr(e.msg, "24 h"));
}

TEST(units_are_those_of_the_field)
{
	struct policy p;
	struct err e;
	policy_init(&p);
	for (size_t i = 0; i < policy_field_count; i++) {
		const char *name = policy_fields[i].name;
		if (!strcmp(name, "wall")) {
			assert_int_equal(policy_set(&p, i, "2m", &e), 0);
			assert_int_equal(p.ceiling.wall_ms, 120000);
			assert_int_equal(policy_set(&p, i, "2GiB", &e), -EINVAL);
		} else if (!strcmp(name, "disk")) {
			assert_int_equal(policy_set(&p, i, "2GiB", &e), 0);
			assert_int_equal(p.ceiling.disk_bytes, 2ull << 30);
		} else if (!strcmp(name, "cpus")) {
			assert_int_equal(policy_set(&p, i, "1.5", &e), 0);
			assert_int_equal(p.ceiling.cpu_millis, 1500);
		}
		assert_int_equal(policy_set(&p, i, "0", &e), -EINVAL);
		assert_int_equal(policy_set(&p, i, "much", &e), -EINVAL);
		assert_non_null(strstr(e.msg, policy_fields[i].option));
	}
}

TEST(the_host_network_is_only_given_where_it_is_allowed)
{
	struct policy p;
	struct err e;
	struct task_spec spec = { .network = 1 };
	policy_init(&p);
	assert_int_equal(policy_check(&p, &spec, &e), -EINVAL);
	assert_int_equal(e.code, ERR_NOT_ALLOWED);
	assert_string_equal(e.field, "task.network");
	p.allow_host_network = true;
	assert_int_equal(policy_check(&p, &spec, &e), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_limit_of_a_request_has_a_ceiling_that_can_be_set),
		cmocka_unit_test(the_ceilings_that_nobody_set_are_those_of_the_table),
		cmocka_unit_test(units_are_those_of_the_field),
		cmocka_unit_test(the_host_network_is_only_given_where_it_is_allowed),
	};
	return RUN_TESTS(tests);
}
