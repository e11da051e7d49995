/* From a validated request to a plan: defaults, ceilings, sources, and what cannot be held without
 * a cgroup. */
#include "harness.h"

#include "plan/build.h"

#include <errno.h>
#include <string.h>

static char arg_true[] = "true";
static char *argv_true[] = { arg_true, NULL };

static struct task_spec spec_minimal(void)
{
	return (struct task_spec){ .argv = argv_true, .workspace = { .source = { .fd = -1 } } };
}

static const struct build_input input = {
	.task_id = "t-0123456789abcdef0123456789abcdef",
	.n_fds = 2,
	.open_files_hard = 1048576,
	.no_cgroup = "no cgroup here",
};

static int build_with(
	const struct task_spec *spec, const struct build_input *in, struct build *b, struct err *e)
{
	memset(b, 0, sizeof(*b));
	memset(e, 0, sizeof(*e));
	return plan_build(spec, in, b, e);
}

static void assert_refused(const struct task_spec *spec, enum err_code code, const char *field)
{
	struct build b;
	struct err e;
	assert_int_equal(build_with(spec, &input, &b, &e), -EINVAL);
	assert_string_equal(err_code_name(e.code), err_code_name(code));
	assert_string_equal(e.field, field);
	assert_null(b.plan);
}

TEST(a_request_with_nothing_but_a_command_gets_every_default)
{
	struct task_spec spec = spec_minimal();
	struct build b;
	struct err e;
	assert_int_equal(build_with(&spec, &input, &b, &e), 0);
	assert_int_equal(b.wall_ms, DEFAULT_WALL_MS);
	assert_int_equal(b.grace_ms, DEFAULT_GRACE_MS);
	assert_int_equal(b.queue_ms, DEFAULT_QUEUE_MS);
	assert_int_equal(b.output_bytes, DEFAULT_OUTPUT_BYTES);
	assert_int_equal(b.n_degraded, 0);
	const struct plan *p = b.plan;
	assert_string_equal(p->task, input.task_id);
	assert_string_equal(p->argv[0], "true");
	assert_null(p->argv[1]);
	assert_int_equal(p->user, PLAN_USER_AGENT);
	assert_int_equal(p->network, PLAN_NETWORK_NONE);
	assert_int_equal(p->profile, PLAN_PROFILE_DEV);
	assert_int_equal(p->image, PLAN_IMAGE_HOST);
	assert_false(p->has_workspace);
	assert_false(p->has_stdin);
	assert_int_equal(p->limits.disk_bytes, DEFAULT_DISK_BYTES);
	assert_int_equal(p->limits.disk_inodes, DEFAULT_DISK_INODES);
	assert_int_equal(p->limits.open_files, DEFAULT_OPEN_FILES);
	assert_int_equal(p->limits.processes, DEFAULT_PROCESSES);
	assert_int_equal(p->limits.core_bytes, 0);
	assert_int_equal(p->limits.memory_bytes, 0);
	build_finish(&b);
}

TEST(given_limits_are_taken_as_they_are)
{
	struct task_spec spec = spec_minimal();
	struct build b;
	struct err e;
	spec.limits = (struct spec_limits){ .wall_ms = 1,
		.grace_ms = 2,
		.queue_ms = 3,
		.disk_bytes = 4,
		.disk_inodes = 5,
		.output_bytes = 6,
		.open_files = 7,
		.file_bytes = 8,
		.core_bytes = 9 };
	assert_int_equal(build_with(&spec, &input, &b, &e), 0);
	assert_int_equal(b.wall_ms, 1);
	assert_int_equal(b.grace_ms, 2);
	assert_int_equal(b.queue_ms, 3);
	assert_int_equal(b.output_bytes, 6);
	assert_int_equal(b.plan->limits.disk_bytes, 4);
	assert_int_equal(b.plan->limits.disk_inodes, 5);
	assert_int_equal(b.plan->limits.open_files, 7);
	assert_int_equal(b.plan->limits.file_bytes, 8);
	assert_int_equal(b.plan->limits.core_bytes, 9);
	build_finish(&b);
}

TEST(a_default_is_never_above_the_ceiling)
{
	struct task_spec spec = spec_minimal();
	const struct spec_limits ceiling = { .wall_ms = 1000, .disk_bytes = 1 << 20, .pids = 100 };
	struct build_input in = input;
	struct build b;
	struct err e;
	in.ceiling = &ceiling;
	assert_int_equal(build_with(&spec, &in, &b, &e), 0);
	assert_int_equal(b.wall_ms, 1000);
	assert_int_equal(b.grace_ms, DEFAULT_GRACE_MS);
	assert_int_equal(b.plan->limits.disk_bytes, 1 << 20);
	assert_int_equal(b.plan->limits.processes, 100);
	build_finish(&b);
}

