/*
 * A cgroup tree of plain directories for the tests of jail/cgroup*.c, which are linked with --wrap
 * for the calls below: what the kernel does by itself in a real tree happens here. Everything that
 * is changed must lie below fake_base.
 */
#ifndef TESTS_UNIT_JAIL_CGROUP_FAKE_H
#define TESTS_UNIT_JAIL_CGROUP_FAKE_H

#include "harness.h"

#include "base/dir.h"
#include "base/fd.h"
#include "base/str.h"
#include "jail/cgroup.h"
#include "jail/cgroup_parse.h"
#include "jail/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int __real_mkdirat(int dirfd, const char *path, mode_t mode);
int __real_unlinkat(int dirfd, const char *path, int flags);
int __real_fd_write_file(int dirfd, const char *path, const char *text);

static int fake_root = -1;	  /* the mount point */
static char fake_mount[256];	  /* its path */
static char fake_base[256];	  /* nothing above or beside it may change */
static bool fake_has_kill = true; /* cgroup.kill is there */
static const char *fake_fail;	  /* writes to this file fail */

static inline void fake_path(int dirfd, char *out, size_t size)
{
	char link[64];
	snprintf(link, sizeof(link), "/proc/self/fd/%d", dirfd);
	ssize_t n = readlink(link, out, size - 1);
	assert_true(n > 0);
	out[n] = '\0';
}

static inline void fake_assert_inside(int dirfd)
{
	char path[512];
	fake_path(dirfd, path, sizeof(path));
	if (!str_starts(path, fake_base))
		fail_msg("%s was changed, which is not below %s", path, fake_base);
}

static inline void fake_read(int dirfd, const char *file, char *out, size_t size)
{
	char *text = NULL;
	ssize_t n = fd_read_file(dirfd, file, size - 1, &text);
	snprintf(out, size, "%s", n < 0 ? "" : text);
	free(text);
}

