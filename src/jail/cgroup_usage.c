/* What a jail's cgroup has counted: see cgroup.h. */
#include "jail/cgroup.h"
#include "jail/cgroup_parse.h"
#include "jail/cgroup_priv.h"

#include "base/cleanup.h"

#include <string.h>

static bool read_number(int fd, const char *file, uint64_t *ret)
{
	auto_free char *text = NULL;
	return cgroup_read(fd, file, &text) == 0 && cgroup_parse_number(text, ret) == 0;
}

static bool read_key(int fd, const char *file, const char *key, uint64_t *ret)
{
	auto_free char *text = NULL;
	return cgroup_read(fd, file, &text) == 0 && cgroup_parse_key(text, key, ret) == 0;
}

static bool read_io(int fd, uint64_t *ret_read, uint64_t *ret_write)
{
	auto_free char *text = NULL;
	return cgroup_read(fd, "io.stat", &text) == 0 &&
	       cgroup_parse_io(text, ret_read, ret_write) == 0;
}

bool cgroup_task_cpu_us(const struct cgroup_task *c, uint64_t *ret)
{
	return c->fd >= 0 && read_key(c->fd, "cpu.stat", "usage_usec", ret);
}

void cgroup_task_read(const struct cgroup_task *c, struct wire_usage *u)
{
	memset(u, 0, sizeof(*u));
	if (c->fd < 0)
		return;
	if (read_number(c->fd, "memory.peak", &u->memory_peak))
		u->known |= WIRE_KNOWN_MEMORY_PEAK;
	if (read_number(c->fd, "memory.swap.peak", &u->swap_peak))
		u->known |= WIRE_KNOWN_SWAP_PEAK;
	if (read_key(c->fd, "memory.events", "oom_kill", &u->oom_kills))
		u->known |= WIRE_KNOWN_OOM_KILLS;
	if (read_key(c->fd, "cpu.stat", "user_usec", &u->user_us) &&
		read_key(c->fd, "cpu.stat", "system_usec", &u->sys_us))
		u->known |= WIRE_KNOWN_CPU;
	if (read_number(c->fd, "pids.peak", &u->pids_peak)) {
		u->known |= WIRE_KNOWN_PIDS_PEAK;
		/* Jail init is not the task's. */
		u->pids_peak -= u->pids_peak > 0;
	}
	if (read_io(c->fd, &u->io_read_bytes, &u->io_write_bytes))
		u->known |= WIRE_KNOWN_IO;
}

void cgroup_task_read_now(const struct cgroup_task *c, struct wire_now *now)
{
	*now = (struct wire_now){ .source = WIRE_NOW_CGROUP };
	if (cgroup_task_cpu_us(c, &now->cpu_us))
		now->known |= WIRE_NOW_CPU;
	if (read_number(c->fd, "memory.current", &now->memory_bytes))
		now->known |= WIRE_NOW_MEMORY;
	if (read_number(c->fd, "pids.current", &now->pids)) {
		now->known |= WIRE_NOW_PIDS;
		/* Jail init is not the task's. */
		now->pids -= now->pids > 0;
	}
}
