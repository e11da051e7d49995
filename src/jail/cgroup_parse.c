/* The kernel's cgroup texts: see cgroup_parse.h. */
#include "jail/cgroup_parse.h"

#include "base/cleanup.h"
#include "base/str.h"
#include "jail/mountinfo.h"
#include "plan/plan.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

/* Digits only, at least one. *end is what follows them. */
static int parse_digits(const char *p, const char **end, uint64_t *ret)
{
	uint64_t v = 0;
	const char *start = p;
	for (; *p >= '0' && *p <= '9'; p++) {
		uint64_t digit = (uint64_t)(*p - '0');
		if (v > (UINT64_MAX - digit) / 10)
			return -EINVAL;
		v = v * 10 + digit;
	}
	if (p == start)
		return -EINVAL;
	*end = p;
	*ret = v;
	return 0;
}

static bool is_end(char c)
{
	return c == '\n' || c == '\0';
}

int cgroup_parse_self(const char *text, char *ret, size_t size)
{
	static const char deleted[] = " (deleted)";
	for (const char *line = text; *line; line = mountinfo_next(line)) {
		if (!str_starts(line, "0::/"))
			continue;
		const char *path = line + 3;
		size_t len = strcspn(path, "\n"), tail = sizeof(deleted) - 1;
		if (len >= size)
			return -ENAMETOOLONG;
		if (len >= tail && !strncmp(path + len - tail, deleted, tail))
			return -ESTALE;
		memcpy(ret, path, len);
		ret[len] = '\0';
		/* Above the root of our cgroup namespace. */
		return !strcmp(ret, "/..") || str_starts(ret, "/../") ? -ESTALE : 0;
	}
	return -ENOENT;
}

/* What of a path lies below a root, without slashes at its ends. NULL if it does not. */
static const char *path_below(const char *path, const char *root)
{
	size_t len = strlen(root);
	if (!strcmp(root, "/"))
		return path + strspn(path, "/");
	if (strncmp(path, root, len) != 0 || (path[len] && path[len] != '/'))
		return NULL;
	return path + len + strspn(path + len, "/");
}

static bool fits(const struct mount_line *m, const char *path, struct cgroup_mount *ret)
{
	char root[1024];
	const char *below;
	if (!mountinfo_unescape(m->root, root, sizeof(root)) ||
		!mountinfo_unescape(m->point, ret->point, sizeof(ret->point)) || root[0] != '/' ||
		ret->point[0] != '/' || !(below = path_below(path, root)))
		return false;
	size_t len = strlen(below);
	while (len && below[len - 1] == '/')
		len--;
	if (len >= sizeof(ret->below))
		return false;
	memcpy(ret->below, below, len);
	ret->below[len] = '\0';
	ret->is_read_only = mount_field_has(m->options, "ro") || mount_field_has(m->super, "ro");
	return true;
}

int cgroup_parse_mount(const char *mountinfo, const char *path, struct cgroup_mount *ret)
{
	struct mount_line m;
	struct cgroup_mount found;
	int r = -ENOENT;
	for (const char *line = mountinfo; *line; line = mountinfo_next(line)) {
		if (!mountinfo_split(line, &m) || !mount_field_is(m.type, "cgroup2"))
			continue;
		if (r == -ENOENT)
			r = -EXDEV;
		if (!fits(&m, path, &found))
			continue;
		if (r != 0 || !found.is_read_only)
			*ret = found;
		r = 0;
		if (!ret->is_read_only)
			break;
	}
	return r;
}

bool cgroup_parse_has_v1(const char *mountinfo)
{
	struct mount_line m;
	for (const char *line = mountinfo; *line; line = mountinfo_next(line))
		if (mountinfo_split(line, &m) && mount_field_is(m.type, "cgroup") &&
			(mount_field_has(m.super, "memory") || mount_field_has(m.super, "pids") ||
				mount_field_has(m.super, "cpu")))
			return true;
	return false;
}

uint32_t cgroup_parse_controllers(const char *text)
{
	uint32_t found = 0;
	for (const char *p = text; *p;) {
		struct mount_field f = { p, strcspn(p, " \n") };
		for (unsigned i = 0; i < PLAN_CONTROLLER_COUNT; i++)
			if (mount_field_is(f, plan_controller_name(i)))
				found |= 1u << i;
		p += f.len;
		p += *p != '\0';
	}
	return found;
}

int cgroup_parse_number(const char *text, uint64_t *ret)
{
	const char *end;
	uint64_t v;
	if (!strncmp(text, "max", 3) && is_end(text[3])) {
		*ret = UINT64_MAX;
		return 0;
	}
	if (parse_digits(text, &end, &v) < 0 || !is_end(*end))
		return -EINVAL;
	*ret = v;
	return 0;
}

int cgroup_parse_key(const char *text, const char *key, uint64_t *ret)
{
	size_t len = strlen(key);
	for (const char *line = text; *line; line = mountinfo_next(line))
		if (!strncmp(line, key, len) && line[len] == ' ')
			return cgroup_parse_number(line + len + 1, ret);
	return -ENOENT;
}

static uint64_t add_capped(uint64_t a, uint64_t b)
{
	return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

/* Adds one "key=number" of a line of io.stat. Others are skipped: new kernels have new ones. */
static int add_io_field(struct mount_field f, uint64_t *read_bytes, uint64_t *write_bytes)
{
	uint64_t *sum = NULL, v;
	const char *end;
	if (f.len > 7 && !strncmp(f.p, "rbytes=", 7))
		sum = read_bytes;
	else if (f.len > 7 && !strncmp(f.p, "wbytes=", 7))
		sum = write_bytes;
	if (!sum)
		return 0;
	if (parse_digits(f.p + 7, &end, &v) < 0 || end != f.p + f.len)
		return -EINVAL;
	*sum = add_capped(*sum, v);
	return 0;
}

int cgroup_parse_io(const char *text, uint64_t *ret_read, uint64_t *ret_write)
{
	uint64_t read_bytes = 0, write_bytes = 0;
	for (const char *p = text; *p;) {
		struct mount_field f = { p, strcspn(p, " \n") };
		if (add_io_field(f, &read_bytes, &write_bytes) < 0)
			return -EINVAL;
		p += f.len;
		p += *p != '\0';
	}
	*ret_read = read_bytes;
	*ret_write = write_bytes;
	return 0;
}

bool cgroup_parse_pid(const char **text, pid_t *ret)
{
	while (**text) {
		const char *line = *text, *end;
		uint64_t v;
		*text = mountinfo_next(line);
		if (parse_digits(line, &end, &v) == 0 && is_end(*end) && v <= INT_MAX) {
			*ret = (pid_t)v;
			return true;
		}
	}
	return false;
}

bool cgroup_parse_device(const char **text, char ret[CGROUP_DEVICE_SIZE])
{
	while (**text) {
		const char *line = *text, *minor, *end;
		uint64_t v;
		*text = mountinfo_next(line);
		if (parse_digits(line, &minor, &v) < 0 || *minor != ':' ||
			parse_digits(minor + 1, &end, &v) < 0 || !is_end(*end) ||
			end - line >= CGROUP_DEVICE_SIZE)
			continue;
		memcpy(ret, line, (size_t)(end - line));
		ret[end - line] = '\0';
		return true;
	}
	return false;
}
