/* Finding, taking and leaving a delegated subtree, in a tree of plain directories. */
#include "cgroup_fake.h"

#include <sys/file.h>
#include <sys/xattr.h>

static struct cgroup_tree tree;

static int start(void **state)
{
	fake_start(FAKE_ALL);
	return 0;
}

static int finish(void **state)
{
	cgroup_tree_close(&tree);
	fake_finish();
	return 0;
}

static void take(const char *own)
{
	struct cgroup_place p;
	fake_place(&p, own);
	cgroup_tree_open(&tree, &p);
	cgroup_place_finish(&p);
}

static void expect_as_before(void)
{
	fake_expect("unit/cgroup.subtree_control", "");
	assert_false(fake_has(fake_root, "unit/supervisor"));
	assert_false(fake_has(fake_root, "unit/tasks"));
	assert_int_equal(tree.controllers, 0);
	assert_true(tree.why[0]);
	assert_int_equal(tree.base_fd, -1);
	assert_int_equal(tree.supervisor_fd, -1);
	assert_int_equal(tree.tasks_fd, -1);
}

TEST(a_delegated_subtree_is_taken)
{
	take("/unit");
	assert_string_equal(tree.why, "");
	assert_int_equal(tree.controllers, 15);
	assert_true(tree.has_swap);
	assert_string_equal(tree.path, "/unit");
	fake_expect("unit/cgroup.procs", "");
	fake_expect("unit/supervisor/cgroup.procs", "4000001 4000002");
	fake_expect("unit/cgroup.subtree_control", "memory pids cpu io");
	fake_expect("unit/tasks/cgroup.subtree_control", "memory pids cpu io");
	assert_false(fake_has(fake_root, "unit/tasks/task"));
}

/* As the doctor does beside a warden that is at work. */
TEST(finding_it_changes_nothing)
{
	struct cgroup_place p;
	struct cgroup_tree found;
	struct err e = { 0 };
	fake_place(&p, "/unit");
	assert_int_equal(cgroup_tree_find(&p, &found, &e), 0);
	assert_string_equal(found.path, "/unit");
	assert_string_equal(found.why, "");
	assert_int_equal(found.controllers, 15);
	assert_true(found.base_fd >= 0);
	cgroup_tree_close(&found);
	cgroup_place_finish(&p);
	fake_expect("unit/cgroup.procs", "4000001 4000002");
	fake_expect("unit/cgroup.subtree_control", "");
	assert_false(fake_has(fake_root, "unit/supervisor"));
	assert_false(fake_has(fake_root, "unit/tasks"));
}

TEST(it_is_found_beside_the_warden_that_uses_it)
{
	struct cgroup_place p;
	struct cgroup_tree found;
	struct err e = { 0 };
	take("/unit");
	fake_place(&p, "/unit/supervisor");
	assert_int_equal(cgroup_tree_find(&p, &found, &e), 0);
	assert_string_equal(found.path, "/unit");
	cgroup_tree_close(&found);
	fake_expect("unit/supervisor/cgroup.procs", "4000001 4000002");
	assert_true(fake_has(fake_root, "unit/tasks"));
	fake_write(fake_root, "unit/cgroup.controllers", "cpuset\n");
	assert_true(cgroup_tree_find(&p, &found, &e) < 0);
	assert_int_equal(found.base_fd, -1);
	cgroup_place_finish(&p);
}

TEST(it_is_found_again_from_within_the_supervisor)
{
	take("/unit");
	cgroup_tree_close(&tree);
	assert_false(fake_has(fake_root, "unit/tasks"));
	take("/unit/supervisor");
	assert_string_equal(tree.why, "");
	assert_int_equal(tree.controllers, 15);
	assert_string_equal(tree.path, "/unit");
	assert_true(fake_has(fake_root, "unit/tasks"));
	fake_expect("unit/supervisor/cgroup.procs", "4000001 4000002");
}

TEST(what_is_not_delegated_is_named)
{
	fake_write(fake_root, "unit/cgroup.controllers", "io memory pids\n");
	take("/unit");
	assert_int_equal(tree.controllers, 11);
	assert_string_equal(tree.why, "/unit has no controller cpu");
}

