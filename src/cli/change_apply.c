/* Writing changes back: see change_apply.h. */
#include "cli/change_apply.h"

#include "base/beneath.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/dir.h"
#include "base/fd.h"
#include "base/str.h"
#include "cli/place.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* A tick of the kernel's clock is 10 ms at most. */
#define TICK_NS (11 * NS_PER_MS)

/* What was at the place of an entry when it was checked. */
struct change_apply_seen {
	bool is_good;	 /* the check is over */
	bool is_linked;	 /* has other names: writing one of them changes the others' ctime */
	bool stays;	 /* a directory that cannot go: something in it is left alone, */
	size_t n_hidden; /* so much of it hidden */
	bool is_merged;	 /* a new directory, but there is one: that keeps its mode */
	ino_t ino;
	off_t size;
	struct timespec mtime;
};

/* ---- what is left alone ---- */

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static size_t sort(char **list)
{
	size_t n = list ? strv_len(list) : 0;
	if (n)
		qsort(list, n, sizeof(list[0]), compare);
	return n;
}

static bool has(char **sorted, size_t n, const char *path)
{
	return n && bsearch(&path, sorted, n, sizeof(sorted[0]), compare);
}

/* Whether it is one of them, or lies below one. */
static bool has_above(char **sorted, size_t n, const char *path)
{
	auto_free char *part = n ? strdup(path) : NULL;
	while (part) {
		if (has(sorted, n, part))
			return true;
		char *slash = strrchr(part, '/');
		if (!slash)
			break;
		*slash = '\0';
	}
	return false;
}

bool change_apply_skips(const struct change_apply *a, const char *path)
{
	const struct change_tar_entry c = { .path = (char *)path };
	return change_tar_is_git(&c) || has(a->inputs, a->n_inputs, path) ||
	       has_above(a->hidden, a->n_hidden, path);
}

static void count_skipped(struct change_apply *a, const struct change_tar_entry *c)
{
	if (c->type == CHANGE_TAR_DIRECTORY)
		return;
	if (change_tar_is_git(c))
		a->git_entries += !change_tar_is_by_the_way(c);
	else if (has(a->inputs, a->n_inputs, c->path))
		a->input_entries++;
	else
		a->hidden_entries++;
}

/* ---- looking ---- */

static struct change_apply_seen *seen_of(const struct change_apply *a, const struct change_tar *tar,
	const struct change_tar_entry *c)
{
	return &a->seen[c - tar->entries];
}

/* Not by the time of the content, which anybody can set back. */
static bool is_newer(const struct change_apply *a, const struct stat *st)
{
	const struct timespec *t = &st->st_ctim, *base = &a->base;
	if (a->is_unchecked)
		return false;
	if (t->tv_sec != base->tv_sec)
		return t->tv_sec > base->tv_sec;
	/* A clock of whole seconds cannot tell before from after. */
	return t->tv_nsec > base->tv_nsec || (t->tv_nsec == 0 && base->tv_nsec == 0);
}

static bool is_same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool is_changed(
	const struct change_apply *a, const struct change_apply_seen *seen, const struct stat *st)
{
	if (!is_newer(a, st) && (!a->is_unchecked || !seen->is_good))
		return false;
	/* Perhaps only by us, who took another of its names away. */
	return (!seen->is_linked && !a->is_unchecked) || seen->ino != st->st_ino ||
	       seen->size != st->st_size || !is_same_time(&seen->mtime, &st->st_mtim);
}

static const char *why_newer(const struct change_apply *a)
{
	return a->base.tv_sec || a->is_unchecked
		       ? "it was changed after the task saw it"
		       : "whether it is as the task saw it cannot be told";
}

static const struct change_tar_entry *deletion_of(const struct change_tar *tar, const char *path)
{
	return change_tar_find(tar, path, CHANGE_TAR_DELETED);
}

static bool is_new_directory(const struct change_tar *tar, const char *path)
{
	return change_tar_find(tar, path, CHANGE_TAR_DIRECTORY) != NULL;
}

/* Whether the directory that it lies in is one that the task made, or gave another mode. */
static bool is_parent_in(const struct change_tar *tar, const char *path)
{
	const char *slash = strrchr(path, '/');
	auto_free char *parent = slash ? strndup(path, (size_t)(slash - path)) : NULL;
	return parent && is_new_directory(tar, parent);
}

