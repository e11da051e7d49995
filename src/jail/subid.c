/* Subordinate ids: see subid.h. */
#include "jail/subid.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/str.h"
#include "base/units.h"
#include "jail/throwaway.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define SUBID_FILE_MAX (16u << 20)
#define HELPER_MS      3000

/* Splits "who:first:count". Returns 0 or -EINVAL. */
static int parse_line(
	const char *line, size_t len, char *who, size_t who_size, struct subid_range *ret)
{
	char copy[256];
	uint64_t first, count;
	if (len >= sizeof(copy))
		return -EINVAL;
	memcpy(copy, line, len);
	copy[len] = '\0';
	char *second = strchr(copy, ':');
	char *third = second ? strchr(second + 1, ':') : NULL;
	if (!third)
		return -EINVAL;
	*second++ = *third++ = '\0';
	/* 4294967295 is no id, and a range must not run over the end. */
	if (units_parse_uint(second, UINT32_MAX - 1, &first) < 0 ||
		units_parse_uint(third, UINT32_MAX - 1, &count) < 0 || first == 0 || count == 0 ||
		first + count > UINT32_MAX)
		return -EINVAL;
	ret->first = (uint32_t)first;
	ret->count = (uint32_t)count;
	return snprintf(who, who_size, "%s", copy) < (int)who_size ? 0 : -EINVAL;
}

int subid_parse(const char *text, const char *name, uid_t uid, struct subid_range *ret)
{
	char number[16], who[256];
	struct subid_range best = { 0 };
	snprintf(number, sizeof(number), "%u", uid);
	for (const char *line = text; *line;) {
		struct subid_range found;
		size_t len = strcspn(line, "\n");
		if (parse_line(line, len, who, sizeof(who), &found) == 0 &&
			found.count > best.count &&
			(!strcmp(who, number) || (name && *name && !strcmp(who, name))))
			best = found;
		line += len + (line[len] == '\n');
	}
	if (best.count == 0)
		return -ENOENT;
	*ret = best;
	return 0;
}

uint32_t subid_next_free(const char *text)
{
	uint32_t next = 100000;
	for (const char *line = text; *line;) {
		struct subid_range found;
		char who[256];
		size_t len = strcspn(line, "\n");
		if (parse_line(line, len, who, sizeof(who), &found) == 0 &&
			found.first + found.count > next)
			next = found.first + found.count;
		line += len + (line[len] == '\n');
	}
	return next;
}

int subid_read(const char *path, uid_t uid, struct subid_range *ret, struct err *e)
{
	auto_free char *text = NULL;
	ssize_t n = fd_read_file(AT_FDCWD, path, SUBID_FILE_MAX, &text);
	if (n < 0)
		return err_set(e, ERR_SETUP, (int)-n, "read %s", path);
	const struct passwd *pw = getpwuid(uid);
	if (!pw) {
		err_set(e, ERR_SETUP, 0, "uid %u has no login name, which newuidmap needs", uid);
		return -ENOENT;
	}
	int r = subid_parse(text, pw->pw_name, uid, ret);
	if (r < 0) {
		err_set(e, ERR_SETUP, 0, "%s has no range for user %s (uid %u)", path, pw->pw_name,
			uid);
		return r;
	}
	if (ret->count < SUBID_NEEDED) {
		err_set(e, ERR_SETUP, 0, "%s has %u ids for uid %u, fewer than %u", path,
			ret->count, uid, SUBID_NEEDED);
		return -ERANGE;
	}
	return 0;
}

/* What is run with more rights than ours must be beyond the reach of everybody but root. */
static int check_helper(const char *path, struct err *e)
{
	struct stat st;
	if (stat(path, &st) < 0)
		return err_set(e, ERR_SETUP, errno, "%s", path);
	if (!S_ISREG(st.st_mode) || st.st_uid != 0 || (st.st_mode & (S_IWGRP | S_IWOTH)))
		return err_set(e, ERR_SETUP, 0, "%s is not a file that only root can write", path);
	if (!(st.st_mode & S_ISUID) && getxattr(path, "security.capability", NULL, 0) <= 0)
		return err_set(e, ERR_SETUP, 0,
			"%s has neither the set-user-id bit nor file capabilities", path);
	return 0;
}

int subid_find_helper(const char *name, char *ret_path, size_t size, struct err *e)
{
	static const char *const dirs[] = { "/usr/bin", "/bin", "/usr/sbin", "/sbin",
		"/usr/local/bin", "/run/wrappers/bin" };
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		char path[128];
		snprintf(path, sizeof(path), "%s/%s", dirs[i], name);
		if (access(path, F_OK) < 0)
			continue;
		int r = check_helper(path, e);
		if (r == 0)
			snprintf(ret_path, size, "%s", path);
		return r;
	}
	err_set(e, ERR_SETUP, 0, "%s is not installed", name);
	return -ENOENT;
}

int subid_prepare(struct subid_helpers *ret, uid_t uid, struct err *e)
{
	struct subid_helpers h = { 0 };
	int r = subid_find_helper("newuidmap", h.newuidmap, sizeof(h.newuidmap), e);
	if (r == 0)
		r = subid_find_helper("newgidmap", h.newgidmap, sizeof(h.newgidmap), e);
	if (r == 0)
		r = subid_read("/etc/subuid", uid, &h.uids, e);
	if (r == 0)
		r = subid_read("/etc/subgid", uid, &h.gids, e);
	if (r == 0)
		*ret = h;
	return r;
}

static int run_helper(const char *path, pid_t pid, const struct subid_range *range, uint32_t own,
	uint32_t self, struct err *e)
{
	/* Three extents: below `self`, `self` itself, above it. Each is inside, outside, count; an
	 * empty one is left out. */
	const uint32_t numbers[9] = { 0, range->first, self, self, own, 1, self + 1,
		range->first + self, SUBID_NEEDED - self };
	char text[10][16], output[256];
	char *argv[12] = { (char *)path, text[9] };
	size_t n = 2;
	snprintf(text[9], sizeof(text[9]), "%d", (int)pid);
	for (size_t i = 0; i < 9; i++) {
		if (numbers[i - i % 3 + 2] == 0)
			continue;
		snprintf(text[i], sizeof(text[i]), "%u", numbers[i]);
		argv[n++] = text[i];
	}
	int r = throwaway_exec(path, argv, HELPER_MS, output, sizeof(output), e);
	if (r <= 0)
		return r;
	char line[200];
	str_escape(output, strcspn(output, "\n"), line, sizeof(line));
	err_set(e, ERR_SETUP, 0, "%s ended with status %d: %s", path, r, line);
	return -EPERM;
}

int subid_map(const struct subid_helpers *h, pid_t pid, uid_t self, struct err *e)
{
	int r = run_helper(h->newuidmap, pid, &h->uids, geteuid(), self, e);
	return r < 0 ? r : run_helper(h->newgidmap, pid, &h->gids, getegid(), self, e);
}
