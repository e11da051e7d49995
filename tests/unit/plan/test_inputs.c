/* Files and secrets of a plan: where they may lie and how much they may be. */
#include "harness.h"

#include "base/limits.h"
#include "plan/plan_samples.h"

#include <stdio.h>

static struct plan *plan_with(const char *path, uint16_t mode, uint32_t bytes)
{
	struct plan *p = sample_small();
	p->inputs = calloc(LIMIT_FILES + LIMIT_SECRETS + 2, sizeof(*p->inputs));
	p->inputs[p->n_inputs++] =
		(struct plan_input){ .path = strdup(path), .mode = mode, .bytes = bytes };
	return p;
}

static void add(struct plan *p, enum plan_input_kind kind, const char *path, uint32_t bytes)
{
	p->inputs[p->n_inputs++] = (struct plan_input){ .kind = kind,
		.path = strdup(path),
		.mode = kind == PLAN_INPUT_FILE ? 0644 : 0,
		.bytes = bytes };
}

static void share(struct plan *p, const char *target, enum plan_mode mode)
{
	p->has_workspace = true;
	p->workspace = (struct plan_mount){
		.source = { 0, NULL }, .target = strdup(target), .mode = mode
	};
}

static void assert_refused(const struct plan *p, const char *field)
{
	struct err e = { 0 };
	assert_true(plan_check(p, &e) < 0);
	assert_string_equal(e.field, field);
	assert_true(plan_check(p, NULL) < 0);
}

TEST(files_may_lie_anywhere_in_the_jail)
{
	static const char *const good[] = { "/a", "/etc/hosts", "/tmp/a/b", "/processes",
		"/device/x", "/run/secrets2", "/run/x", "/..." };
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		auto_plan struct plan *p = plan_with(good[i], 0777, 1);
		assert_int_equal(plan_check(p, NULL), 0);
	}
}

TEST(no_file_lies_where_the_jail_is_the_maker)
{
	static const char *const bad[] = { "", "a", "/", "/a/", "/a//b", "/a/../b", "/./a", "/proc",
		"/proc/1", "/sys/x", "/dev/null", "/run/secrets", "/run/secrets/a" };
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		auto_plan struct plan *p = plan_with(bad[i], 0644, 1);
		assert_refused(p, "task.files[0].path");
	}
}

TEST(a_mode_is_permissions_only)
{
	auto_plan struct plan *suid = plan_with("/a", 04755, 1);
	auto_plan struct plan *none = plan_with("/a", 0, 1);
	assert_refused(suid, "task.files[0].path");
	assert_refused(none, "task.files[0].path");
}

TEST(no_file_lies_in_what_is_shared)
{
	static const enum plan_mode shared[] = { PLAN_MODE_RO, PLAN_MODE_RW };
	for (size_t i = 0; i < ARRAY_SIZE(shared); i++) {
		auto_plan struct plan *p = plan_with("/w/f", 0644, 1);
		share(p, "/w", shared[i]);
		assert_refused(p, "task.files[0].path");
		auto_plan struct plan *beside = plan_with("/w2/f", 0644, 1);
		share(beside, "/w", shared[i]);
		assert_int_equal(plan_check(beside, NULL), 0);
	}
	auto_plan struct plan *private = plan_with("/w/f", 0644, 1);
	share(private, "/w", PLAN_MODE_COW);
	assert_int_equal(plan_check(private, NULL), 0);
	auto_plan struct plan *mounted = plan_with("/m/f", 0644, 1);
	mounted->n_mounts = 1;
	mounted->mounts = calloc(1, sizeof(*mounted->mounts));
	mounted->mounts[0] = (struct plan_mount){
		.source = { 0, NULL }, .target = strdup("/m"), .mode = PLAN_MODE_RO
	};
	assert_refused(mounted, "task.files[0].path");
}

