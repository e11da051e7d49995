/* What a plan may say about artifacts. */
#include "harness.h"

#include "base/limits.h"
#include "plan/plan.h"

#include <errno.h>
#include <string.h>

static struct plan_artifact file;
static struct plan plan;
static struct err e;

static int check_glob(const char *glob)
{
	file = (struct plan_artifact){ .glob = (char *)glob, .bytes = 1, .count = 1 };
	plan = (struct plan){ .artifacts = &file,
		.n_artifacts = 1,
		.artifacts_fd_index = 3,
		.changes_fd_index = -1,
		.artifacts_bytes = 1,
		.artifacts_count = 1,
		.artifacts_ms = 1 };
	return plan_check_artifacts(&plan, &e);
}

TEST(A5_patterns_stay_where_they_begin)
{
	assert_int_equal(check_glob("dist/*.whl"), 0);
	assert_int_equal(check_glob("/tmp/out/**"), 0);
	static const char *const bad[] = { "", "/", "..", "../x", "a/../../b", "/tmp/../etc", "a[",
		"/proc/1/environ", "/sys/x", "/dev/shm/x" };
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(check_glob(bad[i]), -EINVAL);
		assert_string_equal(e.field, "task.artifacts.files[0].glob");
	}
}

TEST(their_descriptor_is_theirs_alone)
{
	assert_int_equal(check_glob("a"), 0);
	plan.changes_fd_index = 3;
	assert_int_equal(plan_check_artifacts(&plan, &e), -EINVAL);
	assert_int_equal(check_glob("a"), 0);
	struct plan_tar tar = { .fd_index = 3 };
	plan.tars = &tar;
	plan.n_tars = 1;
	assert_int_equal(plan_check_artifacts(&plan, &e), -EINVAL);
	plan.artifacts_fd_index = LIMIT_REQUEST_FDS;
	assert_int_equal(plan_check_artifacts(&plan, &e), 0);
	plan.artifacts_fd_index++;
	assert_int_equal(plan_check_artifacts(&plan, &e), -EINVAL);
}

TEST(their_bounds_are_bounded)
{
	uint64_t zero = 0;
	assert_int_equal(check_glob("a"), 0);
	plan.artifacts_bytes = zero;
	assert_int_equal(plan_check_artifacts(&plan, &e), -EINVAL);
	assert_int_equal(check_glob("a"), 0);
	plan.artifacts_count = LIMIT_ARTIFACTS + 1;
	assert_int_equal(plan_check_artifacts(&plan, &e), -EINVAL);
	assert_int_equal(check_glob("a"), 0);
	plan.artifacts_ms = LIMIT_CHANGES_MS + 1;
	assert_int_equal(plan_check_artifacts(&plan, &e), -EINVAL);
	plan.n_artifacts = LIMIT_ARTIFACT_GLOBS + 1;
	assert_int_equal(plan_check_artifacts(&plan, &e), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(A5_patterns_stay_where_they_begin),
		cmocka_unit_test(their_descriptor_is_theirs_alone),
		cmocka_unit_test(their_bounds_are_bounded),
	};
	return RUN_TESTS(tests);
}
