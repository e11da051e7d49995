/* One jail's cgroup: its limits, its counters, its end, in a tree of plain directories. */
#include "cgroup_fake.h"

#include <signal.h>
#include <sys/wait.h>

#define TASK "t-0123456789abcdef0123456789abcdef"
#define AT   "unit/tasks/" TASK

static struct cgroup_tree tree;
static struct cgroup_task task;
static const struct plan_limits no_limits;

static void begin(const char *controllers)
{
	struct cgroup_place p;
	fake_start(controllers);
	fake_place(&p, "/unit");
	cgroup_tree_open(&tree, &p);
	cgroup_place_finish(&p);
	task.fd = -1;
}

static int start(void **state)
{
	begin(FAKE_ALL);
	assert_string_equal(tree.why, "");
	return 0;
}

static int finish(void **state)
{
	fake_fail = NULL;
	cgroup_task_remove(&tree, &task);
	cgroup_task_close(&task);
	cgroup_tree_close(&tree);
	fake_finish();
	return 0;
}

static void make(const struct plan_limits *limits)
{
	struct err e = { 0 };
	assert_int_equal(cgroup_task_make(&tree, TASK, limits, &task, &e), 0);
	assert_true(task.fd >= 0);
	assert_string_equal(task.name, TASK);
}

static void set(const char *file, const char *text)
{
	fake_write(task.fd, file, text);
}

TEST(limits_are_written_before_anything_runs_in_it)
{
	const struct plan_limits l = {
		.memory_bytes = 64 << 20, .swap_bytes = 0, .cpu_millis = 500, .pids = 63
	};
	make(&l);
	fake_expect(AT "/memory.max", "67108864");
	fake_expect(AT "/memory.swap.max", "0");
	fake_expect(AT "/memory.oom.group", "1");
	fake_expect(AT "/cpu.max", "50000 100000");
	/* Jail init is one more. */
	fake_expect(AT "/pids.max", "64");
	fake_expect(AT "/cgroup.procs", "");
}

TEST(every_limit_has_its_file)
{
	make(&(const struct plan_limits){ .memory_high_bytes = 32 << 20,
		.cpu_weight = 20,
		.io_read_bps = 1 << 20,
		.io_write_bps = 4096 });
	fake_expect(AT "/memory.high", "33554432");
	fake_expect(AT "/memory.max", "max");
	fake_expect(AT "/cpu.weight", "20");
	fake_expect(AT "/io.max", "8:0 rbps=1048576 wbps=4096 253:1 rbps=1048576 wbps=4096");
	assert_int_equal(cgroup_task_remove(&tree, &task), 0);
	make(&(const struct plan_limits){ .io_read_bps = 1 << 20 });
	fake_expect(AT "/io.max", "8:0 rbps=1048576 wbps=max 253:1 rbps=1048576 wbps=max");
	assert_int_equal(cgroup_task_remove(&tree, &task), 0);
	make(&(const struct plan_limits){ .io_write_bps = 4096 });
	fake_expect(AT "/io.max", "8:0 rbps=max wbps=4096 253:1 rbps=max wbps=4096");
}

TEST(G19_a_limit_of_one_task_is_none_of_the_next)
{
	const struct plan_limits l = {
		.memory_bytes = 64 << 20, .swap_bytes = 4096, .cpu_millis = 10, .pids = 1
	};
	make(&l);
	fake_expect(AT "/memory.swap.max", "4096");
	fake_expect(AT "/cpu.max", "1000 100000");
	assert_int_equal(cgroup_task_remove(&tree, &task), 0);
	assert_false(fake_has(fake_root, AT));
	make(&no_limits);
	fake_expect(AT "/memory.max", "max");
	fake_expect(AT "/memory.swap.max", "max");
	fake_expect(AT "/memory.oom.group", "1");
	fake_expect(AT "/cpu.max", "max 100000");
	fake_expect(AT "/pids.max", "max");
}

TEST(the_highest_limits_fit)
{
	const struct plan_limits l = { .memory_bytes = UINT64_MAX,
		.swap_bytes = UINT64_MAX,
		.cpu_millis = PLAN_CPU_MILLIS_MAX,
		.pids = PLAN_PIDS_MAX };
	make(&l);
	fake_expect(AT "/memory.max", "18446744073709551615");
	fake_expect(AT "/cpu.max", "6553600000 100000");
	fake_expect(AT "/pids.max", "4194305");
}

