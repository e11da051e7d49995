/* Where repositories are kept: see git_store.h. */
#include "daemon/git_store_priv.h"

#include "base/beneath.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/dir.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/remove.h"
#include "base/units.h"
#include "git/lru.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define ITEMS_MAX  65536
#define FOLDER_FMT "%u/%s"

#define N_HISTORIES 2

/* Mirrors have the first two. */
const char *const git_store_kinds[GIT_STORE_KINDS] = {
	[GIT_HISTORY_SHALLOW] = "shallow",
	[GIT_HISTORY_FULL] = "full",
	[N_HISTORIES + GIT_HISTORY_SHALLOW] = "shallow-modules",
	[N_HISTORIES + GIT_HISTORY_FULL] = "full-modules",
};

int git_store_kind(int history, bool has_submodules)
{
	return history + (has_submodules ? N_HISTORIES : 0);
}

/* ---- names ---- */

static void item_name(const struct git_item *item, char out[NAME_SIZE])
{
	if (item->is_tree)
		snprintf(out, NAME_SIZE, "%s-%s", item->commit, git_store_kinds[item->kind]);
	else
		snprintf(out, NAME_SIZE, "%s.git", git_store_kinds[item->kind]);
}

void git_store_path(uid_t uid, const char *key, const char *name, char out[PATH_SIZE])
{
	snprintf(out, PATH_SIZE, FOLDER_FMT "/%s", (unsigned)uid, key, name);
}

void git_store_item_path(const struct git_item *item, char out[PATH_SIZE])
{
	char name[NAME_SIZE];
	item_name(item, name);
	git_store_path(item->uid, item->key, name, out);
}

/* ---- what goes ---- */

static void remove_trash(uv_work_t *work)
{
	struct git_store *st = work->data;
	auto_closedir DIR *d = dir_list(st->trash_fd);
	struct dirent *entry;
	while (d && !st->is_stopping && (entry = dir_next(d)))
		remove_tree(st->trash_fd, entry->d_name);
}

static void start_removing(struct git_store *st);

static void on_removed(uv_work_t *work, int status)
{
	struct git_store *st = work->data;
	st->is_removing = false;
	if (st->is_dirty && !st->is_stopping)
		start_removing(st);
}

static void start_removing(struct git_store *st)
{
	st->is_dirty = true;
	if (st->is_removing)
		return;
	st->is_dirty = false;
	st->work.data = st;
	st->is_removing = uv_queue_work(st->loop, &st->work, remove_trash, on_removed) == 0;
}

void git_store_throw_away_at(struct git_store *st, int dirfd, const char *path)
{
	char name[32];
	snprintf(name, sizeof(name), "%llu", (unsigned long long)st->n_trash++);
	if (renameat(dirfd, path, st->trash_fd, name) == 0)
		start_removing(st);
	else if (errno != ENOENT)
		log_warning("git: %s in %s cannot be removed: %s", path, st->path, strerror(errno));
}

void git_store_throw_away(struct git_store *st, const char *path)
{
	git_store_throw_away_at(st, st->fd, path);
}

static void free_item(struct git_store *st, struct git_item *item)
{
	list_remove(&item->link);
	st->n_items--;
	free(item->parts);
	free(item);
}

static void drop_item(struct git_store *st, struct git_item *item)
{
	char path[PATH_SIZE], ok[PATH_SIZE + 4];
	git_store_item_path(item, path);
	/* Without this the tree is none, whatever happens next. */
	snprintf(ok, sizeof(ok), "%s.ok", path);
	if (item->is_tree)
		unlinkat(st->fd, ok, 0);
	git_store_throw_away(st, path);
	free_item(st, item);
}

/* Until it is within its bounds, or all that is left is in use. */
void git_store_shrink(struct git_store *st)
{
	for (;;) {
		auto_free struct git_lru_item *view = calloc(st->n_items + 1, sizeof(*view));
		size_t n = 0, chosen;
		if (!view)
			return;
		list_for_each (pos, &st->items) {
			const struct git_item *item = list_entry(pos, struct git_item, link);
			view[n++] = (struct git_lru_item){ item->uid, item->bytes, item->used_ns,
				item->refs > 0 };
		}
		chosen = git_lru_choose(view, n, st->bounds.max_bytes, st->bounds.max_bytes_uid);
		if (chosen == n)
			return;
		n = 0;
		list_for_each_safe (pos, &st->items)
			if (n++ == chosen)
				drop_item(st, list_entry(pos, struct git_item, link));
	}
}

