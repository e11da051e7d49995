/* The texts of a cgroup's files, of /proc/self/cgroup and of processes, from a kernel that writes
 * anything: what is taken is inside its bounds, and a number that is taken reads the same again. */
#include "fuzz/text.h"
#include "jail/cgroup_parse.h"
#include "jail/proc_stat.h"
#include "plan/plan.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_self(const char *text, size_t size)
{
	char path[64];
	memset(path, 'x', sizeof(path));
	if (cgroup_parse_self(text, path, size) < 0)
		return;
	size_t len = strnlen(path, size);
	if (len == size || path[0] != '/' || strchr(path, '\n') || !strncmp(path, "/../", 4))
		abort();
}

static void check_number(uint64_t v)
{
	char text[24];
	uint64_t again;
	snprintf(text, sizeof(text), "%" PRIu64 "\n", v);
	if (cgroup_parse_number(text, &again) < 0 || again != v)
		abort();
}

static void check_numbers(const char *text)
{
	static const char *const keys[] = { "oom_kill", "usage_usec", "populated", "some", "" };
	uint64_t v, w;
	if (cgroup_parse_number(text, &v) == 0)
		check_number(v);
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (cgroup_parse_key(text, keys[i], &v) == 0)
			check_number(v);
	if (cgroup_parse_io(text, &v, &w) == 0 && (v || w) && !strstr(text, "bytes="))
		abort();
}

static void check_pids(const char *text)
{
	const char *p = text, *before = p;
	pid_t pid;
	for (; cgroup_parse_pid(&p, &pid); before = p)
		if (pid < 0 || p <= before || p > text + strlen(text))
			abort();
	if (*p)
		abort();
}

static void check_process(const char *text)
{
	const char *p = text, *before = p;
	struct proc_stat stat;
	pid_t pid;
	for (; proc_children_next(&p, &pid); before = p)
		if (pid <= 0 || p <= before || p > text + strlen(text))
			abort();
	if (proc_stat_parse(text, &stat) == 0 && !strchr(text, ')'))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = text_of(data, size);
	check_self(text, 64);
	check_self(text, 2);
	check_numbers(text);
	check_pids(text);
	check_process(text);
	if (cgroup_parse_controllers(text) >> PLAN_CONTROLLER_COUNT)
		abort();
	free(text);
	return 0;
}
