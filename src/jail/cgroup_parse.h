/* Readers of the cgroup texts of the kernel. Pure; any text may come. */
#ifndef DAYFLY_JAIL_CGROUP_PARSE_H
#define DAYFLY_JAIL_CGROUP_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define CGROUP_DEVICE_SIZE 24

/*
 * The path in the line "0::PATH" of /proc/self/cgroup. Returns 0, -ENOENT (there is none: cgroup v1
 * only), -ESTALE (removed meanwhile, or outside our cgroup namespace) or -ENAMETOOLONG.
 */
int cgroup_parse_self(const char *text, char *ret, size_t size);

/* Where a cgroup lies: MOUNT/BELOW. */
struct cgroup_mount {
	char point[512];
	char below[1024]; /* without a slash at either end; "" for the mount point itself */
	bool is_read_only;
};

/*
 * Finds the mount of cgroup v2 that shows the cgroup `path`; a writable one if there is one.
 * Returns 0, -ENOENT (cgroup v2 is not mounted) or -EXDEV (it is, but does not show that cgroup).
 */
int cgroup_parse_mount(const char *mountinfo, const char *path, struct cgroup_mount *ret);

/* Whether one of the controllers that hold limits is mounted as cgroup v1. */
bool cgroup_parse_has_v1(const char *mountinfo);

/* Bits by enum plan_controller in a list like "cpu io memory pids". */
uint32_t cgroup_parse_controllers(const char *text);

/* A number alone in its file; "max" is UINT64_MAX. Returns 0 or -EINVAL. */
int cgroup_parse_number(const char *text, uint64_t *ret);

/* The number after a key at the start of a line: "oom_kill 3". Returns 0, -ENOENT or -EINVAL. */
int cgroup_parse_key(const char *text, const char *key, uint64_t *ret);

/* The sums over all devices in io.stat. Returns 0 or -EINVAL. */
int cgroup_parse_io(const char *text, uint64_t *ret_read, uint64_t *ret_write);

/*
 * The next process id of a list with one on each line; 0 stands for a process that cannot be seen
 * from here. *text is moved on. Returns false at the end.
 */
bool cgroup_parse_pid(const char **text, pid_t *ret);

/* The next "MAJOR:MINOR" of such a list, likewise; what is none is skipped. */
bool cgroup_parse_device(const char **text, char ret[CGROUP_DEVICE_SIZE]);

#endif