void git_store_set_bounds(struct git_store *st, const struct git_store_bounds *bounds)
{
	st->bounds = *bounds;
	if (st->path)
		git_store_shrink(st);
}

/* ---- what is there ---- */

static struct git_item *find(
	const struct git_store *st, uid_t uid, const char *key, int kind, const char *commit)
{
	list_for_each (pos, &st->items) {
		struct git_item *item = list_entry(pos, struct git_item, link);
		if (item->uid == uid && item->kind == kind && item->is_tree == !!commit &&
			!strcmp(item->key, key) && (!commit || !strcmp(item->commit, commit)))
			return item;
	}
	return NULL;
}

struct git_item *git_store_add(
	struct git_store *st, uid_t uid, const char *key, int kind, const char *commit)
{
	struct git_item *item = st->n_items < ITEMS_MAX ? calloc(1, sizeof(*item)) : NULL;
	if (!item)
		return NULL;
	item->uid = uid;
	snprintf(item->key, sizeof(item->key), "%s", key);
	item->kind = kind;
	item->is_tree = commit != NULL;
	snprintf(item->commit, sizeof(item->commit), "%s", commit ? commit : "");
	item->used_ns = clock_real_ns();
	list_append(&st->items, &item->link);
	st->n_items++;
	return item;
}

/* ---- the start ---- */

static int fault(struct git_store *st, const char *what, int errnum)
{
	snprintf(st->why, sizeof(st->why), "%.120s: %s", what, strerror(errnum));
	return -errnum;
}

/* In a directory that others may write to, such as /var/tmp, only if it is ours. */
static int open_own(int dirfd, const char *name)
{
	struct stat s;
	if (mkdirat(dirfd, name, 0700) < 0 && errno != EEXIST)
		return -errno;
	auto_close int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &s) < 0)
		return -errno;
	if (s.st_uid != geteuid() || (s.st_mode & 077))
		return -EPERM;
	return fd_take(&fd);
}

