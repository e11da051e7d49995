/*
 * Counting changes: see changes.h. In the upper layer a character device 0:0 is a whiteout
 * (deleted); a directory that is marked opaque replaces the lower one; anything else shadows what
 * the lower layer has under that name.
 */
#include "jail/changes.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/dir.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define CHANGES_MAX_DEPTH   256
#define CHANGES_MAX_ENTRIES 2000000

struct walk {
	struct changes *out;
	uint64_t entries;
	uint64_t until_ns;
};

static int check_bounds(struct walk *w)
{
	if (++w->entries > CHANGES_MAX_ENTRIES)
		return -E2BIG;
	return clock_mono_ns() > w->until_ns ? -ETIME : 0;
}

static bool is_whiteout(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && st->st_rdev == 0;
}

static bool is_opaque(int dirfd)
{
	char v = 0;
	return fgetxattr(dirfd, "user.overlay.opaque", &v, 1) == 1 && v == 'y';
}

/*
 * Whether two regular files have the same bytes. Files that cannot be read count as different. So
 * does one that takes too long (a sparse file may have any size): the walk ends there anyway.
 */
static bool same_bytes(const struct walk *w, int upper, int lower, const char *name)
{
	auto_close int a = openat(upper, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	auto_close int b = openat(lower, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	char x[16384], y[16384];
	if (a < 0 || b < 0)
		return false;
	for (;;) {
		ssize_t n = read(a, x, sizeof(x)), m = read(b, y, sizeof(y));
		if (n < 0 || n != m || (n && memcmp(x, y, (size_t)n)))
			return false;
		if (n == 0)
			return true;
		if (clock_mono_ns() > w->until_ns)
			return false;
	}
}

static bool is_same(const struct walk *w, int upper, int lower, const char *name,
	const struct stat *u, const struct stat *l)
{
	if ((u->st_mode & (S_IFMT | 07777)) != (l->st_mode & (S_IFMT | 07777)) ||
		u->st_size != l->st_size)
		return false;
	if (S_ISREG(u->st_mode))
		/* Not by time stamp: a task can set it back. */
		return same_bytes(w, upper, lower, name);
	if (S_ISLNK(u->st_mode)) {
		char x[4096], y[4096];
		ssize_t n = readlinkat(upper, name, x, sizeof(x)),
			m = readlinkat(lower, name, y, sizeof(y));
		return n >= 0 && n == m && !memcmp(x, y, (size_t)n);
	}
	return true;
}

/* Counts every file below a directory, which was deleted (or replaced) as a whole or is all new. */
static int count_tree(struct walk *w, int dirfd, uint64_t *count, int depth)
{
	if (depth > CHANGES_MAX_DEPTH)
		return -ELOOP;
	auto_closedir DIR *d = dir_list(dirfd);
	if (!d)
		return -errno;
	struct dirent *entry;
	while ((entry = dir_next(d))) {
		struct stat st;
		int r = check_bounds(w);
		if (r < 0)
			return r;
		if (fstatat(dirfd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return -errno;
		if (!S_ISDIR(st.st_mode)) {
			*count += !is_whiteout(&st);
			continue;
		}
		auto_close int fd = dir_open(dirfd, entry->d_name);
		r = fd == -EACCES ? 0 : fd < 0 ? fd : count_tree(w, fd, count, depth + 1);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Adds what the lower layer has under this name, as deleted. */
static int count_deleted(
	struct walk *w, int lower, const char *name, const struct stat *l, int depth)
{
	if (!S_ISDIR(l->st_mode)) {
		w->out->deleted++;
		return 0;
	}
	auto_close int fd = dir_open(lower, name);
	return fd == -EACCES ? 0 : fd < 0 ? fd : count_tree(w, fd, &w->out->deleted, depth + 1);
}

static int count_merged(struct walk *w, int upper, int lower, int depth);

static int count_dir(
	struct walk *w, int upper, int lower, const char *name, const struct stat *l, int depth)
{
	auto_close int up = dir_open(upper, name);
	if (up < 0)
		return up;
	bool merged = l && S_ISDIR(l->st_mode) && !is_opaque(up);
	if (merged) {
		auto_close int low = dir_open(lower, name);
		return low < 0 ? low : count_merged(w, up, low, depth + 1);
	}
	int r = l ? count_deleted(w, lower, name, l, depth) : 0;
	return r < 0 ? r : count_tree(w, up, &w->out->added, depth + 1);
}

static int count_entry(struct walk *w, int upper, int lower, const char *name, int depth)
{
	struct stat u, l;
	int r = check_bounds(w);
	if (r < 0)
		return r;
	if (fstatat(upper, name, &u, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	bool had = fstatat(lower, name, &l, AT_SYMLINK_NOFOLLOW) == 0;
	if (is_whiteout(&u))
		return had ? count_deleted(w, lower, name, &l, depth) : 0;
	if (S_ISDIR(u.st_mode))
		return count_dir(w, upper, lower, name, had ? &l : NULL, depth);
	if (!had) {
		w->out->added++;
	} else if (S_ISDIR(l.st_mode)) {
		w->out->added++;
		return count_deleted(w, lower, name, &l, depth);
	} else if (!is_same(w, upper, lower, name, &u, &l)) {
		w->out->modified++;
	}
	/* What was not compared to its end must not count. */
	return clock_mono_ns() > w->until_ns ? -ETIME : 0;
}

static int count_merged(struct walk *w, int upper, int lower, int depth)
{
	if (depth > CHANGES_MAX_DEPTH)
		return -ELOOP;
	auto_closedir DIR *d = dir_list(upper);
	if (!d)
		return -errno;
	struct dirent *entry;
	while ((entry = dir_next(d))) {
		int r = count_entry(w, upper, lower, entry->d_name, depth);
		if (r < 0)
			return r;
	}
	return 0;
}

int changes_count(int upper_fd, int lower_fd, uint64_t until_ns, struct changes *ret)
{
	struct changes out = { 0 };
	struct walk w = { .out = &out, .until_ns = until_ns };
	int r = count_merged(&w, upper_fd, lower_fd, 0);
	if (r == 0)
		*ret = out;
	return r;
}