TEST(the_default_of_open_files_follows_the_hard_limit_and_a_request_above_it_is_refused)
{
	struct task_spec spec = spec_minimal();
	struct build_input in = input;
	struct build b;
	struct err e;
	in.open_files_hard = 1024;
	assert_int_equal(build_with(&spec, &in, &b, &e), 0);
	assert_int_equal(b.plan->limits.open_files, 1024);
	build_finish(&b);
	spec.limits.open_files = 1025;
	assert_int_equal(build_with(&spec, &in, &b, &e), -EINVAL);
	assert_int_equal(e.code, ERR_UNENFORCEABLE);
	assert_string_equal(e.field, "task.limits.open_files");
}

TEST(a_cgroup_limit_without_a_cgroup_is_refused_by_name_with_reason_and_fix)
{
	struct task_spec spec = spec_minimal();
	struct build b;
	struct err e;
	spec.limits.memory_bytes = 1 << 30;
	assert_int_equal(build_with(&spec, &input, &b, &e), -EINVAL);
	assert_int_equal(e.code, ERR_UNENFORCEABLE);
	assert_string_equal(e.field, "task.limits.memory");
	assert_non_null(strstr(e.msg, "no cgroup here"));
	assert_non_null(strstr(e.hint, "--best-effort memory"));
	spec.limits = (struct spec_limits){ .cpu_millis = 500 };
	assert_refused(&spec, ERR_UNENFORCEABLE, "task.limits.cpus");
	spec.limits = (struct spec_limits){ .pids = 5 };
	assert_refused(&spec, ERR_UNENFORCEABLE, "task.limits.pids");
	/* Leave for one is no leave for another. */
	spec.best_effort = BEST_EFFORT_MEMORY;
	assert_refused(&spec, ERR_UNENFORCEABLE, "task.limits.pids");
}

TEST(best_effort_takes_the_weaker_form_and_says_so)
{
	struct task_spec spec = spec_minimal();
	struct build b;
	struct err e;
	spec.limits =
		(struct spec_limits){ .memory_bytes = 1 << 30, .cpu_millis = 500, .pids = 50 };
	spec.best_effort = BEST_EFFORT_MEMORY | BEST_EFFORT_CPUS | BEST_EFFORT_PIDS;
	assert_int_equal(build_with(&spec, &input, &b, &e), 0);
	assert_int_equal(b.plan->limits.data_bytes, 1 << 30);
	assert_int_equal(b.plan->limits.processes, 50);
	/* What the cgroup would have held is in no field of its own. */
	assert_int_equal(b.plan->limits.memory_bytes, 0);
	assert_int_equal(b.plan->limits.pids, 0);
	assert_int_equal(b.n_degraded, 3);
	assert_int_equal(strncmp(b.degraded[0], "memory: ", 8), 0);
	assert_int_equal(strncmp(b.degraded[1], "cpus: ", 6), 0);
	assert_int_equal(strncmp(b.degraded[2], "pids: ", 6), 0);
	build_finish(&b);
}

TEST(with_its_controller_a_limit_is_the_cgroup_s)
{
	struct task_spec spec = spec_minimal();
	struct build_input in = input;
	struct build b;
	struct err e;
	in.controllers = 1u << PLAN_CONTROLLER_MEMORY | 1u << PLAN_CONTROLLER_PIDS;
	spec.limits = (struct spec_limits){ .memory_bytes = 1 << 30,
		.swap_bytes = 1 << 20,
		.memory_high_bytes = 1 << 29,
		.cpu_time_ms = 5000 };
	assert_int_equal(build_with(&spec, &in, &b, &e), 0);
	assert_int_equal(b.plan->limits.memory_bytes, 1 << 30);
	assert_int_equal(b.plan->limits.swap_bytes, 1 << 20);
	assert_int_equal(b.plan->limits.memory_high_bytes, 1 << 29);
	assert_int_equal(b.plan->limits.cpu_time_ms, 5000);
	assert_int_equal(b.plan->limits.data_bytes, 0);
	assert_int_equal(b.plan->limits.cpu_ms, 0);
	/* Also the default that nobody asked for. */
	assert_int_equal(b.plan->limits.pids, DEFAULT_PROCESSES);
	assert_int_equal(b.n_degraded, 0);
	build_finish(&b);
	/* One controller is not another. */
	spec.limits = (struct spec_limits){ .io_write_bps = 1 << 20 };
	assert_int_equal(build_with(&spec, &in, &b, &e), -EINVAL);
	assert_string_equal(e.field, "task.limits.io_write");
}