TEST(without_a_disk_no_limit_of_input_and_output_is_promised)
{
	struct cgroup_place p;
	fake_place(&p, "/unit");
	free(p.devices);
	p.devices = NULL;
	cgroup_tree_open(&tree, &p);
	cgroup_place_finish(&p);
	assert_int_equal(tree.controllers, 7);
	assert_string_equal(tree.why, "/unit has no controller io; /sys/block shows no disk");
}

static void take_with_total(const struct plan_limits *total)
{
	struct cgroup_place p;
	fake_place(&p, "/unit");
	p.total = total;
	cgroup_tree_open(&tree, &p);
	cgroup_place_finish(&p);
}

TEST(limits_of_all_tasks_are_those_of_the_cgroup_above_them)
{
	struct err e;
	take_with_total(&(const struct plan_limits){
		.memory_bytes = 1 << 30, .swap_bytes = 4096, .cpu_millis = 1500, .pids = 1000 });
	assert_int_equal(cgroup_check_total(&tree, &e), 0);
	fake_expect("unit/tasks/memory.max", "1073741824");
	fake_expect("unit/tasks/memory.swap.max", "4096");
	fake_expect("unit/tasks/cpu.max", "150000 100000");
	fake_expect("unit/tasks/pids.max", "1000");
	/* One task is killed, not all. */
	fake_expect("unit/tasks/memory.oom.group", "0");
}

TEST(without_them_there_is_nothing_to_check)
{
	struct err e;
	take("/unit");
	assert_int_equal(cgroup_check_total(&tree, &e), 0);
	fake_expect("unit/tasks/memory.max", "max");
	fake_expect("unit/tasks/memory.swap.max", "max");
	fake_expect("unit/tasks/pids.max", "max");
}

TEST(G16_a_limit_of_all_tasks_that_cannot_be_held_is_named)
{
	struct err e = { 0 };
	const struct plan_limits total = { .cpu_millis = 1500 };
	fake_write(fake_root, "unit/cgroup.controllers", "memory pids\n");
	take_with_total(&total);
	assert_int_equal(cgroup_check_total(&tree, &e), -EINVAL);
	assert_string_equal(e.field, "total.cpus");
	assert_non_null(strstr(e.msg, "/unit has no controller cpu"));
	assert_true(e.hint[0]);
	cgroup_tree_close(&tree);
	fake_write(fake_root, "unit/cgroup.controllers", "\n");
	take_with_total(&total);
	assert_int_equal(tree.controllers, 0);
	assert_int_equal(cgroup_check_total(&tree, &e), -EINVAL);
	assert_string_equal(e.field, "total.cpus");
}

TEST(without_controllers_nothing_is_touched)
{
	fake_write(fake_root, "unit/cgroup.controllers", "cpuset io\n");
	take("/unit");
	expect_as_before();
	fake_expect("unit/cgroup.procs", "4000001 4000002");
	assert_non_null(strstr(tree.why, "memory, pids and cpu"));
	assert_non_null(strstr(tree.why, "/unit"));
}

TEST(a_host_with_cgroup_v1_is_told)
{
	struct cgroup_place p;
	char text[512];
	fake_write(fake_root, "unit/cgroup.controllers", "\n");
	fake_place(&p, "/unit");
	snprintf(text, sizeof(text),
		"32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n%s", p.mountinfo);
	free(p.mountinfo);
	p.mountinfo = strdup(text);
	cgroup_tree_open(&tree, &p);
	expect_as_before();
	assert_non_null(strstr(tree.why, "cgroup v1"));
	free(p.mountinfo);
	p.mountinfo = strdup("");
	cgroup_tree_open(&tree, &p);
	expect_as_before();
	assert_non_null(strstr(tree.why, "not mounted"));
	cgroup_place_finish(&p);
}

TEST(another_process_in_the_cgroup_leaves_everything_as_it_was)
{
	fake_write(fake_root, "unit/cgroup.procs", FAKE_OURS "4000009\n");
	take("/unit");
	expect_as_before();
	fake_expect("unit/cgroup.procs", "4000009 4000001 4000002");
	assert_non_null(strstr(tree.why, "4000009"));
}