static const char *look_at_child(const struct change_apply *a, const struct change_tar *tar,
	const struct change_tar_entry *c, const char *name)
{
	auto_free char *path = NULL;
	if (asprintf(&path, "%s/%s", c->path, name) < 0) {
		path = NULL;
		return strerror(ENOMEM);
	}
	const struct change_tar_entry *child = deletion_of(tar, path);
	struct change_apply_seen *seen = seen_of(a, tar, c);
	bool is_skipped = change_apply_skips(a, path);
	if (is_skipped || (child && seen_of(a, tar, child)->stays))
		seen->stays = true;
	seen->n_hidden += is_skipped && !child;
	return is_skipped || child ? NULL : "something is in it that the task did not see";
}

/* A directory that was deleted: all that is in it must be known, and what is left alone keeps it.
 */
static const char *look_into(const struct change_apply *a, const struct change_tar *tar,
	const struct change_tar_entry *c, int dirfd, const char *name)
{
	auto_close int fd = beneath_open(dirfd, name, O_RDONLY | O_DIRECTORY);
	auto_closedir DIR *d = fd < 0 ? NULL : dir_list(fd);
	struct dirent *entry;
	const char *why = NULL;
	if (!d)
		return "it cannot be looked into";
	while (!why && (entry = dir_next(d)))
		why = look_at_child(a, tar, c, entry->d_name);
	return why;
}

/* A directory is there. */
static const char *look_at_directory(const struct change_apply *a, const struct change_tar *tar,
	const struct change_tar_entry *c, int dirfd, const char *name, const struct stat *st)
{
	const struct change_tar_entry *deleted = deletion_of(tar, c->path);
	bool is_unknown = a->base.tv_sec == 0 && !a->is_unchecked;
	if (c->type == CHANGE_TAR_DIRECTORY)
		return is_unknown && (st->st_mode & 0777) != c->mode ? why_newer(a) : NULL;
	/* Something came into it or went, or it was brought here as it is: the tar tells what is
	 * deleted by what was here when the task ended. Later it is we who change it. */
	if (c->type == CHANGE_TAR_DELETED && !seen_of(a, tar, c)->is_good && is_newer(a, st))
		return why_newer(a);
	if (c->type == CHANGE_TAR_DELETED)
		return look_into(a, tar, c, dirfd, name);
	if (!deleted)
		return "a directory has come in its place";
	return seen_of(a, tar, deleted)->stays ? "something in this directory is left alone" : NULL;
}

/* Something else is there. */
static const char *look_at_file(const struct change_apply *a, const struct change_tar *tar,
	const struct change_tar_entry *c, const struct stat *st)
{
	if (is_changed(a, seen_of(a, tar, c), st))
		return why_newer(a);
	if (deletion_of(tar, c->path) || (c->replaces && c->type != CHANGE_TAR_DIRECTORY))
		return NULL;
	return "something has come in its place";
}

static const char *why_no_directory(int r)
{
	return r == -ENOENT   ? "its directory was deleted meanwhile"
	       : r == -EACCES ? "its directory cannot be reached"
			      : "its directory was replaced meanwhile";
}

/* Why a change cannot be made to the tree as it is, or NULL. *st is filled where something is
 * there. */
static const char *look(const struct change_apply *a, const struct change_tar *tar,
	const struct change_tar_entry *c, bool *ret_is_there, struct stat *st)
{
	const char *name;
	auto_close int dir = beneath_open_parent(a->root_fd, c->path, &name);
	*ret_is_there = false;
	if (dir < 0 && is_parent_in(tar, c->path))
		return NULL;
	if (dir < 0)
		return dir == -ENOENT && c->type == CHANGE_TAR_DELETED ? NULL
								       : why_no_directory(dir);
	*ret_is_there = fstatat(dir, name, st, AT_SYMLINK_NOFOLLOW) == 0;
	if (!*ret_is_there && c->type == CHANGE_TAR_DELETED)
		return NULL;
	if (faccessat(dir, ".", W_OK | X_OK, AT_EACCESS) < 0 && !is_parent_in(tar, c->path))
		return errno == EROFS ? strerror(EROFS) : "its directory cannot be written to";
	if (!*ret_is_there)
		return c->replaces ? "it was deleted meanwhile" : NULL;
	return S_ISDIR(st->st_mode) ? look_at_directory(a, tar, c, dir, name, st)
				    : look_at_file(a, tar, c, st);
}