TEST(a_disk_limit_that_nothing_holds_is_refused_by_name)
{
	struct task_spec spec = spec_minimal();
	struct build_input in = input;
	struct build b;
	struct err e;
	in.is_upper_on_disk = true;
	/* The defaults are no promise of ours: the jail says that they are not held. */
	assert_int_equal(build_with(&spec, &in, &b, &e), 0);
	build_finish(&b);
	spec.limits = (struct spec_limits){ .disk_bytes = 1 << 20, .disk_inodes = 100 };
	assert_int_equal(build_with(&spec, &in, &b, &e), -EINVAL);
	assert_int_equal(e.code, ERR_UNENFORCEABLE);
	assert_string_equal(e.field, "task.limits.disk");
	spec.best_effort = BEST_EFFORT_DISK;
	assert_int_equal(build_with(&spec, &in, &b, &e), -EINVAL);
	assert_string_equal(e.field, "task.limits.inodes");
	spec.best_effort |= BEST_EFFORT_INODES;
	assert_int_equal(build_with(&spec, &in, &b, &e), 0);
	assert_int_equal(b.n_degraded, 2);
	assert_int_equal(b.plan->limits.file_bytes, 1 << 20);
	build_finish(&b);
}

TEST(a_default_of_the_administrator_is_held_or_refused_too)
{
	const struct spec_limits defaults = { .wall_ms = 1000,
		.grace_ms = 1,
		.queue_ms = 1,
		.pids = 7,
		.disk_bytes = 1 << 20,
		.disk_inodes = 64,
		.output_bytes = 1,
		.open_files = 16,
		.idle_ms = 70,
		.memory_bytes = 1 << 30 };
	struct task_spec spec = spec_minimal();
	struct build_input in = input;
	struct build b;
	struct err e;
	in.defaults = &defaults;
	assert_int_equal(build_with(&spec, &in, &b, &e), -EINVAL);
	assert_string_equal(e.field, "task.limits.memory");
	assert_non_null(strstr(e.hint, "[defaults]"));
	in.controllers = 1u << PLAN_CONTROLLER_MEMORY;
	assert_int_equal(build_with(&spec, &in, &b, &e), 0);
	assert_int_equal(b.plan->limits.memory_bytes, 1 << 30);
	assert_int_equal(b.idle_ms, 70);
	/* RLIMIT_NPROC, where no cgroup counts. */
	assert_int_equal(b.plan->limits.processes, 7);
	assert_int_equal(b.plan->limits.pids, 0);
	build_finish(&b);
}

TEST(a_workspace_is_shown_where_it_lies_or_at_the_usual_place)
{
	struct task_spec spec = spec_minimal();
	struct build b;
	struct err e;
	char path[] = "//srv/./code///x/";
	spec.has_workspace = true;
	spec.workspace =
		(struct spec_mount){ .source = { .path = path, .fd = -1 }, .mode = PLAN_MODE_COW };
	assert_int_equal(build_with(&spec, &input, &b, &e), 0);
	assert_true(b.plan->has_workspace);
	assert_string_equal(b.plan->workspace.target, "/srv/code/x");
	assert_string_equal(b.plan->workspace.source.path, path);
	assert_int_equal(b.plan->workspace.source.fd_index, -1);
	build_finish(&b);

	spec.workspace = (struct spec_mount){ .source = { .fd = 1 }, .mode = PLAN_MODE_RW };
	assert_int_equal(build_with(&spec, &input, &b, &e), 0);
	assert_string_equal(b.plan->workspace.target, BUILD_WORKSPACE_TARGET);
	assert_int_equal(b.plan->workspace.source.fd_index, 1);
	assert_int_equal(b.plan->workspace.mode, PLAN_MODE_RW);
	assert_int_equal(plan_source_count(b.plan), 2);
	build_finish(&b);
}

TEST(a_descriptor_that_was_not_sent_is_named)
{
	struct task_spec spec = spec_minimal();
	spec.has_workspace = true;
	spec.workspace = (struct spec_mount){ .source = { .fd = 2 } };
	assert_refused(&spec, ERR_BAD_VALUE, "task.workspace.fd");
	spec.workspace.source.fd = INT64_MAX;
	assert_refused(&spec, ERR_BAD_VALUE, "task.workspace.fd");
	spec.workspace.source.fd = -1;
	assert_refused(&spec, ERR_MISSING_FIELD, "task.workspace");
	char relative[] = "code";
	spec.workspace.source.path = relative;
	assert_refused(&spec, ERR_BAD_VALUE, "task.workspace.path");
}

