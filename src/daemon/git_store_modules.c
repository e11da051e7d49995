/* What a mirror takes, and the mirrors of submodules in it: see git_store.h. */
#include "daemon/git_store_priv.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/dir.h"
#include "base/fd.h"
#include "base/units.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Directories and the like: what is bound by bytes is so by number too. */
#define PART_LEAST (64ull << 10)
/* So many are looked at in one mirror at the start; if there are more, it was not we. */
#define SCAN_MAX 4096

/* A fetch leaves packs, and little else. */
static uint64_t measure_dir(int dirfd, const char *path)
{
	uint64_t sum = 0;
	auto_close int fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	auto_closedir DIR *d = fd < 0 ? NULL : dir_list(fd);
	struct dirent *entry;
	struct stat s;
	while (d && (entry = dir_next(d)))
		if (fstatat(fd, entry->d_name, &s, AT_SYMLINK_NOFOLLOW) == 0)
			sum += (uint64_t)s.st_blocks * 512;
	return sum;
}

static uint64_t measure_repo(int dirfd, const char *path)
{
	static const char *const dirs[] = { "objects/pack", "refs/dayfly" };
	uint64_t sum = 0;
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		char sub[PATH_SIZE + 64];
		snprintf(sub, sizeof(sub), "%s/%s", path, dirs[i]);
		sum += measure_dir(dirfd, sub);
	}
	return sum;
}

/* A jail could have put a link in its place. */
static int open_modules(const struct git_store *st, const struct git_item *mirror)
{
	char path[PATH_SIZE], sub[PATH_SIZE + 16];
	git_store_item_path(mirror, path);
	snprintf(sub, sizeof(sub), "%s/modules", path);
	return openat(st->fd, sub, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static struct git_part *find(const struct git_item *mirror, const char *key)
{
	for (size_t i = 0; i < mirror->n_parts; i++)
		if (!strcmp(mirror->parts[i].key, key))
			return &mirror->parts[i];
	return NULL;
}

static struct git_part *add(struct git_item *mirror, const char *key)
{
	struct git_part *list =
		reallocarray(mirror->parts, mirror->n_parts + 1, sizeof(*mirror->parts));
	if (!list)
		return NULL;
	mirror->parts = list;
	struct git_part *part = &list[mirror->n_parts++];
	*part = (struct git_part){ 0 };
	snprintf(part->key, sizeof(part->key), "%s", key);
	return part;
}

static void measure_own(const struct git_store *st, struct git_item *mirror)
{
	char path[PATH_SIZE];
	git_store_item_path(mirror, path);
	uint64_t bytes = measure_repo(st->fd, path);
	mirror->bytes += bytes - mirror->own_bytes;
	mirror->own_bytes = bytes;
}

static void measure_part(int modules_fd, struct git_item *mirror, struct git_part *part)
{
	uint64_t bytes = PART_LEAST + measure_repo(modules_fd, part->key);
	mirror->bytes += bytes - part->bytes;
	part->bytes = bytes;
}

void git_store_measure_mirror(struct git_store *st, struct git_item *mirror, const char *module)
{
	struct stat s;
	if (!module) {
		measure_own(st, mirror);
		git_store_shrink(st);
		return;
	}
	auto_close int fd = open_modules(st, mirror);
	struct git_part *part = find(mirror, module);
	if (!part && fd >= 0 && fstatat(fd, module, &s, AT_SYMLINK_NOFOLLOW) == 0)
		part = add(mirror, module);
	if (part) {
		measure_part(fd, mirror, part);
		part->used_ns = clock_real_ns();
		utimensat(fd, module, NULL, AT_SYMLINK_NOFOLLOW); /* for the next daemon */
	}
	git_store_shrink(st);
}

/* ---- what goes ---- */

static bool is_named(const struct git_modules *ms, const char *key)
{
	for (size_t i = 0; ms && i < ms->n; i++)
		if (!strcmp(ms->list[i].key, key))
			return true;
	return false;
}

static struct git_part *oldest(const struct git_item *mirror, const struct git_modules *keep)
{
	struct git_part *found = NULL;
	for (size_t i = 0; i < mirror->n_parts; i++) {
		struct git_part *part = &mirror->parts[i];
		if ((!found || part->used_ns < found->used_ns) && !is_named(keep, part->key))
			found = part;
	}
	return found;
}

/* Until there are no more than n. Returns the bytes that went. */
static uint64_t trim(struct git_store *st, struct git_item *mirror, int modules_fd,
	const struct git_modules *keep, size_t n)
{
	uint64_t before = mirror->bytes;
	struct git_part *part;
	while (mirror->n_parts > n && (part = oldest(mirror, keep))) {
		git_store_throw_away_at(st, modules_fd, part->key);
		mirror->bytes -= part->bytes;
		*part = mirror->parts[--mirror->n_parts];
	}
	return before - mirror->bytes;
}

uint64_t git_store_make_room(struct git_store *st, struct git_item *mirror,
	const struct git_modules *keep, const char *module)
{
	if (mirror->n_parts < GIT_STORE_PARTS_MAX || find(mirror, module))
		return 0;
	auto_close int fd = open_modules(st, mirror);
	return trim(st, mirror, fd, keep, GIT_STORE_PARTS_MAX - 1);
}

/* ---- the start ---- */

static void scan_part(struct git_store *st, struct git_item *mirror, int fd, const char *name)
{
	struct stat s;
	bool is_key =
		strlen(name) == GIT_KEY_LEN && strspn(name, "0123456789abcdef") == GIT_KEY_LEN;
	struct git_part *part = is_key && mirror->n_parts < SCAN_MAX &&
						fstatat(fd, name, &s, AT_SYMLINK_NOFOLLOW) == 0
					? add(mirror, name)
					: NULL;
	if (!part) {
		git_store_throw_away_at(st, fd, name);
		return;
	}
	part->used_ns = (uint64_t)s.st_mtim.tv_sec * NS_PER_S + (uint64_t)s.st_mtim.tv_nsec;
}

void git_store_scan_mirror(struct git_store *st, struct git_item *mirror)
{
	auto_close int fd = open_modules(st, mirror);
	auto_closedir DIR *d = fd < 0 ? NULL : dir_list(fd);
	struct dirent *entry;
	measure_own(st, mirror);
	while (d && (entry = dir_next(d)))
		scan_part(st, mirror, fd, entry->d_name);
	trim(st, mirror, fd, NULL, GIT_STORE_PARTS_MAX);
	for (size_t i = 0; i < mirror->n_parts; i++)
		measure_part(fd, mirror, &mirror->parts[i]);
	git_store_shrink(st);
}
