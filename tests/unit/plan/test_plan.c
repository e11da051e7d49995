#include "harness.h"

#include "base/limits.h"
#include "plan/plan_samples.h"

TEST(every_word_of_a_plan_has_a_name)
{
	assert_string_equal(plan_user_name(PLAN_USER_AGENT), "agent");
	assert_string_equal(plan_user_name(PLAN_USER_ROOT), "root");
	assert_string_equal(plan_user_name(PLAN_USER_COUNT), "?");
	assert_string_equal(plan_network_name(PLAN_NETWORK_NONE), "none");
	assert_string_equal(plan_network_name(PLAN_NETWORK_HOST), "host");
	assert_string_equal(plan_profile_name(PLAN_PROFILE_DEV), "dev");
	assert_string_equal(plan_profile_name(PLAN_PROFILE_STRICT), "strict");
	assert_string_equal(plan_image_name(PLAN_IMAGE_HOST), "host");
	assert_string_equal(plan_image_name(PLAN_IMAGE_DIR), "dir");
	assert_string_equal(plan_mode_name(PLAN_MODE_COW), "cow");
	assert_string_equal(plan_mode_name(PLAN_MODE_RO), "ro");
	assert_string_equal(plan_mode_name(PLAN_MODE_RW), "rw");
	assert_string_equal(plan_mode_name((enum plan_mode)77), "?");
}

TEST(good_plans_pass)
{
	struct err e;
	auto_plan struct plan *small = sample_small();
	auto_plan struct plan *full = sample_full();
	assert_int_equal(plan_check(small, &e), 0);
	assert_int_equal(plan_check(full, &e), 0);
	assert_int_equal(plan_check(full, NULL), 0);
}

TEST(a_half_built_plan_can_be_destroyed)
{
	plan_destroy(plan_create());
	plan_destroy(NULL);
	auto_plan struct plan *p = plan_create();
	p->n_mounts = 3;
	p->mounts = calloc(3, sizeof(*p->mounts));
	p->mounts[1].target = strdup("/x");
	p->n_inputs = 2;
	p->inputs = calloc(2, sizeof(*p->inputs));
}

TEST(sources_are_counted_by_the_highest_descriptor_in_use)
{
	auto_plan struct plan *small = sample_small();
	auto_plan struct plan *full = sample_full();
	assert_int_equal(plan_source_count(small), 0);
	assert_int_equal(plan_source_count(full), 8);
	full->tars[0].fd_index = 0;
	assert_int_equal(plan_source_count(full), 6);
	full->mounts[1].source.fd_index = 0;
	assert_int_equal(plan_source_count(full), 3);
	full->has_workspace = false;
	assert_int_equal(plan_source_count(full), 1);
	full->image_source.fd_index = 9;
	assert_int_equal(plan_source_count(full), 10);
	full->image = PLAN_IMAGE_HOST;
	assert_int_equal(plan_source_count(full), 1);
}

TEST(the_descriptor_for_changes_is_one_of_the_sources)
{
	auto_plan struct plan *p = sample_small();
	p->changes_fd_index = 7;
	assert_int_equal(plan_source_count(p), 8);
}

static void assert_refused(const struct plan *p, const char *field)
{
	struct err e;
	memset(&e, 0, sizeof(e));
	assert_true(plan_check(p, &e) < 0);
	assert_string_equal(e.field, field);
	assert_true(e.msg[0]);
	assert_true(plan_check(p, NULL) < 0);
}

static void set_text(char **member, const char *value)
{
	free(*member);
	*member = value ? strdup(value) : NULL;
}

TEST(k11_a_command_without_arguments_or_with_an_empty_first_is_refused)
{
	auto_plan struct plan *p = sample_small();
	set_text(&p->argv[0], "");
	assert_refused(p, "task.argv");
	set_text(&p->argv[0], NULL);
	assert_refused(p, "task.argv");
	free(p->argv);
	p->argv = NULL;
	assert_refused(p, "task.argv");
}

static char *long_text(size_t len, char first)
{
	char *s = malloc(len + 1);
	assert_non_null(s);
	memset(s, 'x', len);
	s[0] = first;
	s[len] = '\0';
	return s;
}

TEST(k11_an_argument_longer_than_the_kernel_takes_is_refused)
{
	auto_plan struct plan *p = sample_small();
	auto_free char *fits = long_text(LIMIT_ARG_BYTES - 1, 'a');
	auto_free char *over = long_text(LIMIT_ARG_BYTES, 'a');
	strv_add(&p->argv, fits);
	assert_int_equal(plan_check(p, NULL), 0);
	set_text(&p->argv[1], over);
	assert_refused(p, "task.argv");
}

TEST(k11_arguments_and_environment_together_have_a_bound)
{
	auto_plan struct plan *p = sample_small();
	auto_free char *big = long_text(LIMIT_ARG_BYTES - 1, 'a');
	for (size_t i = 0; i < LIMIT_EXEC_BYTES / LIMIT_ARG_BYTES - 1; i++)
		strv_add(&p->argv, big);
	assert_int_equal(plan_check(p, NULL), 0);
	big[1] = '=';
	strv_add(&p->env, big);
	assert_refused(p, "task.env");
}