TEST(mounts_have_the_rules_of_every_plan)
{
	struct task_spec spec = spec_minimal();
	char path[] = "/srv/data", up[] = "/srv/../etc", proc[] = "/proc/x", relative[] = "data";
	struct spec_mount mounts[2] = {
		{ .source = { .path = path, .fd = -1 }, .mode = PLAN_MODE_RO },
		{ .source = { .fd = 0 }, .mode = PLAN_MODE_RW },
	};
	struct build b;
	struct err e;
	spec.mounts = mounts;
	spec.n_mounts = 2;
	assert_refused(&spec, ERR_MISSING_FIELD, "task.mounts[1].target");
	mounts[1].target = path;
	assert_int_equal(build_with(&spec, &input, &b, &e), 0);
	assert_int_equal(b.plan->n_mounts, 2);
	assert_string_equal(b.plan->mounts[0].target, "/srv/data");
	build_finish(&b);
	mounts[1].target = up;
	assert_refused(&spec, ERR_BAD_VALUE, "task.mounts");
	mounts[1].target = proc;
	assert_refused(&spec, ERR_BAD_VALUE, "task.mounts");
	mounts[1].target = relative;
	assert_refused(&spec, ERR_BAD_VALUE, "task.mounts");
}

TEST(an_image_is_the_host_or_a_directory)
{
	struct task_spec spec = spec_minimal();
	char host[] = "host", dir[] = "/srv/images/debian", unknown[] = "debian:12";
	struct build b;
	struct err e;
	spec.image = host;
	assert_int_equal(build_with(&spec, &input, &b, &e), 0);
	assert_int_equal(b.plan->image, PLAN_IMAGE_HOST);
	build_finish(&b);
	spec.image = dir;
	assert_int_equal(build_with(&spec, &input, &b, &e), 0);
	assert_int_equal(b.plan->image, PLAN_IMAGE_DIR);
	assert_string_equal(b.plan->image_source.path, dir);
	build_finish(&b);
	spec.image = unknown;
	assert_refused(&spec, ERR_BAD_VALUE, "task.image");
}

TEST(a_terminal_takes_the_place_of_the_input_pipe)
{
	struct task_spec spec = spec_minimal();
	struct build b;
	struct err e;
	spec.stdin_mode = STDIN_STREAM;
	assert_int_equal(build_with(&spec, &input, &b, &e), 0);
	assert_true(b.plan->has_stdin);
	build_finish(&b);
	spec.tty = true;
	spec.rows = 24;
	spec.cols = 80;
	assert_int_equal(build_with(&spec, &input, &b, &e), 0);
	assert_false(b.plan->has_stdin);
	assert_true(b.plan->tty);
	assert_int_equal(b.plan->rows, 24);
	assert_int_equal(b.plan->cols, 80);
	build_finish(&b);
	spec.cols = 65536;
	assert_refused(&spec, ERR_OUT_OF_RANGE, "task.cols");
}

TEST(what_plan_check_refuses_is_refused_here)
{
	struct task_spec spec = spec_minimal();
	char empty[] = "";
	char *argv_empty[] = { empty, NULL };
	spec.argv = argv_empty;
	assert_refused(&spec, ERR_BAD_VALUE, "task.argv");
	spec.argv = NULL;
	assert_refused(&spec, ERR_BAD_VALUE, "task.argv");
}

TEST(files_and_secrets_come_in_the_order_of_the_request)
{
	struct spec_file files[] = { { .path = (char[]){ "/a//b/" }, .data_len = 3 },
		{ .path = (char[]){ "/c" }, .mode = 0700 } };
	struct spec_secret secrets[] = { { .name = (char[]){ "s" }, .fd = -1, .data_len = 5 } };
	struct task_spec spec = spec_minimal();
	struct build b;
	struct err e;
	spec.files = files;
	spec.n_files = 2;
	spec.secrets = secrets;
	spec.n_secrets = 1;
	assert_int_equal(build_with(&spec, &input, &b, &e), 0);
	assert_int_equal(b.plan->n_inputs, 3);
	assert_string_equal(b.plan->inputs[0].path, "/a/b");
	assert_int_equal(b.plan->inputs[0].mode, 0644);
	assert_int_equal(b.plan->inputs[0].bytes, 3);
	assert_int_equal(b.plan->inputs[1].mode, 0700);
	assert_int_equal(b.plan->inputs[2].kind, PLAN_INPUT_SECRET);
	assert_string_equal(b.plan->inputs[2].path, "s");
	build_finish(&b);
	files[1].path[1] = '.';
	assert_refused(&spec, ERR_BAD_VALUE, "task.files[1].path");
}