static int open_folder(struct git_store *st, const char *dir)
{
	char folder[32];
	snprintf(folder, sizeof(folder), "dayfly-%u.git", (unsigned)geteuid());
	auto_close int top = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (top < 0)
		return fault(st, dir, errno);
	st->fd = open_own(top, folder);
	if (st->fd < 0)
		return fault(st, folder, -st->fd);
	st->lock_fd = openat(st->fd, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (st->lock_fd < 0 || flock(st->lock_fd, LOCK_EX | LOCK_NB) < 0)
		return fault(st,
			errno == EWOULDBLOCK ? "another daemon has the repositories" : "lock",
			errno);
	st->trash_fd = open_own(st->fd, "trash");
	if (st->trash_fd < 0)
		return fault(st, "trash", -st->trash_fd);
	if (asprintf(&st->path, "%s/%s", dir, folder) < 0) {
		st->path = NULL;
		return fault(st, "path", ENOMEM);
	}
	return 0;
}

static void read_boot(struct git_store *st)
{
	auto_free char *text = NULL;
	if (fd_read_file(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 64, &text) > 0)
		snprintf(st->boot, sizeof(st->boot), "%.*s", (int)strcspn(text, "\n"), text);
}

void git_store_init(struct git_store *st, uv_loop_t *loop, const char *dir, bool makes_dirs)
{
	*st = (struct git_store){ .loop = loop,
		.dir = dir,
		.makes_dirs = makes_dirs,
		.fd = -1,
		.lock_fd = -1,
		.trash_fd = -1 };
	list_init(&st->items);
	read_boot(st);
}

int git_store_open(struct git_store *st)
{
	if (st->path)
		return 0;
	if (!st->dir) {
		snprintf(st->why, sizeof(st->why), "it has no state directory");
		return -ENOENT;
	}
	if (st->makes_dirs)
		dir_make_all(st->dir);
	int r = open_folder(st, st->dir);
	if (r < 0) {
		fd_close(&st->trash_fd);
		fd_close(&st->lock_fd);
		fd_close(&st->fd);
		return r;
	}
	/* So that no name of the trash is there. */
	st->n_trash = clock_real_ns();
	git_store_scan(st);
	start_removing(st);
	return 0;
}

void git_store_finish(struct git_store *st)
{
	st->is_stopping = true;
	while (st->is_removing)
		uv_run(st->loop, UV_RUN_ONCE);
	list_for_each_safe (pos, &st->items)
		free_item(st, list_entry(pos, struct git_item, link));
	fd_close(&st->trash_fd);
	fd_close(&st->lock_fd);
	fd_close(&st->fd);
	free(st->path);
	st->path = NULL;
}

/* ---- use ---- */

static int make_parents(struct git_store *st, uid_t uid, const char *key)
{
	char path[PATH_SIZE];
	snprintf(path, sizeof(path), "%u", (unsigned)uid);
	if (mkdirat(st->fd, path, 0700) < 0 && errno != EEXIST)
		return -errno;
	snprintf(path, sizeof(path), FOLDER_FMT, (unsigned)uid, key);
	return mkdirat(st->fd, path, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

static void note_use(struct git_store *st, struct git_item *item)
{
	char path[PATH_SIZE + 4];
	item->used_ns = clock_real_ns();
	git_store_item_path(item, path);
	/* For the next daemon; of a tree not the folder itself, whose time tells that it is whole.
	 */
	if (item->is_tree)
		memcpy(path + strlen(path), ".ok", 4);
	utimensat(st->fd, path, NULL, AT_SYMLINK_NOFOLLOW);
}

int git_store_open_mirror(
	struct git_store *st, uid_t uid, const char *key, int kind, struct git_item **ret)
{
	char path[PATH_SIZE];
	struct git_item *item = find(st, uid, key, kind, NULL);
	int r = make_parents(st, uid, key);
	if (r < 0)
		return r;
	if (!item)
		item = git_store_add(st, uid, key, kind, NULL);
	if (!item)
		return -ENOMEM;
	git_store_item_path(item, path);
	if (mkdirat(st->fd, path, 0700) < 0 && errno != EEXIST)
		return -errno;
	int fd = openat(st->fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	item->refs++;
	note_use(st, item);
	*ret = item;
	return fd;
}

int git_store_open_new(struct git_store *st, uid_t uid, const char *key)
{
	char path[PATH_SIZE];
	git_store_path(uid, key, "new", path);
	git_store_throw_away(st, path);
	if (mkdirat(st->fd, path, 0755) < 0)
		return -errno;
	int fd = openat(st->fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	/* Whatever our umask is: others in the jail may look. */
	if (fd >= 0)
		fchmod(fd, 0755);
	return fd < 0 ? -errno : fd;
}

void git_store_drop_new(struct git_store *st, uid_t uid, const char *key)
{
	char path[PATH_SIZE];
	git_store_path(uid, key, "new", path);
	git_store_throw_away(st, path);
}

int git_store_publish(struct git_store *st, uid_t uid, const char *key, int kind,
	const char *commit, uint64_t bytes, uint64_t submodules)
{
	char from[PATH_SIZE], to[PATH_SIZE];
	struct git_item *item = find(st, uid, key, kind, commit);
	if (!item)
		item = git_store_add(st, uid, key, kind, commit);
	if (!item)
		return -ENOMEM;
	item->bytes = bytes;
	item->submodules = submodules;
	git_store_item_path(item, to);
	git_store_path(uid, key, "new", from);
	auto_close int fd = openat(st->fd, from, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int r = fd < 0 ? -errno : 0;
	if (r == 0)
		git_store_throw_away(st, to); /* one without its .ok */
	if (r == 0 && renameat(st->fd, from, st->fd, to) < 0)
		r = -errno;
	if (r == 0)
		r = git_store_write_ok(st, to, item, fd);
	if (r < 0)
		drop_item(st, item);
	return r;
}

int git_store_open_tree(struct git_store *st, uid_t uid, const char *key, int kind,
	const char *commit, struct git_item **ret)
{
	char path[PATH_SIZE];
	struct git_item said;
	int fd = -1;
	struct git_item *item = find(st, uid, key, kind, commit);
	if (!item)
		return -ENOENT;
	git_store_item_path(item, path);
	if (!git_store_check_ok(st, path, &said, &fd)) {
		log_warning(
			"git: the tree %s is not as it was checked out: it is made again", path);
		if (!item->refs)
			drop_item(st, item);
		return -ENOENT;
	}
	item->refs++;
	note_use(st, item);
	*ret = item;
	/* What is new may be too much; this one stays. */
	git_store_shrink(st);
	return fd;
}

void git_store_release(struct git_store *st, struct git_item *item)
{
	if (!item)
		return;
	item->refs--;
	git_store_shrink(st);
}
