/* The history's folder: see place.h. */
#include "history/place.h"

#include "base/cleanup.h"
#include "base/dir.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define FOLDER_SIZE 48

static void folder_name(char out[FOLDER_SIZE])
{
	/* Daemons of several users may share a directory such as /var/tmp. */
	snprintf(out, FOLDER_SIZE, "dayfly-%u.history", (unsigned)geteuid());
}

int place_init(struct place *p, const char *dir, bool makes_dirs)
{
	char folder[FOLDER_SIZE];
	folder_name(folder);
	*p = (struct place){ .dir = strdup(dir), .makes_dirs = makes_dirs, .dir_fd = -1 };
	if (asprintf(&p->path, "%s/%s/%s", dir, folder, PLACE_FILE) < 0)
		p->path = NULL;
	return p->dir && p->path ? 0 : -ENOMEM;
}

void place_finish(struct place *p)
{
	fd_close(&p->dir_fd);
	free(p->dir);
	free(p->path);
	p->dir = p->path = NULL;
}

static int check(const struct place *p, int fd, bool is_own, struct err *e)
{
	struct stat st;
	const char *fix = "give a directory of your own with dir in [history]";
	if (fstat(fd, &st) < 0)
		return err_set(e, ERR_INTERNAL, errno, "look at %s", p->dir);
	bool is_ours = st.st_uid == geteuid() || (!is_own && st.st_uid == 0);
	bool is_open = st.st_mode & (is_own ? S_IWGRP | S_IWOTH : S_IWOTH) &&
		       !(!is_own && st.st_mode & S_ISVTX);
	if (is_ours && !is_open)
		return 0;
	err_set(e, ERR_NOT_ALLOWED, EPERM, "%s in %s %s", is_own ? "the folder" : "files", p->dir,
		is_ours ? "can be changed by others" : "belong to another user");
	err_hint(e, "%s", fix);
	return -EPERM;
}

static int open_folder(struct place *p, struct err *e)
{
	char folder[FOLDER_SIZE];
	folder_name(folder);
	if (p->makes_dirs)
		dir_make_all(p->dir);
	auto_close int top = open(p->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (top < 0)
		return err_set(e, ERR_INTERNAL, errno, "open the directory %s", p->dir);
	int r = check(p, top, false, e);
	if (r < 0)
		return r;
	if (mkdirat(top, folder, 0700) < 0 && errno != EEXIST)
		return err_set(e, ERR_INTERNAL, errno, "make %s/%s", p->dir, folder);
	auto_close int fd = openat(top, folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_set(e, ERR_INTERNAL, errno, "open %s/%s", p->dir, folder);
	r = check(p, fd, true, e);
	if (r < 0)
		return r;
	fd_close(&p->dir_fd);
	p->dir_fd = fd_take(&fd);
	return 0;
}

/* NULL: nothing is wrong with it, or there is none. */
static const char *fault_of_file(const struct place *p)
{
	struct stat st;
	if (fstatat(p->dir_fd, PLACE_FILE, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? NULL : "cannot be looked at";
	if (!S_ISREG(st.st_mode))
		return "is not a regular file";
	if (st.st_uid != geteuid())
		return "belongs to another user";
	if (st.st_nlink > 1)
		return "has a second name";
	return NULL;
}

int place_open(struct place *p, char *ret_aside, size_t size, struct err *e)
{
	ret_aside[0] = '\0';
	int r = open_folder(p, e);
	const char *fault = r == 0 ? fault_of_file(p) : NULL;
	return fault ? place_set_aside(p, fault, ret_aside, size, e) : r;
}

/* What SQLite made beside the file belongs to it. */
static void move_rest(const struct place *p, const char *name)
{
	static const char *const ends[] = { "-wal", "-shm", "-journal" };
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		char from[64], to[64];
		snprintf(from, sizeof(from), PLACE_FILE "%s", ends[i]);
		snprintf(to, sizeof(to), "%s%s", name, ends[i]);
		if (renameat(p->dir_fd, from, p->dir_fd, to) < 0)
			unlinkat(p->dir_fd, to, 0); /* of an older one that had this name */
	}
}

int place_set_aside(struct place *p, const char *why, char *ret_aside, size_t size, struct err *e)
{
	char name[48];
	int r = -1;
	for (int i = 1; r < 0 && i <= PLACE_ASIDE_MAX; i++) {
		snprintf(name, sizeof(name), PLACE_FILE ".bad%d", i);
		r = renameat2(p->dir_fd, PLACE_FILE, p->dir_fd, name, RENAME_NOREPLACE);
		if (r < 0 && errno != EEXIST)
			break;
	}
	if (r < 0 && (errno == EEXIST || errno == EINVAL))
		r = renameat(p->dir_fd, PLACE_FILE, p->dir_fd, name);
	if (r < 0) {
		err_set(e, ERR_INTERNAL, errno, "the history %s %s, and cannot be renamed", p->path,
			why);
		err_hint(e, "remove it");
		return -EIO;
	}
	move_rest(p, name);
	snprintf(ret_aside, size, "the history %s %s: it is set aside as %s, and a new one begins",
		p->path, why, name);
	return 0;
}

int place_space(const struct place *p, uint64_t *ret_free, uint64_t *ret_all)
{
	struct statvfs fs;
	if (fstatvfs(p->dir_fd, &fs) < 0)
		return -errno;
	*ret_free = (uint64_t)fs.f_bavail * fs.f_frsize;
	*ret_all = (uint64_t)fs.f_blocks * fs.f_frsize;
	return 0;
}