TEST(what_is_hidden_is_seen_from_the_workspace)
{
	char *hide[] = { (char[]){ "a//b/" }, (char[]){ "./.env" }, NULL };
	struct task_spec spec = spec_minimal();
	struct build b;
	struct err e;
	spec.has_workspace = true;
	spec.workspace = (struct spec_mount){ .source = { .path = (char[]){ "/w" }, .fd = -1 },
		.hide = hide };
	assert_int_equal(build_with(&spec, &input, &b, &e), 0);
	assert_string_equal(b.plan->hidden[0], "/a/b");
	assert_string_equal(b.plan->hidden[1], "/.env");
	assert_null(b.plan->hidden[2]);
	build_finish(&b);
	hide[1] = (char[]){ "/etc" };
	assert_refused(&spec, ERR_BAD_VALUE, "task.workspace.hide");
	hide[1] = (char[]){ "../x" };
	assert_refused(&spec, ERR_BAD_VALUE, "task.workspace.hide");
	hide[1] = (char[]){ "" };
	assert_refused(&spec, ERR_BAD_VALUE, "task.workspace.hide");
}

TEST(a_tar_goes_where_the_task_starts_unless_it_says_where)
{
	struct spec_tar tars[] = { { .fd = 1 }, { .fd = -1, .target = (char[]){ "/a//b/" } } };
	struct task_spec spec = spec_minimal();
	struct build b;
	struct err e;
	spec.tars = tars;
	spec.n_tars = 2;
	spec.stdin_mode = STDIN_STREAM;
	struct build_input with_fds = input;
	with_fds.n_fds = 2;
	assert_int_equal(build_with(&spec, &with_fds, &b, &e), 0);
	assert_int_equal(b.plan->n_tars, 2);
	assert_int_equal(b.plan->tars[0].fd_index, 1);
	assert_string_equal(b.plan->tars[0].target, "/home/agent");
	assert_int_equal(b.plan->tars[1].fd_index, -1);
	assert_string_equal(b.plan->tars[1].target, "/a/b");
	build_finish(&b);
	spec.has_workspace = true;
	spec.workspace = (struct spec_mount){ .source = { .path = (char[]){ "/w" }, .fd = -1 } };
	spec.user = PLAN_USER_ROOT;
	assert_int_equal(build_with(&spec, &with_fds, &b, &e), 0);
	assert_string_equal(b.plan->tars[0].target, "/w");
	build_finish(&b);
	spec.has_workspace = false;
	assert_int_equal(build_with(&spec, &with_fds, &b, &e), 0);
	assert_string_equal(b.plan->tars[0].target, "/root");
	build_finish(&b);
	with_fds.n_fds = 1;
	assert_true(build_with(&spec, &with_fds, &b, &e) < 0);
	assert_string_equal(e.field, "task.tars[0].fd");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_with_nothing_but_a_command_gets_every_default),
		cmocka_unit_test(given_limits_are_taken_as_they_are),
		cmocka_unit_test(a_default_is_never_above_the_ceiling),
		cmocka_unit_test(
			the_default_of_open_files_follows_the_hard_limit_and_a_request_above_it_is_refused),
		cmocka_unit_test(
			a_cgroup_limit_without_a_cgroup_is_refused_by_name_with_reason_and_fix),
		cmocka_unit_test(best_effort_takes_the_weaker_form_and_says_so),
		cmocka_unit_test(with_its_controller_a_limit_is_the_cgroup_s),
		cmocka_unit_test(a_disk_limit_that_nothing_holds_is_refused_by_name),
		cmocka_unit_test(a_default_of_the_administrator_is_held_or_refused_too),
		cmocka_unit_test(a_workspace_is_shown_where_it_lies_or_at_the_usual_place),
		cmocka_unit_test(a_descriptor_that_was_not_sent_is_named),
		cmocka_unit_test(mounts_have_the_rules_of_every_plan),
		cmocka_unit_test(an_image_is_the_host_or_a_directory),
		cmocka_unit_test(a_terminal_takes_the_place_of_the_input_pipe),
		cmocka_unit_test(what_plan_check_refuses_is_refused_here),
		cmocka_unit_test(files_and_secrets_come_in_the_order_of_the_request),
		cmocka_unit_test(what_is_hidden_is_seen_from_the_workspace),
		cmocka_unit_test(a_tar_goes_where_the_task_starts_unless_it_says_where),
	};
	return RUN_TESTS(tests);
}