static int refuse(struct change_apply *a, const struct change_tar_entry *c, const char *why)
{
	a->n_refused++;
	if (a->refused)
		a->refused(a->owner, c->path, why);
	return -EBUSY;
}

static void note(struct change_apply *a, const struct change_tar *tar,
	const struct change_tar_entry *c, const struct stat *st)
{
	struct change_apply_seen *seen = seen_of(a, tar, c);
	seen->is_good = true;
	/* Symbolic links can have several names too. */
	seen->is_linked = st && !S_ISDIR(st->st_mode) && st->st_nlink > 1;
	if (st) {
		seen->ino = st->st_ino;
		seen->size = st->st_size;
		seen->mtime = st->st_mtim;
	}
	a->hidden_entries += seen->n_hidden;
	a->space_bytes += c->bytes;
	if (st && S_ISREG(st->st_mode) && st->st_nlink == 1)
		a->space_bytes -= (uint64_t)st->st_size < a->space_bytes ? (uint64_t)st->st_size
									 : a->space_bytes;
}

static int check_space(const struct change_apply *a)
{
	struct statvfs fs;
	/* A file system that knows no bounds has no blocks. */
	if (fstatvfs(a->root_fd, &fs) < 0 || fs.f_blocks == 0)
		return 0;
	uint64_t blocks = geteuid() == 0 ? fs.f_bfree : fs.f_bavail;
	return a->space_bytes / fs.f_frsize > blocks ? -ENOSPC : 0;
}

int change_apply_check(struct change_apply *a, const struct change_tar *tar)
{
	change_apply_finish(a);
	a->n_refused = a->git_entries = a->hidden_entries = a->input_entries = 0;
	a->space_bytes = 0;
	a->seen = calloc(tar->n + 1, sizeof(a->seen[0]));
	if (!a->seen)
		return -ENOMEM;
	a->n_hidden = sort(a->hidden);
	a->n_inputs = sort(a->inputs);
	for (size_t i = 0; i < tar->n; i++) {
		struct stat st;
		bool is_there;
		const struct change_tar_entry *c = &tar->entries[i];
		if (change_apply_skips(a, c->path)) {
			count_skipped(a, c);
			continue;
		}
		const char *why = look(a, tar, c, &is_there, &st);
		if (why)
			refuse(a, c, why);
		else
			note(a, tar, c, is_there ? &st : NULL);
	}
	return a->n_refused ? -EBUSY : check_space(a);
}

void change_apply_finish(struct change_apply *a)
{
	free(a->seen);
	a->seen = NULL;
}

/* ---- writing ---- */

/* By descriptor: the name may be a link by now. */
static int set_mode(int dir, const char *name, mode_t mode, bool adds)
{
	char path[32];
	struct stat st;
	auto_close int fd = beneath_open(dir, name, O_PATH | O_DIRECTORY);
	if (fd < 0 || fstat(fd, &st) < 0)
		return fd < 0 ? fd : -errno;
	mode_t want = (st.st_mode & 07777) | mode;
	if (!adds)
		/* Set-group-id and the like are the tree's own affair. */
		want = (st.st_mode & 07000) | mode;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return want == (st.st_mode & 07777) || chmod(path, want) == 0 ? 0 : -errno;
}

static int write_directory(
	int dir, const char *name, const struct change_tar_entry *c, struct change_apply_seen *seen)
{
	int r = place_directory(dir, name);
	if (r != -EEXIST)
		return r;
	seen->is_merged = !c->replaces;
	/* So that we can write into it; its mode comes last. */
	return c->replaces ? set_mode(dir, name, 0700, true) : 0;
}

static int delete_one(int dir, const char *name, const struct stat *st)
{
	bool is_dir = S_ISDIR(st->st_mode);
	if (unlinkat(dir, name, is_dir ? AT_REMOVEDIR : 0) == 0 || errno == ENOENT)
		return 0;
	return -errno;
}

static int write_entry(struct change_apply *a, const struct change_tar *tar, int dir,
	const char *name, const struct change_tar_entry *c, const struct stat *old)
{
	const struct place_content content = {
		.fd = tar->fd, .at = c->at, .bytes = c->bytes, .mode = c->mode, .mtime = c->mtime
	};
	switch (c->type) {
	case CHANGE_TAR_DELETED:
		return old && !seen_of(a, tar, c)->stays ? delete_one(dir, name, old) : 0;
	case CHANGE_TAR_DIRECTORY:
		return write_directory(dir, name, c, seen_of(a, tar, c));
	case CHANGE_TAR_LINK:
		return place_link(dir, name, c->link, old);
	case CHANGE_TAR_FILE:
		return place_file(dir, name, &content, old);
	}
	return -EINVAL;
}