TEST(c6_environment_entries_need_a_name)
{
	static const char *const bad[] = { "A", "=x", "=", "" };
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		auto_plan struct plan *p = sample_small();
		strv_add(&p->env, "GOOD=1");
		strv_add(&p->env, bad[i]);
		assert_refused(p, "task.env");
	}
}

TEST(too_many_environment_entries_are_refused)
{
	auto_plan struct plan *p = sample_small();
	p->env = calloc(LIMIT_ENV_COUNT + 2, sizeof(char *));
	for (size_t i = 0; i < LIMIT_ENV_COUNT; i++)
		p->env[i] = strdup("A=1");
	assert_int_equal(plan_check(p, NULL), 0);
	p->env[LIMIT_ENV_COUNT] = strdup("A=1");
	assert_refused(p, "task.env");
}

TEST(the_current_directory_is_absolute_and_not_too_long)
{
	auto_plan struct plan *p = sample_small();
	set_text(&p->cwd, "relative");
	assert_refused(p, "task.cwd");
	set_text(&p->cwd, "");
	assert_refused(p, "task.cwd");
	free(p->cwd);
	p->cwd = long_text(LIMIT_PATH_BYTES, '/');
	assert_refused(p, "task.cwd");
	set_text(&p->cwd, "/");
	assert_int_equal(plan_check(p, NULL), 0);
}

TEST(targets_are_clean_absolute_paths_below_the_root)
{
	static const char *const bad[] = { "", "/", "relative", "/a/../b", "/..", "/.", "/a/.",
		"//a", "/a//b", "/a/", "/./a", "../a", NULL };
	auto_plan struct plan *p = sample_full();
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		set_text(&p->workspace.target, bad[i]);
		assert_refused(p, "task.workspace");
	}
	set_text(&p->workspace.target, "/a/...");
	assert_int_equal(plan_check(p, NULL), 0);
	free(p->workspace.target);
	p->workspace.target = long_text(257, '/');
	assert_refused(p, "task.workspace");
	p->workspace.target[256] = '\0';
	assert_int_equal(plan_check(p, NULL), 0);
}

TEST(nothing_can_be_mounted_over_what_the_jail_makes_itself)
{
	static const char *const bad[] = { "/proc", "/proc/self", "/sys", "/sys/fs/cgroup", "/dev",
		"/dev/shm" };
	static const char *const good[] = { "/process", "/system", "/devel", "/a/dev" };
	auto_plan struct plan *p = sample_full();
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		set_text(&p->mounts[0].target, bad[i]);
		assert_refused(p, "task.mounts");
	}
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		set_text(&p->mounts[0].target, good[i]);
		assert_int_equal(plan_check(p, NULL), 0);
	}
}

TEST(sources_are_absolute_paths_or_descriptors_that_can_exist)
{
	auto_plan struct plan *p = sample_full();
	p->mounts[0].source.fd_index = LIMIT_REQUEST_FDS;
	assert_refused(p, "task.mounts");
	p->mounts[0].source.fd_index = LIMIT_REQUEST_FDS - 1;
	assert_int_equal(plan_check(p, NULL), 0);
	p->mounts[0].source.fd_index = -1;
	set_text(&p->mounts[0].source.path, "relative");
	assert_refused(p, "task.mounts");
	set_text(&p->mounts[0].source.path, NULL);
	assert_refused(p, "task.mounts");
	set_text(&p->mounts[0].source.path, "/data");
	set_text(&p->image_source.path, "debian");
	assert_refused(p, "task.image");
}

TEST(any_directory_can_be_copy_on_write)
{
	auto_plan struct plan *p = sample_full();
	p->workspace.mode = PLAN_MODE_COW;
	assert_int_equal(plan_check(p, NULL), 0);
	p->mounts[1].mode = PLAN_MODE_COW;
	assert_int_equal(plan_check(p, NULL), 0);
	p->mounts[1].mode = PLAN_MODE_COUNT;
	assert_refused(p, "task.mounts");
}

TEST(what_is_hidden_lies_in_a_workspace_that_is_not_written_to)
{
	auto_plan struct plan *p = sample_full();
	assert_int_equal(plan_check(p, NULL), 0);
	assert_true(plan_workspace_is_layer(p));
	set_text(&p->hidden[1], "/a/../b");
	assert_refused(p, "task.workspace.hide");
	set_text(&p->hidden[1], "/");
	assert_refused(p, "task.workspace.hide");
	set_text(&p->hidden[1], "a");
	assert_refused(p, "task.workspace.hide");
	set_text(&p->hidden[1], "/b");
	p->workspace.mode = PLAN_MODE_RW;
	assert_refused(p, "task.workspace.hide");
	p->workspace.mode = PLAN_MODE_COW;
	assert_int_equal(plan_check(p, NULL), 0);
	p->has_workspace = false;
	assert_refused(p, "task.workspace.hide");
	auto_plan struct plan *shown = sample_small();
	assert_false(plan_workspace_is_layer(shown));
}

