/* K14: what is above a ceiling is refused by name, never lowered. */
#include "harness.h"

#include "daemon/policy.h"

#include <errno.h>
#include <string.h>

static uint64_t *limit(struct task_spec *spec, size_t i)
{
	return (uint64_t *)((char *)&spec->limits + policy_fields[i].offset);
}

TEST(every_limit_of_a_request_has_its_ceiling)
{
	assert_int_equal(policy_field_count * sizeof(uint64_t), sizeof(struct spec_limits));
	for (size_t i = 0; i < policy_field_count; i++) {
		struct policy p = { .allow_host_image = true };
		struct err e;
		struct task_spec spec = { 0 };
		char field[64];
		*(uint64_t *)((char *)&p.ceiling + policy_fields[i].offset) = 3000;
		*limit(&spec, i) = 3000;
		assert_int_equal(policy_check(&p, &spec, POLICY_CLIENT_OTHER, &e), 0);
		*limit(&spec, i) = 3001;
		assert_int_equal(policy_check(&p, &spec, POLICY_CLIENT_OTHER, &e), -EINVAL);
		/* Root is no exception. */
		assert_int_equal(policy_check(&p, &spec, POLICY_CLIENT_ROOT, &e), -EINVAL);
		assert_int_equal(e.code, ERR_NOT_ALLOWED);
		snprintf(field, sizeof(field), "task.limits.%s", policy_fields[i].name);
		assert_string_equal(e.field, field);
		assert_non_null(strstr(e.hint, policy_fields[i].option));
		/* What was asked for is as it was. */
		assert_int_equal(*limit(&spec, i), 3001);
		/* No ceiling. */
		*(uint64_t *)((char *)&p.ceiling + policy_fields[i].offset) = 0;
		assert_int_equal(policy_check(&p, &spec, POLICY_CLIENT_OTHER, &e), 0);
	}
}

TEST(the_ceiling_is_told_with_its_unit)
{
	struct policy p = { .allow_host_image = true, .ceiling.wall_ms = 24 * 3600 * 1000ull };
	struct task_spec spec = { .limits.wall_ms = p.ceiling.wall_ms + 1 };
	struct err e;
	assert_int_equal(policy_check(&p, &spec, POLICY_CLIENT_OWNER, &e), -EINVAL);
	assert_non_null(strstr(e.msg, "24 h"));
}

static int ask(const struct policy *p, const struct task_spec *spec, enum policy_client who,
	const char *field)
{
	struct err e = { 0 };
	int r = policy_check(p, spec, who, &e);
	if (r < 0) {
		assert_int_equal(e.code, ERR_NOT_ALLOWED);
		assert_string_equal(e.field, field);
		assert_non_null(strstr(e.hint, "dayflyd.conf"));
	}
	return r;
}

TEST(the_host_network_is_only_given_where_it_is_allowed)
{
	struct policy p = { .allow_host_image = true };
	const struct task_spec spec = { .network = 1 };
	assert_int_equal(ask(&p, &spec, POLICY_CLIENT_ROOT, "task.network"), -EINVAL);
	p.allow_host_network = true;
	assert_int_equal(ask(&p, &spec, POLICY_CLIENT_OTHER, "task.network"), 0);
}

TEST(others_are_root_inside_only_where_it_is_allowed)
{
	struct policy p = { .allow_host_image = true };
	const struct task_spec spec = { .user = 1 };
	assert_int_equal(ask(&p, &spec, POLICY_CLIENT_OTHER, "task.user"), -EINVAL);
	assert_int_equal(ask(&p, &spec, POLICY_CLIENT_ROOT, "task.user"), 0);
	assert_int_equal(ask(&p, &spec, POLICY_CLIENT_OWNER, "task.user"), 0);
	p.allow_root_user = true;
	assert_int_equal(ask(&p, &spec, POLICY_CLIENT_OTHER, "task.user"), 0);
}

TEST(the_host_image_can_be_kept_from_all_but_root)
{
	struct policy p = { 0 };
	struct task_spec spec = { 0 };
	char host[] = "host", directory[] = "/images/debian";
	assert_int_equal(ask(&p, &spec, POLICY_CLIENT_OTHER, "task.image"), -EINVAL);
	spec.image = host;
	assert_int_equal(ask(&p, &spec, POLICY_CLIENT_OWNER, "task.image"), -EINVAL);
	assert_int_equal(ask(&p, &spec, POLICY_CLIENT_ROOT, "task.image"), 0);
	spec.image = directory;
	assert_int_equal(ask(&p, &spec, POLICY_CLIENT_OTHER, "task.image"), 0);
}

TEST(M7_webhooks_go_only_to_hosts_that_the_administrator_names)
{
	char *hosts[] = { "hooks.example", NULL }, *private[] = { "127.0.0.1:81", NULL };
	struct policy p = {
		.allow_host_image = true, .hook_hosts = hosts, .hook_private_hosts = private
	};
	struct spec_webhook hooks[2] = { { .url = "https://hooks.example/x" },
		{ .url = "http://127.0.0.1:81/x" } };
	const struct task_spec spec = { .webhooks = hooks, .n_webhooks = 2 };
	/* Root is no exception. */
	assert_int_equal(ask(&p, &spec, POLICY_CLIENT_ROOT, ""), 0);
	assert_int_equal(ask(&p, &spec, POLICY_CLIENT_OTHER, ""), 0);
	hooks[1].url = "http://127.0.0.1:82/x";
	assert_int_equal(ask(&p, &spec, POLICY_CLIENT_ROOT, "task.webhooks[1].url"), -EINVAL);
	hooks[0].url = "http://hooks.example/x";
	assert_int_equal(ask(&p, &spec, POLICY_CLIENT_OWNER, "task.webhooks[0].url"), -EINVAL);
	struct err e;
	hooks[0].url = "file:///etc/passwd";
	assert_int_equal(policy_check(&p, &spec, POLICY_CLIENT_OWNER, &e), -EINVAL);
	assert_int_equal(e.code, ERR_BAD_VALUE);
	assert_string_equal(e.field, "task.webhooks[0].url");
	/* By default nobody is told. */
	hooks[0].url = "https://hooks.example/x";
	p.hook_hosts = NULL;
	assert_int_equal(ask(&p, &spec, POLICY_CLIENT_OWNER, "task.webhooks[0].url"), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_limit_of_a_request_has_its_ceiling),
		cmocka_unit_test(the_ceiling_is_told_with_its_unit),
		cmocka_unit_test(the_host_network_is_only_given_where_it_is_allowed),
		cmocka_unit_test(others_are_root_inside_only_where_it_is_allowed),
		cmocka_unit_test(the_host_image_can_be_kept_from_all_but_root),
		cmocka_unit_test(M7_webhooks_go_only_to_hosts_that_the_administrator_names),
	};
	return RUN_TESTS(tests);
}