static const char *why_failed(int r)
{
	if (r == -ESTALE)
		return "it was changed after the task saw it";
	return r == -ENOTEMPTY || r == -EEXIST ? "something has come there meanwhile"
					       : strerror(-r);
}

static int write_one(
	struct change_apply *a, const struct change_tar *tar, const struct change_tar_entry *c)
{
	const char *name;
	struct stat st;
	bool is_there;
	const char *why = look(a, tar, c, &is_there, &st);
	if (why)
		return refuse(a, c, why);
	auto_close int dir = beneath_open_parent(a->root_fd, c->path, &name);
	/* What lay in a directory that is gone is gone too. */
	int r = dir == -ENOENT && c->type == CHANGE_TAR_DELETED ? 0 : dir;
	if (dir >= 0)
		r = write_entry(a, tar, dir, name, c, is_there ? &st : NULL);
	if (r < 0) {
		refuse(a, c, why_failed(r));
		return r;
	}
	if (c->type == CHANGE_TAR_DELETED)
		a->deleted += is_there && !S_ISDIR(st.st_mode);
	else
		a->written += c->type != CHANGE_TAR_DIRECTORY;
	return 0;
}

/* Last, and from the deepest up: one may forbid writing into it. */
static int set_modes(struct change_apply *a, const struct change_tar *tar)
{
	int failed = 0;
	for (size_t i = a->reached; i-- > 0;) {
		const char *name;
		const struct change_tar_entry *c = &tar->entries[i];
		if (c->type != CHANGE_TAR_DIRECTORY || a->seen[i].is_merged ||
			change_apply_skips(a, c->path))
			continue;
		auto_close int dir = beneath_open_parent(a->root_fd, c->path, &name);
		int r = dir < 0 ? dir : set_mode(dir, name, c->mode, false);
		if (r < 0) {
			refuse(a, c, strerror(-r));
			failed = r;
		}
	}
	return failed;
}

static bool is_interrupted(void)
{
	sigset_t set;
	return sigpending(&set) == 0 &&
	       (sigismember(&set, SIGINT) || sigismember(&set, SIGTERM) ||
		       sigismember(&set, SIGHUP) || sigismember(&set, SIGQUIT));
}

int change_apply_write(struct change_apply *a, const struct change_tar *tar)
{
	int r = 0;
	a->n_refused = a->written = a->deleted = a->reached = 0;
	for (size_t i = 0; i < tar->n; i++) {
		const struct change_tar_entry *c = &tar->entries[i];
		r = is_interrupted() ? -EINTR : 0;
		if (r == 0 && !change_apply_skips(a, c->path))
			r = write_one(a, tar, c);
		if (r < 0)
			break;
		a->reached = i + 1;
	}
	int m = set_modes(a, tar);
	return r < 0 ? r : m;
}

/* ---- the clock ---- */

static int make_nameless(int root_fd, struct stat *st)
{
	auto_close int fd = openat(root_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	return fd < 0 || fstat(fd, st) < 0 ? -errno : 0;
}

static int make_named(int root_fd, struct stat *st)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/self/fd/%d/.dayfly-XXXXXX", root_fd);
	auto_close int fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	unlink(path);
	return fstat(fd, st) < 0 ? -errno : 0;
}

int change_apply_now(int root_fd, struct timespec *ret)
{
	const struct timespec tick = { .tv_nsec = TICK_NS };
	struct stat st;
	int r = make_nameless(root_fd, &st);
	/* A file system that knows no files without names. */
	if (r == -EOPNOTSUPP || r == -EISDIR || r == -EINVAL || r == -ENOENT)
		r = make_named(root_fd, &st);
	/* Perhaps there are directories in it that let us; the clock is mostly the same. */
	if (r == -EACCES && clock_gettime(CLOCK_REALTIME, &st.st_ctim) == 0)
		r = 0;
	if (r < 0)
		return r;
	*ret = st.st_ctim;
	/* Until the clock has gone on: what happens in the same tick could not be told apart. */
	clock_nanosleep(CLOCK_MONOTONIC, 0, &tick, NULL);
	return 0;
}
