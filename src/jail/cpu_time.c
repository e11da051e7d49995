/*
 * The CPU time of a whole task: see warden.h. The kernel has no limit for it, so its counter is
 * read: at the earliest moment at which all CPUs together can have used up what is left.
 */
#include "jail/warden.h"

#include "base/clock.h"

#include <unistd.h>

/* What a task can be late by, on each CPU. */
#define PAUSE_NS (10 * NS_PER_MS)

/* How fast CPU time can pass, in thousandths of real time. */
static uint64_t fastest_millis(const struct plan_limits *l)
{
	long n = sysconf(_SC_NPROCESSORS_CONF);
	uint64_t millis = n > 0 ? (uint64_t)n * 1000 : 1000;
	return l->cpu_millis && l->cpu_millis < millis ? l->cpu_millis : millis;
}

void cpu_time_start(struct warden_jail *j)
{
	j->cpu_check_ns = j->plan->limits.cpu_time_ms && j->cgroup.fd >= 0 ? 1 : 0;
}

bool cpu_time_is_up(struct warden_jail *j, uint64_t now_ns)
{
	const struct plan_limits *l = &j->plan->limits;
	uint64_t used_us, all_us = l->cpu_time_ms * 1000;
	if (!j->cpu_check_ns || j->cpu_check_ns > now_ns)
		return false;
	j->cpu_check_ns = 0;
	/* Its cgroup has been taken away: nothing can be held any more. */
	if (!cgroup_task_cpu_us(&j->cgroup, &used_us) || used_us >= all_us)
		return true;
	uint64_t wait_ns = (all_us - used_us) * NS_PER_US / fastest_millis(l) * 1000;
	j->cpu_check_ns = now_ns + (wait_ns > PAUSE_NS ? wait_ns : PAUSE_NS);
	return false;
}