TEST(a_controller_that_cannot_be_enabled_leaves_everything_as_it_was)
{
	fake_fail = "cgroup.subtree_control";
	take("/unit");
	fake_fail = NULL;
	expect_as_before();
	fake_expect("unit/cgroup.procs", "4000001 4000002");
	assert_non_null(strstr(tree.why, "Input/output error"));
}

TEST(a_place_that_is_not_shown_or_read_only_is_refused)
{
	static const char *const places[] = { "/nowhere", "/unit/../other", "/../unit",
		"/unit (deleted)" };
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		take(places[i]);
		expect_as_before();
	}
	struct cgroup_place p;
	fake_place(&p, "/unit");
	memcpy(strstr(p.mountinfo, "rw,nosuid"), "ro", 2);
	cgroup_tree_open(&tree, &p);
	expect_as_before();
	assert_non_null(strstr(tree.why, "read-only"));
	cgroup_place_finish(&p);
}

TEST(a_link_is_not_followed)
{
	tree_link(fake_root, "link", "unit");
	take("/link");
	expect_as_before();
}

TEST(root_takes_only_what_systemd_has_marked)
{
	struct cgroup_place p;
	fake_place(&p, "/unit");
	p.is_privileged = p.has_systemd = true;
	cgroup_tree_open(&tree, &p);
	expect_as_before();
	assert_string_equal(tree.why, "systemd has not delegated the cgroup /unit");
	/* Without systemd, a cgroup of its own will do, but not the root of the tree. */
	p.has_systemd = false;
	cgroup_tree_open(&tree, &p);
	assert_string_equal(tree.why, "");
	cgroup_tree_close(&tree);
	cgroup_place_finish(&p);

	fake_place(&p, "/unit/supervisor");
	p.is_privileged = true;
	assert_int_equal(__real_unlinkat(fake_root, "unit/cgroup.events", 0), 0);
	cgroup_tree_open(&tree, &p);
	assert_int_equal(tree.controllers, 0);
	assert_non_null(strstr(tree.why, "root of the cgroup tree"));

	p.has_systemd = true;
	int unit = fake_open("unit");
	if (fsetxattr(unit, "user.delegate", "0", 1, 0) == 0) {
		cgroup_tree_open(&tree, &p);
		assert_int_equal(tree.controllers, 0);
		assert_int_equal(fsetxattr(unit, "user.delegate", "1", 1, 0), 0);
		cgroup_tree_open(&tree, &p);
		assert_string_equal(tree.why, "");
	}
	close(unit);
	cgroup_place_finish(&p);
}

TEST(a_user_takes_only_what_is_its_own)
{
	if (geteuid() != 0)
		skip();
	int unit = fake_open("unit");
	assert_int_equal(fchown(unit, 65534, 65534), 0);
	close(unit);
	take("/unit");
	expect_as_before();
	assert_string_equal(tree.why, "the cgroup /unit is not delegated to user id 0");
}

TEST(what_an_earlier_warden_left_is_killed_and_removed)
{
	take("/unit");
	cgroup_tree_close(&tree);
	int unit = fake_open("unit");
	assert_int_equal(mkdirat(unit, "tasks", 0755), 0);
	int tasks = dir_open(unit, "tasks");
	assert_int_equal(mkdirat(tasks, "t-old", 0755), 0);
	assert_int_equal(mkdirat(tasks, "t-deep", 0755), 0);
	int deep = dir_open(tasks, "t-deep");
	assert_int_equal(mkdirat(deep, "below", 0755), 0);
	int old = dir_open(tasks, "t-old");
	fake_write(old, "cgroup.procs", "4000042\n");
	fake_write(old, "cgroup.events", "populated 1\nfrozen 0\n");
	close(old);
	close(deep);
	close(tasks);
	close(unit);
	take("/unit/supervisor");
	assert_string_equal(tree.why, "");
	assert_true(fake_has(fake_root, "unit/tasks"));
	assert_false(fake_has(fake_root, "unit/tasks/t-old"));
	assert_false(fake_has(fake_root, "unit/tasks/t-deep"));
}