TEST(nothing_lies_over_the_secrets)
{
	static const char *const places[] = { "/run", "/run/secrets", "/run/secrets/a" };
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		auto_plan struct plan *p = plan_with("/a", 0644, 1);
		share(p, places[i], PLAN_MODE_COW);
		assert_int_equal(plan_check(p, NULL), 0);
		add(p, PLAN_INPUT_SECRET, "a", 1);
		assert_refused(p, "task.workspace");
		p->has_workspace = false;
		p->n_mounts = 1;
		p->mounts = calloc(1, sizeof(*p->mounts));
		p->mounts[0] = (struct plan_mount){
			.source = { 0, NULL }, .target = strdup(places[i]), .mode = PLAN_MODE_RO
		};
		assert_refused(p, "task.mounts[0]");
	}
}

TEST(a_secret_has_a_plain_name_and_no_mode)
{
	static const char *const bad[] = { "", "..", "a/b", ".hidden", "/a" };
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		auto_plan struct plan *p = plan_with("/a", 0644, 1);
		add(p, PLAN_INPUT_SECRET, bad[i], 1);
		assert_refused(p, "task.secrets[0].name");
	}
	auto_plan struct plan *p = plan_with("/a", 0644, 1);
	add(p, PLAN_INPUT_SECRET, "a", 1);
	assert_int_equal(plan_check(p, NULL), 0);
	p->inputs[1].mode = 0644;
	assert_refused(p, "task.secrets[0].name");
}

TEST(no_name_is_there_twice)
{
	auto_plan struct plan *p = plan_with("/a", 0644, 1);
	add(p, PLAN_INPUT_SECRET, "a", 1);
	add(p, PLAN_INPUT_FILE, "/b", 1);
	assert_int_equal(plan_check(p, NULL), 0);
	add(p, PLAN_INPUT_FILE, "/a", 1);
	assert_refused(p, "task.files[2].path");
	free(p->inputs[3].path);
	p->inputs[3].path = NULL;
	assert_refused(p, "task.files[2].path");
	p->n_inputs = 3;
	add(p, PLAN_INPUT_SECRET, "a", 1);
	assert_refused(p, "task.secrets[1].name");
}

TEST(bytes_are_bounded_each_and_together)
{
	auto_plan struct plan *p = plan_with("/a", 0644, LIMIT_FILE_BYTES);
	assert_int_equal(plan_check(p, NULL), 0);
	assert_int_equal(plan_input_bytes(p), LIMIT_FILE_BYTES);
	p->inputs[0].bytes++;
	assert_refused(p, "task.files");
	p->inputs[0].bytes--;
	add(p, PLAN_INPUT_FILE, "/b", LIMIT_FILES_BYTES - LIMIT_FILE_BYTES);
	add(p, PLAN_INPUT_SECRET, "b", LIMIT_SECRET_BYTES);
	assert_int_equal(plan_check(p, NULL), 0);
	p->inputs[1].bytes++;
	assert_refused(p, "task.files");
	p->inputs[1].bytes--;
	p->inputs[2].bytes++;
	assert_refused(p, "task.secrets");
	p->inputs[2].bytes = UINT32_MAX;
	assert_refused(p, "task.secrets");
}

TEST(their_number_is_bounded)
{
	char name[32];
	auto_plan struct plan *p = plan_with("/a", 0644, 1);
	assert_true(plan_has_input(p, PLAN_INPUT_FILE));
	assert_false(plan_has_input(p, PLAN_INPUT_SECRET));
	for (int i = 1; i < LIMIT_FILES; i++) {
		snprintf(name, sizeof(name), "/%d", i);
		add(p, PLAN_INPUT_FILE, name, 0);
	}
	for (int i = 0; i < LIMIT_SECRETS; i++) {
		snprintf(name, sizeof(name), "s%d", i);
		add(p, PLAN_INPUT_SECRET, name, 0);
	}
	assert_int_equal(plan_check(p, NULL), 0);
	add(p, PLAN_INPUT_SECRET, "more", 0);
	assert_refused(p, "task.secrets");
	p->inputs[p->n_inputs - 1].kind = PLAN_INPUT_FILE;
	assert_refused(p, "task.files");
	p->inputs[p->n_inputs - 1].kind = (enum plan_input_kind)7;
	assert_refused(p, "task.files");
}

