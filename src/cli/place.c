/* Putting files in place: see place.h. */
#include "cli/place.h"

#include "base/beneath.h"
#include "base/cleanup.h"
#include "base/dir.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define TEMPORARY_SIZE 32
#define TRIES	       16

static int make_temporary_name(char out[TEMPORARY_SIZE])
{
	uint64_t n;
	if (getrandom(&n, sizeof(n), 0) != (ssize_t)sizeof(n))
		return -EIO;
	snprintf(out, TEMPORARY_SIZE, ".dayfly-%016llx", (unsigned long long)n);
	return 0;
}

static int copy(const struct place_content *c, int to)
{
	char buffer[65536];
	off_t at = c->at;
	for (uint64_t left = c->bytes; left;) {
		ssize_t n = pread(
			c->fd, buffer, left < sizeof(buffer) ? (size_t)left : sizeof(buffer), at);
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		int r = fd_write_all(to, buffer, (size_t)n);
		if (r < 0)
			return r;
		at += n;
		left -= (uint64_t)n;
	}
	return 0;
}

/*
 * Whose it shall be; only root can give it away, and others perhaps to the group that it had. By
 * descriptor: who owns the directory may meanwhile have put another one's file under its name.
 */
static int give(int fd, int dirfd, const struct stat *old)
{
	struct stat dir;
	if (geteuid() != 0) {
		if (old && fchownat(fd, "", (uid_t)-1, old->st_gid, AT_EMPTY_PATH) < 0)
			return errno == EPERM || errno == EINVAL ? 0 : -errno;
		return 0;
	}
	if (!old && fstat(dirfd, &dir) < 0)
		return -errno;
	const struct stat *owner = old ? old : &dir;
	return fchownat(fd, "", owner->st_uid, owner->st_gid, AT_EMPTY_PATH) < 0 ? -errno : 0;
}

/* What was just made, which is ours; a link, or a directory with nothing in it. */
static int open_made(int dirfd, const char *name, mode_t type)
{
	struct stat st;
	auto_close int fd = openat(dirfd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if ((st.st_mode & S_IFMT) != type || st.st_uid != geteuid())
		return -ESTALE;
	if (type == S_IFLNK)
		return fd_take(&fd);
	auto_close int list = dir_open(fd, ".");
	auto_closedir DIR *d = list < 0 ? NULL : dir_list(list);
	return !d || dir_next(d) ? -ESTALE : fd_take(&fd);
}

static int check_same(int dirfd, const char *name, int fd)
{
	struct stat named, ours;
	if (fstatat(dirfd, name, &named, AT_SYMLINK_NOFOLLOW) < 0 || fstat(fd, &ours) < 0)
		return -errno;
	return named.st_ino == ours.st_ino && named.st_dev == ours.st_dev ? 0 : -ESTALE;
}

/* Whether it is what `old` describes. It may have taken a while to make what comes in its place. */
static int check_still(int dirfd, const char *name, const struct stat *old)
{
	struct stat now;
	if (fstatat(dirfd, name, &now, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? -ESTALE : -errno;
	return now.st_ino == old->st_ino && now.st_dev == old->st_dev &&
			       now.st_size == old->st_size &&
			       now.st_ctim.tv_sec == old->st_ctim.tv_sec &&
			       now.st_ctim.tv_nsec == old->st_ctim.tv_nsec
		       ? 0
		       : -ESTALE;
}

static int move_in_place(int dirfd, const char *from, const char *name, const struct stat *old)
{
	if (old) {
		int r = check_still(dirfd, name, old);
		return r < 0 ? r : renameat(dirfd, from, dirfd, name) < 0 ? -errno : 0;
	}
	if (renameat2(dirfd, from, dirfd, name, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL)
		return -errno;
	/* A filesystem that cannot do that. */
	return linkat(dirfd, from, dirfd, name, 0) < 0 || unlinkat(dirfd, from, 0) < 0 ? -errno : 0;
}

static int finish(int dirfd, const char *temporary, int r, const char *name, const struct stat *old)
{
	if (r == 0)
		r = move_in_place(dirfd, temporary, name, old);
	if (r < 0)
		unlinkat(dirfd, temporary, 0);
	return r;
}

int place_file(int dirfd, const char *name, const struct place_content *c, const struct stat *old)
{
	char temporary[TEMPORARY_SIZE];
	auto_close int fd = -EEXIST;
	for (int i = 0; fd == -EEXIST && i < TRIES; i++) {
		int r = make_temporary_name(temporary);
		if (r < 0)
			return r;
		fd = openat(dirfd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
			0600);
		fd = fd < 0 ? -errno : fd;
	}
	if (fd < 0)
		return fd;
	int r = copy(c, fd);
	if (r == 0)
		r = give(fd, dirfd, old);
	/* After the owner, which takes bits away. */
	if (r == 0 && fchmod(fd, c->mode) < 0)
		r = -errno;
	const struct timespec times[2] = { { .tv_nsec = UTIME_NOW }, { .tv_sec = c->mtime } };
	if (r == 0 && c->mtime && futimens(fd, times) < 0)
		r = -errno;
	if (r == 0)
		r = check_same(dirfd, temporary, fd);
	return finish(dirfd, temporary, r, name, old);
}

int place_link(int dirfd, const char *name, const char *to, const struct stat *old)
{
	char temporary[TEMPORARY_SIZE];
	int r = -EEXIST;
	for (int i = 0; r == -EEXIST && i < TRIES; i++) {
		r = make_temporary_name(temporary);
		if (r == 0 && symlinkat(to, dirfd, temporary) < 0)
			r = -errno;
	}
	if (r < 0)
		return r;
	auto_close int fd = open_made(dirfd, temporary, S_IFLNK);
	return finish(dirfd, temporary, fd < 0 ? fd : give(fd, dirfd, old), name, old);
}

int place_directory(int dirfd, const char *name)
{
	if (mkdirat(dirfd, name, 0700) < 0)
		return -errno;
	auto_close int fd = open_made(dirfd, name, S_IFDIR);
	int r = fd < 0 ? fd : give(fd, dirfd, NULL);
	if (r < 0)
		unlinkat(dirfd, name, AT_REMOVEDIR);
	return r;
}

int place_parents(int root_fd, const char *path, mode_t mode)
{
	auto_free char *part = strdup(path);
	if (!part)
		return -ENOMEM;
	for (char *slash = part; (slash = strchr(slash, '/')); slash++) {
		const char *name;
		*slash = '\0';
		auto_close int dir = beneath_open_parent(root_fd, part, &name);
		if (dir < 0)
			return dir;
		if (mkdirat(dir, name, mode) < 0 && errno != EEXIST)
			return -errno;
		*slash = '/';
	}
	return 0;
}

const char *place_temporary_dir(void)
{
	const char *dir = getenv("TMPDIR");
	return dir && *dir ? dir : "/tmp";
}

void place_remove_tree(int dirfd, const char *name)
{
	auto_close int fd = dir_open(dirfd, name);
	auto_closedir DIR *d = fd < 0 ? NULL : dir_list(fd);
	struct dirent *entry;
	while (d && (entry = dir_next(d)))
		if (unlinkat(fd, entry->d_name, 0) < 0 && (errno == EISDIR || errno == EPERM))
			place_remove_tree(fd, entry->d_name);
	unlinkat(dirfd, name, AT_REMOVEDIR);
}