TEST(two_daemons_do_not_share_a_cgroup)
{
	take("/unit");
	int unit = fake_open("unit");
	assert_int_equal(mkdirat(tree.tasks_fd, "t-first", 0755), 0);
	struct cgroup_tree second;
	struct cgroup_place p;
	fake_place(&p, "/unit/supervisor");
	cgroup_tree_open(&second, &p);
	assert_int_equal(second.controllers, 0);
	assert_string_equal(second.why, "another dayflyd uses the same cgroup");
	/* Nor does the second one, or its end, harm the first. */
	cgroup_tree_undo(&p);
	cgroup_place_finish(&p);
	assert_true(fake_has(fake_root, "unit/tasks/t-first"));
	fake_expect("unit/cgroup.subtree_control", "memory pids cpu io");
	close(unit);
}

TEST(the_last_one_leaves_it_as_it_was_found)
{
	struct cgroup_place p;
	take("/unit");
	cgroup_tree_close(&tree);
	fake_place(&p, "/unit/supervisor");
	cgroup_tree_undo(&p);
	fake_expect("unit/cgroup.procs", "4000001 4000002");
	fake_expect("unit/cgroup.subtree_control", "");
	assert_false(fake_has(fake_root, "unit/supervisor"));
	assert_false(fake_has(fake_root, "unit/tasks"));
	/* From a cgroup that is no supervisor there is nothing to undo. */
	free(p.self);
	p.self = strdup("0::/other\n");
	cgroup_tree_undo(&p);
	cgroup_place_finish(&p);
}

TEST(the_cgroups_of_others_keep_their_controllers)
{
	struct cgroup_place p;
	take("/unit");
	cgroup_tree_close(&tree);
	int unit = fake_open("unit");
	assert_int_equal(mkdirat(unit, "neighbour", 0755), 0);
	close(unit);
	fake_place(&p, "/unit/supervisor");
	cgroup_tree_undo(&p);
	cgroup_place_finish(&p);
	fake_expect("unit/cgroup.subtree_control", "memory pids cpu io");
	fake_expect("unit/supervisor/cgroup.procs", "4000001 4000002");
	assert_false(fake_has(fake_root, "unit/tasks"));
}

#define TREE_TEST(f) cmocka_unit_test_setup_teardown(f, start, finish)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TREE_TEST(a_delegated_subtree_is_taken),
		TREE_TEST(finding_it_changes_nothing),
		TREE_TEST(it_is_found_beside_the_warden_that_uses_it),
		TREE_TEST(it_is_found_again_from_within_the_supervisor),
		TREE_TEST(what_is_not_delegated_is_named),
		TREE_TEST(without_a_disk_no_limit_of_input_and_output_is_promised),
		TREE_TEST(limits_of_all_tasks_are_those_of_the_cgroup_above_them),
		TREE_TEST(without_them_there_is_nothing_to_check),
		TREE_TEST(G16_a_limit_of_all_tasks_that_cannot_be_held_is_named),
		TREE_TEST(without_controllers_nothing_is_touched),
		TREE_TEST(a_host_with_cgroup_v1_is_told),
		TREE_TEST(another_process_in_the_cgroup_leaves_everything_as_it_was),
		TREE_TEST(a_controller_that_cannot_be_enabled_leaves_everything_as_it_was),
		TREE_TEST(a_place_that_is_not_shown_or_read_only_is_refused),
		TREE_TEST(a_link_is_not_followed),
		TREE_TEST(root_takes_only_what_systemd_has_marked),
		TREE_TEST(a_user_takes_only_what_is_its_own),
		TREE_TEST(what_an_earlier_warden_left_is_killed_and_removed),
		TREE_TEST(two_daemons_do_not_share_a_cgroup),
		TREE_TEST(the_last_one_leaves_it_as_it_was_found),
		TREE_TEST(the_cgroups_of_others_keep_their_controllers),
	};
	return RUN_TESTS(tests);
}
