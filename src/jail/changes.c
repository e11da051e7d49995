/*
 * Walking through changes: see changes.h. In the upper layer a character device 0:0 is a whiteout
 * (deleted); a directory that is marked opaque hides all of the lower one; anything else shadows
 * what the lower layer has under that name. The lower layer is the client's, who may change it
 * meanwhile: what is gone from it is as if it had never been there.
 */
#include "jail/changes.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/dir.h"
#include "base/fd.h"
#include "base/limits.h"
#include "jail/sys.h"
#include "jail/where.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define CHANGES_MAX_ENTRIES 2000000

struct walk {
	const struct changes_walk *in;
	uint64_t entries, left_out;
	int depth;
	struct where at;
};

/* Goes to `name` in the directory where we are. Returns false where that leads too far. */
static bool enter(struct walk *w, const char *name, size_t *ret_before)
{
	bool is_near = where_enter(&w->at, name, ret_before);
	w->left_out += !is_near;
	return is_near;
}

static void leave(struct walk *w, size_t before)
{
	where_leave(&w->at, before);
}

static int check_bounds(struct walk *w)
{
	if (++w->entries > CHANGES_MAX_ENTRIES)
		return -E2BIG;
	return clock_mono_ns() > w->in->until_ns ? -ETIME : 0;
}

/* ---- looking ---- */

static int open_in(int dirfd, const char *name, uint64_t flags, uint64_t resolve)
{
	return sys_openat2(dirfd, name, flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0,
		RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | resolve);
}

int changes_open_any_file(int dirfd, const char *name, uint64_t resolve)
{
	struct stat st;
	/* Opening a FIFO or a device can do things: first what it is. If somebody exchanges it
	 * meanwhile, which is possible outside of the jail only, it still does not wait. */
	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -ENXIO;
	auto_close int fd = open_in(dirfd, name, O_RDONLY, resolve);
	if (fd >= 0 && (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)))
		return -ENXIO;
	return fd < 0 ? fd : fd_take(&fd);
}

int changes_open_file(int dirfd, const char *name)
{
	return changes_open_any_file(dirfd, name, RESOLVE_NO_XDEV);
}

int changes_open_dir(int dirfd, const char *name, uint64_t resolve)
{
	return open_in(dirfd, name, O_RDONLY | O_DIRECTORY, resolve);
}

static int open_dir(int dirfd, const char *name)
{
	return changes_open_dir(dirfd, name, RESOLVE_NO_XDEV);
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
	auto_close int a = changes_open_file(upper, name);
	auto_close int b = changes_open_file(lower, name);
	char x[16384], y[16384];
	if (a < 0 || b < 0)
		return false;
	for (;;) {
		ssize_t n = read(a, x, sizeof(x)), m = read(b, y, sizeof(y));
		if (n < 0 || n != m || (n && memcmp(x, y, (size_t)n)))
			return false;
		if (n == 0)
			return true;
		if (clock_mono_ns() > w->in->until_ns)
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
		char x[PATH_MAX], y[PATH_MAX];
		ssize_t n = readlinkat(upper, name, x, sizeof(x)),
			m = readlinkat(lower, name, y, sizeof(y));
		return n >= 0 && n == m && !memcmp(x, y, (size_t)n);
	}
	return true;
}

/* ---- telling ---- */

static enum change_type type_of(const struct stat *st)
{
	return S_ISREG(st->st_mode)   ? CHANGE_FILE
	       : S_ISLNK(st->st_mode) ? CHANGE_LINK
	       : S_ISDIR(st->st_mode) ? CHANGE_DIRECTORY
				      : CHANGE_SPECIAL;
}

static int tell(
	struct walk *w, enum change_kind kind, const struct stat *st, int dirfd, const char *name)
{
	bool has_bytes = S_ISREG(st->st_mode) || S_ISLNK(st->st_mode);
	const struct change c = {
		.entry = {
			.kind = kind,
			.type = type_of(st),
			.mode = st->st_mode & 07777,
			.bytes = has_bytes ? (uint64_t)st->st_size : 0,
			.path = w->at.path,
		},
		.dirfd = dirfd,
		.name = name,
	};
	/* What was not compared to its end must not count. */
	return clock_mono_ns() > w->in->until_ns ? -ETIME : w->in->fn(w->in->owner, &c);
}

/* ---- walking ---- */

static int walk_deleted(struct walk *w, int lower, const char *name, const struct stat *st);

