/* When the CPU time of a task is looked at, and when it is used up (I10). */
#include "harness.h"

#include "base/clock.h"
#include "jail/tree.h"
#include "jail/warden.h"

#include <unistd.h>

static struct warden_jail jail;
static struct plan plan;

static int start(void **state)
{
	plan = (struct plan){ .limits = { .cpu_time_ms = 1000 } };
	jail = (struct warden_jail){ .plan = &plan };
	jail.cgroup.fd = tree_start();
	return 0;
}

static int finish(void **state)
{
	if (jail.cgroup.fd >= 0)
		close(jail.cgroup.fd);
	tree_finish();
	return 0;
}

static void use(const char *stat)
{
	tree_file(jail.cgroup.fd, "cpu.stat", stat);
}

/* Real time from now until the next look. */
static uint64_t wait_ms(uint64_t now_ns)
{
	return (jail.cpu_check_ns - now_ns) / NS_PER_MS;
}

TEST(it_is_looked_at_no_sooner_than_it_can_be_used_up)
{
	uint64_t now = 5 * NS_PER_S, n = (uint64_t)sysconf(_SC_NPROCESSORS_CONF);
	cpu_time_start(&jail);
	use("usage_usec 400000\n");
	assert_false(cpu_time_is_up(&jail, now));
	assert_int_equal(wait_ms(now), 600 / n > 10 ? 600 / n : 10);
	/* Before that not at all. */
	use("usage_usec 2000000\n");
	assert_false(cpu_time_is_up(&jail, jail.cpu_check_ns - 1));
	assert_true(cpu_time_is_up(&jail, jail.cpu_check_ns));
	/* Once. */
	assert_false(cpu_time_is_up(&jail, now + NS_PER_S));
}

TEST(a_task_with_less_than_a_cpu_is_looked_at_less_often)
{
	uint64_t now = 5 * NS_PER_S;
	plan.limits.cpu_millis = 100;
	cpu_time_start(&jail);
	use("usage_usec 400000\n");
	assert_false(cpu_time_is_up(&jail, now));
	assert_int_equal(wait_ms(now), 6000);
}

TEST(the_last_moment_does_not_become_a_busy_loop)
{
	uint64_t now = 5 * NS_PER_S;
	cpu_time_start(&jail);
	use("usage_usec 999999\n");
	assert_false(cpu_time_is_up(&jail, now));
	assert_int_equal(wait_ms(now), 10);
	use("usage_usec 1000000\n");
	assert_true(cpu_time_is_up(&jail, jail.cpu_check_ns));
}

TEST(a_counter_that_has_gone_ends_the_task)
{
	cpu_time_start(&jail);
	assert_true(cpu_time_is_up(&jail, NS_PER_S));
}

TEST(without_such_a_limit_nothing_is_looked_at)
{
	plan.limits.cpu_time_ms = 0;
	cpu_time_start(&jail);
	use("usage_usec 99999999\n");
	assert_int_equal(jail.cpu_check_ns, 0);
	assert_false(cpu_time_is_up(&jail, NS_PER_S));
}

#define JAIL_TEST(f) cmocka_unit_test_setup_teardown(f, start, finish)

int main(void)
{
	const struct CMUnitTest tests[] = {
		JAIL_TEST(it_is_looked_at_no_sooner_than_it_can_be_used_up),
		JAIL_TEST(a_task_with_less_than_a_cpu_is_looked_at_less_often),
		JAIL_TEST(the_last_moment_does_not_become_a_busy_loop),
		JAIL_TEST(a_counter_that_has_gone_ends_the_task),
		JAIL_TEST(without_such_a_limit_nothing_is_looked_at),
	};
	return RUN_TESTS(tests);
}