TEST(what_is_hidden_is_bounded)
{
	auto_plan struct plan *p = sample_full();
	strv_free(p->hidden);
	p->hidden = calloc(LIMIT_HIDDEN + 2, sizeof(*p->hidden));
	for (int i = 0; i < LIMIT_HIDDEN; i++)
		p->hidden[i] = strdup("/a");
	assert_int_equal(plan_check(p, NULL), 0);
	p->hidden[LIMIT_HIDDEN] = strdup("/a");
	assert_refused(p, "task.workspace.hide");
	free(p->hidden[LIMIT_HIDDEN]);
	p->hidden[LIMIT_HIDDEN] = NULL;
	char *long_path = calloc(1, 4096);
	for (int i = 0; i < 4000; i++)
		long_path[i] = i % 200 ? 'x' : '/';
	for (int i = 0; i < 300; i++)
		set_text(&p->hidden[i], long_path);
	free(long_path);
	assert_refused(p, "task.workspace.hide");
}

TEST(changes_need_a_private_workspace_and_bounds)
{
	auto_plan struct plan *p = sample_full();
	strv_free(p->hidden);
	p->hidden = NULL;
	p->changes_fd_index = 1;
	p->changes_bytes = p->changes_ms = 1;
	assert_refused(p, "task.changes");
	p->workspace.mode = PLAN_MODE_COW;
	assert_int_equal(plan_check(p, NULL), 0);
	p->changes_ms = LIMIT_CHANGES_MS + 1;
	assert_refused(p, "task.changes");
	p->changes_ms = 0;
	assert_refused(p, "task.changes");
	p->changes_ms = LIMIT_CHANGES_MS;
	p->changes_bytes = 0;
	assert_refused(p, "task.changes");
	p->changes_bytes = 1;
	p->changes_fd_index = LIMIT_REQUEST_FDS;
	assert_refused(p, "task.changes.fd");
	p->changes_fd_index = 1;
	p->has_workspace = false;
	assert_refused(p, "task.changes");
}

TEST(words_out_of_range_are_refused)
{
	for (int i = 0; i < 4; i++) {
		auto_plan struct plan *p = sample_small();
		if (i == 0)
			p->user = PLAN_USER_COUNT;
		else if (i == 1)
			p->network = PLAN_NETWORK_COUNT;
		else if (i == 2)
			p->profile = PLAN_PROFILE_COUNT;
		else
			p->image = PLAN_IMAGE_COUNT;
		assert_refused(p, "task");
	}
}

TEST(i5_limits_that_must_hold_are_never_zero)
{
	for (int i = 0; i < 4; i++) {
		auto_plan struct plan *p = sample_small();
		uint64_t *must[] = { &p->limits.disk_bytes, &p->limits.disk_inodes,
			&p->limits.open_files, &p->limits.processes };
		*must[i] = 0;
		assert_refused(p, "task.limits");
	}
}

TEST(too_many_mounts_are_refused)
{
	auto_plan struct plan *p = sample_small();
	p->n_mounts = LIMIT_MOUNTS + 1;
	p->mounts = calloc(p->n_mounts, sizeof(*p->mounts));
	for (size_t i = 0; i < p->n_mounts; i++)
		p->mounts[i] = (struct plan_mount){
			.source = { 0, NULL }, .target = strdup("/x"), .mode = PLAN_MODE_RO
		};
	assert_refused(p, "task.mounts");
	free(p->mounts[--p->n_mounts].target);
	assert_int_equal(plan_check(p, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_word_of_a_plan_has_a_name),
		cmocka_unit_test(good_plans_pass),
		cmocka_unit_test(a_half_built_plan_can_be_destroyed),
		cmocka_unit_test(sources_are_counted_by_the_highest_descriptor_in_use),
		cmocka_unit_test(k11_a_command_without_arguments_or_with_an_empty_first_is_refused),
		cmocka_unit_test(k11_an_argument_longer_than_the_kernel_takes_is_refused),
		cmocka_unit_test(k11_arguments_and_environment_together_have_a_bound),
		cmocka_unit_test(c6_environment_entries_need_a_name),
		cmocka_unit_test(too_many_environment_entries_are_refused),
		cmocka_unit_test(the_current_directory_is_absolute_and_not_too_long),
		cmocka_unit_test(targets_are_clean_absolute_paths_below_the_root),
		cmocka_unit_test(nothing_can_be_mounted_over_what_the_jail_makes_itself),
		cmocka_unit_test(sources_are_absolute_paths_or_descriptors_that_can_exist),
		cmocka_unit_test(any_directory_can_be_copy_on_write),
		cmocka_unit_test(what_is_hidden_lies_in_a_workspace_that_is_not_written_to),
		cmocka_unit_test(what_is_hidden_is_bounded),
		cmocka_unit_test(the_descriptor_for_changes_is_one_of_the_sources),
		cmocka_unit_test(changes_need_a_private_workspace_and_bounds),
		cmocka_unit_test(words_out_of_range_are_refused),
		cmocka_unit_test(i5_limits_that_must_hold_are_never_zero),
		cmocka_unit_test(too_many_mounts_are_refused),
	};
	return RUN_TESTS(tests);
}