TEST(G16_a_limit_without_its_controller_is_refused_by_name)
{
	static const struct {
		const char *field;
		struct plan_limits limits;
	} asked[] = {
		{ "task.limits.memory", { .memory_bytes = 64 << 20 } },
		{ "task.limits.cpus", { .cpu_millis = 500 } },
		{ "task.limits.pids", { .pids = 10 } },
		{ "task.limits.io_write", { .io_write_bps = 4096 } },
	};
	static const char *const delegated[] = { "cpu io pids\n", "io memory pids\n",
		"cpu io memory\n", "cpu memory pids\n" };
	struct err e;
	finish(NULL);
	for (size_t i = 0; i < ARRAY_SIZE(asked); i++) {
		begin(delegated[i]);
		for (size_t k = 0; k < ARRAY_SIZE(asked); k++) {
			memset(&e, 0, sizeof(e));
			int r = cgroup_task_make(&tree, TASK, &asked[k].limits, &task, &e);
			assert_int_equal(r, i == k ? -EINVAL : 0);
			assert_int_equal(task.fd >= 0, i != k);
			if (i == k) {
				assert_int_equal(e.code, ERR_UNENFORCEABLE);
				assert_string_equal(e.field, asked[k].field);
				assert_non_null(strstr(e.msg, "/unit has no controller"));
			}
			assert_int_equal(cgroup_task_remove(&tree, &task), 0);
		}
		finish(NULL);
	}
	/* None at all: a task without limits runs, without a cgroup. */
	begin("\n");
	assert_int_equal(cgroup_task_make(&tree, TASK, &no_limits, &task, &e), 0);
	assert_int_equal(task.fd, -1);
	assert_int_equal(cgroup_task_make(&tree, TASK, &asked[0].limits, &task, &e), -EINVAL);
}

TEST(J13_a_name_that_is_there_already_is_left_alone)
{
	assert_int_equal(mkdirat(tree.tasks_fd, TASK, 0755), 0);
	struct err e = { 0 };
	assert_int_equal(cgroup_task_make(&tree, TASK, &no_limits, &task, &e), 0);
	assert_string_equal(task.name, TASK ".2");
	assert_int_equal(cgroup_task_remove(&tree, &task), 0);
	assert_true(fake_has(fake_root, AT));
	for (int i = 2; i <= 8; i++) {
		char name[64];
		snprintf(name, sizeof(name), TASK ".%d", i);
		assert_int_equal(mkdirat(tree.tasks_fd, name, 0755), 0);
	}
	assert_int_equal(cgroup_task_make(&tree, TASK, &no_limits, &task, &e), -EEXIST);
	assert_string_equal(e.step, "cgroup");
	assert_int_equal(task.fd, -1);
}

TEST(no_name_leads_out_of_the_tree)
{
	static const char *const names[] = { "..", "../../other", "/", "", ".", "a/b", "t-../x",
		NULL };
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct err e = { 0 };
		assert_int_equal(cgroup_task_make(&tree, names[i], &no_limits, &task, &e), 0);
		assert_string_equal(task.name, "task");
		assert_true(fake_has(fake_root, "unit/tasks/task"));
		assert_int_equal(cgroup_task_remove(&tree, &task), 0);
	}
}

TEST(J13_a_tree_that_was_removed_under_us_is_made_again)
{
	int unit = fake_open("unit");
	assert_int_equal(unlinkat(unit, "tasks", AT_REMOVEDIR), 0);
	close(unit);
	make(&(const struct plan_limits){ .memory_bytes = 64 << 20 });
	fake_expect("unit/tasks/cgroup.subtree_control", "memory pids cpu io");
	fake_expect(AT "/memory.max", "67108864");
	/* Removed under us, it is gone, which is what was wanted. */
	assert_int_equal(unlinkat(tree.tasks_fd, TASK, AT_REMOVEDIR), 0);
	assert_false(cgroup_task_is_populated(&task));
	assert_int_equal(cgroup_task_remove(&tree, &task), 0);
	assert_int_equal(task.fd, -1);
}

TEST(a_limit_that_cannot_be_written_leaves_nothing)
{
	static const char *const files[] = { "memory.max", "memory.swap.max", "memory.oom.group",
		"memory.high", "cpu.max", "cpu.weight", "pids.max", "io.max" };
	const struct plan_limits l = { .memory_bytes = 64 << 20,
		.memory_high_bytes = 32 << 20,
		.cpu_millis = 500,
		.cpu_weight = 7,
		.pids = 63,
		.io_read_bps = 1 << 20 };
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		struct err e = { 0 };
		fake_fail = files[i];
		assert_int_equal(cgroup_task_make(&tree, TASK, &l, &task, &e), -EIO);
		assert_int_equal(e.code, ERR_SETUP);
		assert_string_equal(e.step, "cgroup");
		assert_non_null(strstr(e.msg, files[i]));
		assert_int_equal(task.fd, -1);
		assert_false(fake_has(fake_root, AT));
	}
}

