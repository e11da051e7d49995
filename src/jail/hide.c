/* Hiding parts of a directory: see hide.h. Runs in jail init. */
#include "jail/hide.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/str.h"
#include "jail/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

/* Outcome beside 0 and -errno: there is no such directory. */
#define NOT_THERE 1

/* As the merged directory will look: it is this one that shows. An owner who is nobody here stays
 * jail init. */
static int copy_looks(int to, int from)
{
	struct stat st;
	if (fstat(from, &st) < 0)
		return -errno;
	if (fchown(to, st.st_uid, st.st_gid) < 0 && errno != EINVAL && errno != EPERM)
		return -errno;
	return fchmod(to, st.st_mode & 07777) < 0 ? -errno : 0;
}

static int copy_times(int to, int from)
{
	struct stat st;
	if (fstat(from, &st) < 0)
		return -errno;
	const struct timespec times[2] = { st.st_atim, st.st_mtim };
	return futimens(to, times) < 0 ? -errno : 0;
}

static int open_lower(int dirfd, const char *name)
{
	return sys_openat2(dirfd, name, O_PATH | O_DIRECTORY, 0,
		RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV);
}

/* The directory `name` in both; in the layer it is made, or (is_done) gets its times. Moves *hide
 * and *lower there. */
static int go_down(int *hide, int *lower, const char *name, bool is_done)
{
	auto_close int next_lower = open_lower(*lower, name);
	if (next_lower == -ENOENT || next_lower == -ENOTDIR || next_lower == -ELOOP)
		return NOT_THERE;
	if (next_lower < 0)
		return next_lower;
	bool is_new = !is_done && mkdirat(*hide, name, 0700) == 0;
	if (!is_new && !is_done && errno != EEXIST)
		return -errno;
	auto_close int next = openat(*hide, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	/* Hidden altogether. */
	if (next < 0 && errno == ENOTDIR)
		return NOT_THERE;
	int r = next < 0 ? -errno : 0;
	if (r == 0 && is_new)
		r = copy_looks(next, next_lower);
	if (r == 0 && is_done)
		r = copy_times(next, next_lower);
	if (r < 0)
		return r;
	fd_close(hide);
	fd_close(lower);
	*hide = fd_take(&next);
	*lower = fd_take(&next_lower);
	return 0;
}

/* The layer's directory for this path's parent. Returns a descriptor, -ENOENT: there is none. */
static int open_parent(int hide_fd, int lower_fd, const char *path, size_t len, bool is_done)
{
	char name[256];
	auto_close int hide = fcntl(hide_fd, F_DUPFD_CLOEXEC, 3);
	auto_close int lower = fcntl(lower_fd, F_DUPFD_CLOEXEC, 3);
	if (hide < 0 || lower < 0)
		return -errno;
	for (size_t at = 0; at < len;) {
		at += path[at] == '/';
		size_t part = strcspn(path + at, "/");
		if (part == 0 || part >= sizeof(name))
			return -ENAMETOOLONG;
		memcpy(name, path + at, part);
		name[part] = '\0';
		int r = go_down(&hide, &lower, name, is_done);
		if (r != 0)
			return r == NOT_THERE ? -ENOENT : r;
		at += part;
	}
	return fd_take(&hide);
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int hide_one(int dirfd, const char *name)
{
	/* There already: the same path twice. */
	if (mknodat(dirfd, name, S_IFCHR, makedev(0, 0)) < 0 && errno != EEXIST)
		return -errno;
	return 0;
}

/* Neighbours share a parent, which is looked up once. is_done: everything is there, and the
 * directories get their times. */
static int fill(
	int hide_fd, int lower_fd, char **sorted, size_t n, bool is_done, const char **ret_failed)
{
	auto_close int parent = -1;
	const char *parent_of = NULL;
	size_t parent_len = 0;
	for (size_t i = 0; i < n; i++) {
		const char *name = strrchr(sorted[i], '/');
		size_t len = (size_t)(name - sorted[i]);
		int r = 0;
		*ret_failed = sorted[i];
		if (!parent_of || len != parent_len || memcmp(parent_of, sorted[i], len) != 0) {
			fd_close(&parent);
			parent = open_parent(hide_fd, lower_fd, sorted[i], len, is_done);
			parent_of = sorted[i];
			parent_len = len;
		}
		if (parent >= 0 && !is_done)
			r = hide_one(parent, name + 1);
		else if (parent < 0 && parent != -ENOENT)
			r = parent;
		if (r < 0)
			return r;
	}
	return 0;
}

int hide_fill(int hide_fd, int lower_fd, char *const *paths, struct err *e)
{
	size_t n = strv_len(paths);
	const char *failed = "";
	/* A directory before what is in it. */
	auto_free char **sorted = calloc(n + 1, sizeof(*sorted));
	if (!sorted)
		return err_set(e, ERR_INTERNAL, ENOMEM, "hide parts of a directory");
	memcpy(sorted, paths, n * sizeof(*sorted));
	qsort(sorted, n, sizeof(*sorted), compare);
	int r = copy_looks(hide_fd, lower_fd);
	if (r == 0)
		r = fill(hide_fd, lower_fd, sorted, n, false, &failed);
	if (r == 0)
		r = fill(hide_fd, lower_fd, sorted, n, true, &failed);
	if (r == 0)
		r = copy_times(hide_fd, lower_fd);
	if (r == 0)
		return 0;
	err_set(e, ERR_SETUP, -r, "hide %.200s", failed);
	if (r == -ENOSPC)
		err_hint(e, "what is hidden counts as files that the task makes: raise "
			    "limits.inodes");
	return r;
}