static void add_tar(struct plan *p, int fd_index, const char *target)
{
	if (!p->tars)
		p->tars = calloc(LIMIT_TARS + 1, sizeof(*p->tars));
	p->tars[p->n_tars++] = (struct plan_tar){ fd_index, target ? strdup(target) : NULL };
}

TEST(a_tar_is_unpacked_in_what_is_the_task_s_own)
{
	static const char *const bad[] = { NULL, "/", "a", "/a/../b", "/proc/x", "/dev",
		"/run/secrets", "/run/secrets/a", "/w", "/w/a" };
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		auto_plan struct plan *p = sample_small();
		share(p, "/w", PLAN_MODE_RW);
		add_tar(p, 1, "/work");
		assert_int_equal(plan_check(p, NULL), 0);
		add_tar(p, 1, bad[i]);
		assert_refused(p, "task.tars[1].target");
	}
	auto_plan struct plan *p = sample_small();
	share(p, "/w", PLAN_MODE_COW);
	add_tar(p, 1, "/w/a");
	assert_int_equal(plan_check(p, NULL), 0);
	assert_int_equal(plan_source_count(p), 2);
}

TEST(A10_a_tar_is_not_unpacked_above_what_is_shared)
{
	auto_plan struct plan *p = sample_small();
	share(p, "/home/agent/data", PLAN_MODE_RW);
	add_tar(p, 1, "/home/agent/other");
	assert_int_equal(plan_check(p, NULL), 0);
	add_tar(p, 2, "/home/agent");
	assert_refused(p, "task.tars[1].target");
}

TEST(a_descriptor_is_one_tar_only)
{
	auto_plan struct plan *p = sample_small();
	add_tar(p, 1, "/a");
	add_tar(p, 2, "/b");
	assert_int_equal(plan_check(p, NULL), 0);
	p->tars[1].fd_index = 1;
	assert_refused(p, "task.tars[1].fd");
}

TEST(one_tar_may_come_on_stdin)
{
	auto_plan struct plan *p = sample_small();
	add_tar(p, 0, "/a");
	add_tar(p, -1, "/b");
	assert_refused(p, "task.tars[1].fd");
	p->has_stdin = true;
	assert_int_equal(plan_check(p, NULL), 0);
	p->tars[0].fd_index = -1;
	assert_refused(p, "task.tars");
	p->tars[0].fd_index = LIMIT_REQUEST_FDS;
	assert_refused(p, "task.tars[0].fd");
}

TEST(tars_are_few)
{
	auto_plan struct plan *p = sample_small();
	for (int i = 0; i < LIMIT_TARS; i++)
		add_tar(p, i, "/a");
	assert_int_equal(plan_check(p, NULL), 0);
	add_tar(p, 9, "/a");
	assert_refused(p, "task.tars");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_may_lie_anywhere_in_the_jail),
		cmocka_unit_test(no_file_lies_where_the_jail_is_the_maker),
		cmocka_unit_test(a_mode_is_permissions_only),
		cmocka_unit_test(no_file_lies_in_what_is_shared),
		cmocka_unit_test(nothing_lies_over_the_secrets),
		cmocka_unit_test(a_secret_has_a_plain_name_and_no_mode),
		cmocka_unit_test(no_name_is_there_twice),
		cmocka_unit_test(bytes_are_bounded_each_and_together),
		cmocka_unit_test(their_number_is_bounded),
		cmocka_unit_test(a_tar_is_unpacked_in_what_is_the_task_s_own),
		cmocka_unit_test(A10_a_tar_is_not_unpacked_above_what_is_shared),
		cmocka_unit_test(a_descriptor_is_one_tar_only),
		cmocka_unit_test(one_tar_may_come_on_stdin),
		cmocka_unit_test(tars_are_few),
	};
	return RUN_TESTS(tests);
}