static inline bool fake_has(int dirfd, const char *file)
{
	return faccessat(dirfd, file, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static inline void fake_write(int dirfd, const char *file, const char *text)
{
	int fd = openat(dirfd, file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
	close(fd);
}

/* The files that a new cgroup has, with the controllers that its parent hands on. */
static inline void fake_fill(int dirfd, const char *controllers)
{
	fake_write(dirfd, "cgroup.controllers", controllers);
	fake_write(dirfd, "cgroup.procs", "");
	fake_write(dirfd, "cgroup.subtree_control", "");
	fake_write(dirfd, "cgroup.events", "populated 0\nfrozen 0\n");
	fake_write(dirfd, "cgroup.freeze", "0");
	fake_write(dirfd, "cpu.stat", "usage_usec 30\nuser_usec 20\nsystem_usec 10\n");
	if (fake_has_kill)
		fake_write(dirfd, "cgroup.kill", "");
	if (strstr(controllers, "memory")) {
		fake_write(dirfd, "memory.max", "max\n");
		fake_write(dirfd, "memory.high", "max\n");
		fake_write(dirfd, "memory.swap.max", "max\n");
		fake_write(dirfd, "memory.oom.group", "0\n");
		fake_write(dirfd, "memory.peak", "0\n");
		fake_write(dirfd, "memory.events", "low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\n");
	}
	if (strstr(controllers, "pids"))
		fake_write(dirfd, "pids.max", "max\n");
	if (strstr(controllers, "cpu")) {
		fake_write(dirfd, "cpu.max", "max 100000\n");
		fake_write(dirfd, "cpu.weight", "100\n");
	}
	if (strstr(controllers, "io")) {
		fake_write(dirfd, "io.max", "");
		fake_write(dirfd, "io.stat", "");
	}
}

int __wrap_mkdirat(int dirfd, const char *path, mode_t mode);
int __wrap_mkdirat(int dirfd, const char *path, mode_t mode)
{
	char controllers[128];
	int r = __real_mkdirat(dirfd, path, mode);
	if (r < 0 || !fake_base[0])
		return r;
	fake_assert_inside(dirfd);
	int fd = dir_open(dirfd, path);
	assert_true(fd >= 0);
	fake_read(dirfd, "cgroup.subtree_control", controllers, sizeof(controllers));
	fake_fill(fd, controllers);
	close(fd);
	return 0;
}

/* rmdir takes the kernel's files with it, but not processes and not other cgroups. */
int __wrap_unlinkat(int dirfd, const char *path, int flags);
int __wrap_unlinkat(int dirfd, const char *path, int flags)
{
	char procs[256];
	if (!fake_base[0] || flags != AT_REMOVEDIR)
		return __real_unlinkat(dirfd, path, flags);
	int fd = dir_open(dirfd, path);
	if (fd < 0) {
		errno = ENOENT;
		return -1;
	}
	fake_assert_inside(dirfd);
	fake_read(fd, "cgroup.procs", procs, sizeof(procs));
	DIR *d = dir_list(fd);
	struct dirent *entry;
	bool busy = procs[0] != '\0';
	while ((entry = dir_next(d)))
		busy |= entry->d_type == DT_DIR;
	rewinddir(d);
	while (!busy && (entry = dir_next(d)))
		__real_unlinkat(fd, entry->d_name, 0);
	closedir(d);
	close(fd);
	if (!busy)
		return __real_unlinkat(dirfd, path, flags);
	errno = EBUSY;
	return -1;
}

/* Takes a process out of a cgroup. */
static inline void fake_leave(int dirfd, const char *pid)
{
	char procs[256], kept[256] = "", *save = NULL;
	size_t n = 0;
	fake_read(dirfd, "cgroup.procs", procs, sizeof(procs));
	for (char *p = strtok_r(procs, "\n", &save); p; p = strtok_r(NULL, "\n", &save))
		if (strcmp(p, pid) != 0)
			n += (size_t)snprintf(kept + n, sizeof(kept) - n, "%s\n", p);
	fake_write(dirfd, "cgroup.procs", kept);
}

static inline int fake_move(int dirfd, const char *pid)
{
	char procs[256];
	int base = open(fake_base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int supervisor = dir_open(base, CGROUP_SUPERVISOR);
	fake_leave(base, pid);
	if (supervisor >= 0)
		fake_leave(supervisor, pid);
	fake_read(dirfd, "cgroup.procs", procs, sizeof(procs) - 16);
	strncat(procs, pid, 15);
	strncat(procs, "\n", 2);
	fake_write(dirfd, "cgroup.procs", procs);
	close(base);
	close(supervisor);
	return 0;
}

static inline int fake_control(int dirfd, const char *word)
{
	char text[128], all[128], procs[256];
	fake_read(dirfd, "cgroup.subtree_control", text, sizeof(text) - 16);
	fake_read(dirfd, "cgroup.controllers", all, sizeof(all));
	fake_read(dirfd, "cgroup.procs", procs, sizeof(procs));
	if (word[0] == '-') {
		char *at = strstr(text, word + 1);
		if (at)
			memset(at, ' ', strlen(word + 1));
	} else {
		if (!strstr(all, word + 1))
			return -ENOENT;
		if (procs[0])
			return -EBUSY;
		strncat(text, " ", 2);
		strncat(text, word + 1, 12);
	}
	fake_write(dirfd, "cgroup.subtree_control", text);
	return 0;
}

int __wrap_fd_write_file(int dirfd, const char *path, const char *text);
int __wrap_fd_write_file(int dirfd, const char *path, const char *text)
{
	fake_assert_inside(dirfd);
	if (fake_fail && !strcmp(path, fake_fail))
		return -EIO;
	if (!fake_has(dirfd, path))
		return -ENOENT;
	if (!strcmp(path, "cgroup.procs"))
		return fake_move(dirfd, text);
	if (!strcmp(path, "cgroup.subtree_control"))
		return fake_control(dirfd, text);
	if (!strcmp(path, "cgroup.kill")) {
		fake_write(dirfd, "cgroup.procs", "");
		fake_write(dirfd, "cgroup.events", "populated 0\nfrozen 0\n");
	}
	/* What is written of one device stays beside that of others. */
	if (!strcmp(path, "io.max")) {
		char before[256];
		fake_read(dirfd, path, before, sizeof(before) - 100);
		size_t len = strlen(before);
		snprintf(before + len, sizeof(before) - len, "%s\n", text);
		fake_write(dirfd, path, before);
		return 0;
	}
	fake_write(dirfd, path, text);
	return 0;
}

/* MOUNT/unit is the delegated cgroup, with two processes of ours; MOUNT/other is another's. */
#define FAKE_OURS   "4000001\n4000002\n"
#define FAKE_MOUNTS "30 22 0:26 / %s rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
#define FAKE_ALL    "cpuset cpu io memory pids\n"

static inline int fake_open(const char *path)
{
	int fd = openat(fake_root, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static inline void fake_start(const char *controllers)
{
	fake_root = tree_start();
	fake_has_kill = true;
	fake_fail = NULL;
	fake_path(fake_root, fake_mount, sizeof(fake_mount));
	tree_dir(fake_root, "other");
	tree_dir(fake_root, "unit");
	int unit = fake_open("unit");
	fake_fill(unit, controllers);
	fake_write(unit, "cgroup.procs", FAKE_OURS);
	fake_write(unit, "cgroup.events", "populated 1\nfrozen 0\n");
	close(unit);
	snprintf(fake_base, sizeof(fake_base), "%.240s/unit", fake_mount);
}

static inline void fake_finish(void)
{
	fake_base[0] = '\0';
	close(fake_root);
	tree_finish();
}

static inline void fake_place(struct cgroup_place *p, const char *own)
{
	char text[512];
	memset(p, 0, sizeof(*p));
	snprintf(text, sizeof(text), "1:name=x:/no\n0::%s\n", own);
	p->self = strdup(text);
	snprintf(text, sizeof(text), FAKE_MOUNTS, fake_mount);
	p->mountinfo = strdup(text);
	p->pids[p->n_pids++] = 4000001;
	p->pids[p->n_pids++] = 4000002;
	p->devices = strdup("8:0\n253:1\n");
	p->is_fake = true;
}

/* A file below the mount point has this text, with blanks and newlines taken as one. */
static inline void fake_expect(const char *path, const char *want)
{
	char raw[512], got[512];
	size_t n = 0;
	assert_true(fake_has(fake_root, path));
	fake_read(fake_root, path, raw, sizeof(raw));
	for (const char *p = raw; *p; p++)
		if (strchr(" \n", *p) == NULL)
			got[n++] = *p;
		else if (n && got[n - 1] != ' ')
			got[n++] = ' ';
	while (n && got[n - 1] == ' ')
		n--;
	got[n] = '\0';
	assert_string_equal(got, want);
}

#endif