static int delete_child(struct walk *w, int lower, const char *name)
{
	struct stat st;
	size_t before;
	int r = check_bounds(w);
	if (r < 0 || !enter(w, name, &before))
		return r;
	if (fstatat(lower, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		r = walk_deleted(w, lower, name, &st);
	leave(w, before);
	return r;
}

/* Everything that a directory of the lower layer had and the upper one (-1: there is none) has not.
 */
static int delete_children(struct walk *w, int lower, int upper)
{
	struct stat st;
	if (w->depth >= CHANGES_MAX_DEPTH) {
		w->left_out++;
		return 0;
	}
	auto_closedir DIR *d = dir_list(lower);
	if (!d)
		return -errno;
	struct dirent *entry;
	int r = 0;
	w->depth++;
	while (r == 0 && (entry = dir_next(d)))
		if (upper < 0 || fstatat(upper, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			r = delete_child(w, lower, entry->d_name);
	w->depth--;
	return r;
}

/* Where we are is what was deleted. */
static int walk_deleted(struct walk *w, int lower, const char *name, const struct stat *st)
{
	int r = 0;
	if (S_ISDIR(st->st_mode)) {
		auto_close int fd = open_dir(lower, name);
		if (fd == -EMFILE || fd == -ENFILE || fd == -ENOMEM)
			return fd;
		/* Where the task could not look we need not. */
		r = fd < 0 ? 0 : delete_children(w, fd, -1);
	}
	return r < 0 ? r : tell(w, CHANGE_DELETED, st, -1, name);
}

static int walk_dir(struct walk *w, int upper, int lower, bool is_hidden);

/* Where we are is a directory of the upper layer; l: what the lower one has there, or NULL. */
static int enter_dir(struct walk *w, int upper, int lower, const char *name, const struct stat *u,
	const struct stat *l, bool is_hidden)
{
	auto_close int up = open_dir(upper, name);
	auto_close int low = l && S_ISDIR(l->st_mode) ? open_dir(lower, name) : -1;
	if (up == -EACCES) {
		w->left_out++;
		return 0;
	}
	if (up < 0)
		return up;
	int r = 0;
	if (l && !S_ISDIR(l->st_mode))
		r = tell(w, CHANGE_DELETED, l, -1, name);
	if (r == 0 && (!l || !S_ISDIR(l->st_mode)))
		r = tell(w, CHANGE_ADDED, u, upper, name);
	else if (r == 0 && (u->st_mode & 07777) != (l->st_mode & 07777))
		r = tell(w, CHANGE_MODIFIED, u, upper, name);
	return r < 0 ? r : walk_dir(w, up, low, is_hidden);
}

static int walk_entry(struct walk *w, int upper, int lower, const char *name, bool is_hidden)
{
	struct stat u, l;
	if (fstatat(upper, name, &u, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	bool had = lower >= 0 && fstatat(lower, name, &l, AT_SYMLINK_NOFOLLOW) == 0;
	if (is_whiteout(&u))
		return had ? walk_deleted(w, lower, name, &l) : 0;
	if (S_ISDIR(u.st_mode))
		return enter_dir(w, upper, lower, name, &u, had ? &l : NULL, is_hidden);
	if (!had)
		return tell(w, CHANGE_ADDED, &u, upper, name);
	if (S_ISDIR(l.st_mode)) {
		int r = walk_deleted(w, lower, name, &l);
		return r < 0 ? r : tell(w, CHANGE_ADDED, &u, upper, name);
	}
	if (!is_same(w, upper, lower, name, &u, &l))
		return tell(w, CHANGE_MODIFIED, &u, upper, name);
	return clock_mono_ns() > w->in->until_ns ? -ETIME : 0;
}

/*
 * lower: the directory that lies below this one, or -1. is_hidden: a directory on the way hides all
 * of it; then those in it bear no mark of their own.
 */
static int walk_dir(struct walk *w, int upper, int lower, bool is_hidden)
{
	is_hidden = is_hidden || is_opaque(upper);
	if (w->depth >= CHANGES_MAX_DEPTH) {
		w->left_out++;
		return 0;
	}
	auto_closedir DIR *d = dir_list(upper);
	if (!d)
		return -errno;
	struct dirent *entry;
	int r = 0;
	w->depth++;
	while (r == 0 && (entry = dir_next(d))) {
		size_t before;
		r = check_bounds(w);
		if (r < 0 || !enter(w, entry->d_name, &before))
			continue;
		r = walk_entry(w, upper, lower, entry->d_name, is_hidden);
		leave(w, before);
	}
	w->depth--;
	if (r == 0 && lower >= 0 && is_hidden)
		r = delete_children(w, lower, upper);
	return r;
}

int changes_walk(const struct changes_walk *walk, uint64_t *ret_left_out)
{
	struct walk w = { .in = walk };
	int r = walk_dir(&w, walk->upper_fd, walk->lower_fd, false);
	*ret_left_out = w.left_out;
	return r;
}

/* ---- the sum ---- */

void changes_init(struct changes *c)
{
	*c = (struct changes){ 0 };
	buf_init(&c->list, LIMIT_CHANGES_LIST_BYTES);
}

void changes_finish(struct changes *c)
{
	buf_finish(&c->list);
}

int changes_note(void *owner, const struct change *change)
{
	struct changes *c = owner;
	const struct change_entry *e = &change->entry;
	uint64_t *const counts[] = {
		[CHANGE_ADDED] = &c->added,
		[CHANGE_MODIFIED] = &c->modified,
		[CHANGE_DELETED] = &c->deleted,
	};
	if (e->type != CHANGE_DIRECTORY)
		++*counts[e->kind];
	if (e->kind != CHANGE_DELETED && e->type == CHANGE_SPECIAL)
		c->left_out++;
	if (e->kind != CHANGE_DELETED && __builtin_add_overflow(c->bytes, e->bytes, &c->bytes))
		c->bytes = UINT64_MAX;
	/* Once one had no room all later ones stay out: the list is a beginning. */
	if (c->is_list_cut || c->n_listed == LIMIT_CHANGES_LISTED ||
		change_list_put(&c->list, e) < 0)
		c->is_list_cut = true;
	else
		c->n_listed++;
	return 0;
}
