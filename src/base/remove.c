/*
 * Removing hostile trees: see remove.h. Directories are emptied by descriptor; one that lies deeper
 * than a few levels is first moved up beside the top, so that neither the stack nor the number of
 * open descriptors grows with the depth. Nothing that is mounted below the top is entered.
 */
#include "base/remove.h"

#include "base/cleanup.h"
#include "base/dir.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define REMOVE_DEPTH 32

struct removal {
	int top_fd;	/* the directory that holds the tree */
	unsigned moved; /* makes names for what was moved up */
	const char *name;
};

/* Fails with -EXDEV where something is mounted. A path from the caller may cross mounts. */
static int open_same_mount(int dirfd, const char *name, uint64_t flags)
{
	uint64_t resolve = dirfd == AT_FDCWD ? 0 : RESOLVE_BENEATH | RESOLVE_NO_XDEV;
	struct open_how how = {
		.flags = flags | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
		.resolve = resolve,
	};
	long fd = syscall(SYS_openat2, dirfd, name, &how, sizeof(how));
	return fd < 0 ? -errno : (int)fd;
}

static int open_dir(int dirfd, const char *name)
{
	int fd = open_same_mount(dirfd, name, O_RDONLY);
	if (fd != -EACCES)
		return fd;
	/* Overlay's own work directory and whatever a task has closed to itself. It is a directory:
	 * EACCES came from opening it. */
	auto_close int path = open_same_mount(dirfd, name, O_PATH);
	if (path < 0)
		return path;
	char link[64];
	snprintf(link, sizeof(link), "/proc/self/fd/%d", path);
	if (chmod(link, 0700) < 0)
		return -errno;
	return open_same_mount(dirfd, name, O_RDONLY);
}

static int move_up(struct removal *r, int dirfd, const char *name)
{
	char to[300];
	snprintf(to, sizeof(to), "%s.%u", r->name, r->moved);
	if (renameat(dirfd, name, r->top_fd, to) < 0)
		return -errno;
	r->moved++;
	return 0;
}

static int empty_dir(struct removal *r, int dirfd, int depth)
{
	/* Writing needs the permission too. */
	fchmod(dirfd, 0700);
	auto_closedir DIR *d = dir_list(dirfd);
	if (!d)
		return -errno;
	int result = 0;
	struct dirent *entry;
	while ((entry = dir_next(d))) {
		const char *name = entry->d_name;
		if (unlinkat(dirfd, name, 0) == 0)
			continue;
		if (errno != EISDIR && errno != EPERM) {
			result = -errno;
			continue;
		}
		if (depth >= REMOVE_DEPTH) {
			int e = move_up(r, dirfd, name);
			result = e < 0 ? e : result;
			continue;
		}
		auto_close int fd = open_dir(dirfd, name);
		int e = fd < 0 ? fd : empty_dir(r, fd, depth + 1);
		if (e == 0 && unlinkat(dirfd, name, AT_REMOVEDIR) < 0)
			e = -errno;
		result = e < 0 ? e : result;
	}
	return result;
}

static int remove_one(struct removal *r, const char *name)
{
	auto_close int fd = open_dir(r->top_fd, name);
	if (fd == -ENOTDIR || fd == -ELOOP)
		return unlinkat(r->top_fd, name, 0) < 0 ? -errno : 0;
	int e = fd < 0 ? fd : empty_dir(r, fd, 0);
	if (e == 0 && unlinkat(r->top_fd, name, AT_REMOVEDIR) < 0)
		e = -errno;
	return e;
}

int remove_tree(int dirfd, const char *name)
{
	struct removal r = { .top_fd = dirfd, .name = name };
	int result = remove_one(&r, name);
	/* Each of these may move up further ones. */
	for (unsigned i = 0; i < r.moved; i++) {
		char moved[300];
		snprintf(moved, sizeof(moved), "%s.%u", name, i);
		int e = remove_one(&r, moved);
		result = e < 0 ? e : result;
	}
	return result;
}
