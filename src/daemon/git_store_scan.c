/* What another daemon has left: see git_store_priv.h. */
#include "daemon/git_store_priv.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/dir.h"
#include "base/fd.h"
#include "base/units.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int git_store_kind_of(const char *text)
{
	for (size_t i = 0; i < GIT_STORE_KINDS; i++)
		if (!strcmp(text, git_store_kinds[i]))
			return (int)i;
	return -1;
}

/* Takes in what is whole. Returns false for what is none of ours, or half-made. */
static bool scan_entry(struct git_store *st, uid_t uid, const char *key, const char *name)
{
	char path[PATH_SIZE], commit[GIT_COMMIT_SIZE], copy[NAME_SIZE];
	struct stat s;
	struct git_item said;
	int fd = -1;
	if (strlen(name) >= NAME_SIZE)
		return false;
	git_store_path(uid, key, name, path);
	snprintf(copy, sizeof(copy), "%s", name);
	char *dot = strstr(copy, ".git");
	if (dot && !dot[4]) {
		*dot = '\0';
		int kind = git_store_kind_of(copy);
		struct git_item *item = kind < 0 ? NULL : git_store_add(st, uid, key, kind, NULL);
		if (!item)
			return false;
		if (fstatat(st->fd, path, &s, AT_SYMLINK_NOFOLLOW) == 0)
			item->used_ns = (uint64_t)s.st_mtim.tv_sec * NS_PER_S;
		git_store_scan_mirror(st, item);
		return true;
	}
	char *end = strstr(copy, ".ok");
	bool is_ok = end && !end[3];
	if (is_ok)
		*end = path[strlen(path) - 3] = '\0';
	char *dash = strchr(copy, '-');
	int kind = dash ? git_store_kind_of(dash + 1) : -1;
	if (dash)
		*dash = '\0';
	if (kind < 0 || !git_ref_is_commit(copy, commit) ||
		!git_store_check_ok(st, path, &said, &fd))
		return false;
	fd_close(&fd);
	if (!is_ok)
		return true; /* its .ok is another entry */
	struct git_item *item = git_store_add(st, uid, key, kind, commit);
	if (!item)
		return false;
	char ok[PATH_SIZE + 4];
	snprintf(ok, sizeof(ok), "%s.ok", path);
	if (fstatat(st->fd, ok, &s, AT_SYMLINK_NOFOLLOW) == 0)
		item->used_ns = (uint64_t)s.st_mtim.tv_sec * NS_PER_S;
	item->bytes = said.bytes;
	item->submodules = said.submodules;
	return true;
}

/* Calls fn for each entry of a folder; what fn does not want goes. */
static void scan(struct git_store *st, const char *path,
	bool (*fn)(struct git_store *st, const char *path, const char *name))
{
	auto_close int fd = openat(st->fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	auto_closedir DIR *d = fd < 0 ? NULL : dir_list(fd);
	struct dirent *entry;
	while (d && (entry = dir_next(d))) {
		char sub[PATH_SIZE + 256];
		if (fn(st, path, entry->d_name))
			continue;
		snprintf(sub, sizeof(sub), "%s/%s", path, entry->d_name);
		git_store_throw_away(st, sub);
	}
}

/* path is "UID/KEY". */
static bool scan_in_key(struct git_store *st, const char *path, const char *name)
{
	uint64_t uid = 0;
	char digits[16];
	const char *slash = strchr(path, '/');
	snprintf(digits, sizeof(digits), "%.*s", (int)(slash - path), path);
	return units_parse_uint(digits, UINT32_MAX, &uid) == 0 &&
	       scan_entry(st, (uid_t)uid, slash + 1, name);
}

static bool scan_in_user(struct git_store *st, const char *path, const char *name)
{
	char sub[PATH_SIZE];
	if (strlen(name) != GIT_KEY_LEN || strspn(name, "0123456789abcdef") != GIT_KEY_LEN)
		return false;
	snprintf(sub, sizeof(sub), "%s/%s", path, name);
	scan(st, sub, scan_in_key);
	unlinkat(st->fd, sub, AT_REMOVEDIR); /* if nothing is in it */
	return true;
}

static bool scan_in_top(struct git_store *st, const char *path, const char *name)
{
	uint64_t uid;
	if (!strcmp(name, "lock") || !strcmp(name, "trash"))
		return true;
	if (units_parse_uint(name, UINT32_MAX, &uid) < 0)
		return false;
	scan(st, name, scan_in_user);
	return true;
}

void git_store_scan(struct git_store *st)
{
	scan(st, ".", scan_in_top);
}
