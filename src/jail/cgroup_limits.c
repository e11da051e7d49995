/* What limits are in the files of a cgroup: see cgroup.h. One table for a task and for all. */
#include "jail/cgroup.h"
#include "jail/cgroup_parse.h"
#include "jail/cgroup_priv.h"

#include "base/cleanup.h"
#include "base/fd.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define CPU_PERIOD_US 100000

struct writing {
	const struct cgroup_tree *tree;
	const struct plan_limits *limits;
	int fd;
	bool is_task; /* of one task; else of all together */
};

static int write_number(const struct writing *w, const char *file, uint64_t v)
{
	char text[24];
	snprintf(text, sizeof(text), "%" PRIu64, v);
	return fd_write_file(w->fd, file, text);
}

static int write_cpu_max(const struct writing *w, const char *file, uint64_t millis)
{
	char text[48];
	snprintf(text, sizeof(text), "%" PRIu64 " %d", millis * (CPU_PERIOD_US / 1000),
		CPU_PERIOD_US);
	return fd_write_file(w->fd, file, text);
}

/* Jail init is one more in each jail. */
static int write_pids(const struct writing *w, const char *file, uint64_t pids)
{
	return write_number(w, file, w->is_task ? pids + 1 : pids);
}

static int write_swap(const struct writing *w, const char *file, uint64_t bytes)
{
	return w->tree->has_swap ? write_number(w, file, bytes) : 0;
}

/*
 * Both directions at once, for every disk that was there at the start of the warden: which of them
 * a task will reach is not known before. One that has been taken out meanwhile is no way out.
 */
static int write_io(const struct writing *w, const char *file, uint64_t v)
{
	const struct plan_limits *l = w->limits;
	const char *next = w->tree->devices ? w->tree->devices : "";
	char device[CGROUP_DEVICE_SIZE], rbps[24] = "max", wbps[24] = "max", text[96];
	if (l->io_read_bps)
		snprintf(rbps, sizeof(rbps), "%" PRIu64, l->io_read_bps);
	if (l->io_write_bps)
		snprintf(wbps, sizeof(wbps), "%" PRIu64, l->io_write_bps);
	while (cgroup_parse_device(&next, device)) {
		snprintf(text, sizeof(text), "%s rbps=%s wbps=%s", device, rbps, wbps);
		int r = fd_write_file(w->fd, file, text);
		if (r < 0 && r != -ENODEV && r != -ENXIO)
			return r;
	}
	return 0;
}

/* The same line of the same file, which io_read has written already where both are asked for. */
static int write_io_alone(const struct writing *w, const char *file, uint64_t v)
{
	return w->limits->io_read_bps ? 0 : write_io(w, file, v);
}

/* In the order in which they are written. */
static const struct limit {
	const char *name; /* in the request, and among the settings for all tasks */
	const char *file;
	enum plan_controller controller;
	size_t offset; /* in struct plan_limits */
	int (*write)(const struct writing *w, const char *file, uint64_t v);
} limits[] = {
#define LIMIT(name, member, controller, file, write)                                               \
	{                                                                                          \
		(name), (file), PLAN_CONTROLLER_##controller,                                      \
			offsetof(struct plan_limits, member), (write)                              \
	}
	LIMIT("memory", memory_bytes, MEMORY, "memory.max", write_number),
	LIMIT("swap", swap_bytes, MEMORY, "memory.swap.max", write_swap),
	LIMIT("memory_high", memory_high_bytes, MEMORY, "memory.high", write_number),
	LIMIT("cpus", cpu_millis, CPU, "cpu.max", write_cpu_max),
	LIMIT("cpu_weight", cpu_weight, CPU, "cpu.weight", write_number),
	LIMIT("pids", pids, PIDS, "pids.max", write_pids),
	LIMIT("io_read", io_read_bps, IO, "io.max", write_io),
	LIMIT("io_write", io_write_bps, IO, "io.max", write_io_alone),
#undef LIMIT
};

static uint64_t value_of(const struct plan_limits *l, const struct limit *limit)
{
	return *(const uint64_t *)((const char *)l + limit->offset);
}

/*
 * A task with a limit of memory and none of swap has no swap. What lacks its controller is for
 * cgroup_limits_check() to refuse.
 */
static bool is_wanted(const struct writing *w, const struct limit *limit)
{
	if (!cgroup_has(w->tree, limit->controller))
		return false;
	return value_of(w->limits, limit) ||
	       (w->is_task && limit->write == write_swap && w->limits->memory_bytes);
}

static int write_limits(const struct writing *w, struct err *e)
{
	const char *whose = w->is_task ? "the task's cgroup" : "the cgroup " CGROUP_TASKS;
	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		if (!is_wanted(w, &limits[i]))
			continue;
		int r = limits[i].write(w, limits[i].file, value_of(w->limits, &limits[i]));
		if (r < 0)
			return err_set(e, ERR_SETUP, -r, "write %s of %s", limits[i].file, whose);
	}
	return 0;
}

int cgroup_limits_write_task(
	const struct cgroup_tree *t, int fd, const struct plan_limits *l, struct err *e)
{
	const struct writing w = { .tree = t, .limits = l, .fd = fd, .is_task = true };
	/* Before any limit: then no process of a task can outlive its fellows. */
	static const char group[] = "memory.oom.group";
	int r = cgroup_has(t, PLAN_CONTROLLER_MEMORY) ? fd_write_file(fd, group, "1") : 0;
	return r < 0 ? err_set(e, ERR_SETUP, -r, "write %s of the task's cgroup", group)
		     : write_limits(&w, e);
}

int cgroup_limits_write_total(const struct cgroup_tree *t, struct err *e)
{
	const struct writing w = { .tree = t, .limits = &t->total, .fd = t->tasks_fd };
	return write_limits(&w, e);
}

int cgroup_limits_check(const struct cgroup_tree *t, const struct plan_limits *l,
	const char *section, struct err *e)
{
	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		char field[64];
		if (!value_of(l, &limits[i]) || cgroup_has(t, limits[i].controller))
			continue;
		snprintf(field, sizeof(field), "%s.%s", section, limits[i].name);
		return err_set_field(
			e, ERR_UNENFORCEABLE, field, "this host cannot hold the limit: %s", t->why);
	}
	return 0;
}

int cgroup_check_total(const struct cgroup_tree *t, struct err *e)
{
	int r = cgroup_limits_check(t, &t->total, "total", e);
	if (r == 0 && t->total.swap_bytes && !t->has_swap)
		r = err_set_field(e, ERR_UNENFORCEABLE, "total.swap",
			"this host cannot hold the limit: its kernel does not limit swap");
	if (r < 0)
		err_hint(e, "set it to none, or start dayflyd with cgroup v2 delegation (systemd: "
			    "Delegate=yes)");
	return r;
}