TEST(counters_are_read)
{
	struct wire_usage u;
	make(&no_limits);
	set("memory.peak", "123456789\n");
	set("memory.swap.peak", "4096\n");
	set("memory.events", "low 0\nhigh 0\nmax 12\noom 2\noom_kill 3\noom_group_kill 1\n");
	set("cpu.stat", "usage_usec 99\nuser_usec 70\nsystem_usec 29\nnr_periods 1\n");
	set("pids.peak", "8\n");
	set("io.stat", "8:0 rbytes=100 wbytes=7 rios=1 wios=1 dbytes=0 dios=0\n"
		       "253:1 rbytes=1 wbytes=2 rios=1 wios=1 dbytes=0 dios=0\n");
	cgroup_task_read(&task, &u);
	assert_int_equal(u.known, 63);
	assert_int_equal(u.memory_peak, 123456789);
	assert_int_equal(u.swap_peak, 4096);
	assert_int_equal(u.oom_kills, 3);
	assert_int_equal(u.user_us, 70);
	assert_int_equal(u.sys_us, 29);
	assert_int_equal(u.pids_peak, 7);
	assert_int_equal(u.io_read_bytes, 101);
	assert_int_equal(u.io_write_bytes, 9);
}

TEST(a_counter_that_is_not_there_or_makes_no_sense_is_not_known)
{
	struct wire_usage u;
	make(&no_limits);
	assert_int_equal(unlinkat(task.fd, "memory.peak", 0), 0);
	set("memory.swap.peak", "-1\n");
	set("memory.events", "oom 5\n");
	set("cpu.stat", "user_usec 1\nsystem_usec 18446744073709551616\n");
	set("pids.peak", "\n");
	set("io.stat", "8:0 rbytes=x wbytes=1\n");
	cgroup_task_read(&task, &u);
	assert_int_equal(u.known, 0);
	struct cgroup_task none = { .fd = -1 };
	cgroup_task_read(&none, &u);
	assert_int_equal(u.known, 0);
}

TEST(the_cpu_time_so_far_is_read)
{
	uint64_t us = 0;
	make(&no_limits);
	assert_true(cgroup_task_cpu_us(&task, &us));
	assert_int_equal(us, 30);
	set("cpu.stat", "user_usec 1\n");
	assert_false(cgroup_task_cpu_us(&task, &us));
	struct cgroup_task none = { .fd = -1 };
	assert_false(cgroup_task_cpu_us(&none, &us));
}

TEST(it_is_killed_as_a_whole)
{
	make(&no_limits);
	set("cgroup.procs", "4000042\n4000043\n");
	set("cgroup.events", "populated 1\nfrozen 0\n");
	assert_true(cgroup_task_is_populated(&task));
	assert_int_equal(cgroup_task_remove(&tree, &task), -EBUSY);
	assert_true(task.fd >= 0);
	cgroup_task_kill(&task);
	fake_expect(AT "/cgroup.kill", "1");
	assert_false(cgroup_task_is_populated(&task));
	assert_int_equal(cgroup_task_remove(&tree, &task), 0);
	assert_int_equal(cgroup_task_remove(&tree, &task), 0);
}

TEST(without_cgroup_kill_it_is_frozen_and_killed_one_by_one)
{
	char procs[64];
	int status;
	pid_t child = fork();
	if (child == 0)
		for (;;)
			pause();
	finish(NULL);
	fake_start(FAKE_ALL);
	fake_has_kill = false;
	struct cgroup_place p;
	fake_place(&p, "/unit");
	cgroup_tree_open(&tree, &p);
	cgroup_place_finish(&p);
	make(&no_limits);
	/* 0 is a process that cannot be seen from here: taken for a pid it would be this program.
	 */
	snprintf(procs, sizeof(procs), "0\n%d\n1\n", (int)child);
	set("cgroup.procs", procs);
	cgroup_task_kill(&task);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	fake_expect(AT "/cgroup.freeze", "0");
	set("cgroup.procs", "");
}

#define TASK_TEST(f) cmocka_unit_test_setup_teardown(f, start, finish)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TASK_TEST(limits_are_written_before_anything_runs_in_it),
		TASK_TEST(every_limit_has_its_file),
		TASK_TEST(G19_a_limit_of_one_task_is_none_of_the_next),
		TASK_TEST(the_highest_limits_fit),
		TASK_TEST(G16_a_limit_without_its_controller_is_refused_by_name),
		TASK_TEST(J13_a_name_that_is_there_already_is_left_alone),
		TASK_TEST(no_name_leads_out_of_the_tree),
		TASK_TEST(J13_a_tree_that_was_removed_under_us_is_made_again),
		TASK_TEST(a_limit_that_cannot_be_written_leaves_nothing),
		TASK_TEST(counters_are_read),
		TASK_TEST(a_counter_that_is_not_there_or_makes_no_sense_is_not_known),
		TASK_TEST(the_cpu_time_so_far_is_read),
		TASK_TEST(it_is_killed_as_a_whole),
		TASK_TEST(without_cgroup_kill_it_is_frozen_and_killed_one_by_one),
	};
	return RUN_TESTS(tests);
}
