/* Writing changes back: see apply.h. */
#include "cli/apply.h"

#include "base/beneath.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fd.h"
#include "cli/place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What was at the place of an entry when it was checked. */
struct seen {
	bool is_good, is_there;
	ino_t ino;
	off_t size;
	struct timespec mtime;
};

static bool is_newer(const struct stat *st, uint64_t base_ns)
{
	/* Not by the time of the content, which anybody can set back. */
	return (uint64_t)st->st_ctim.tv_sec * NS_PER_S + (uint64_t)st->st_ctim.tv_nsec > base_ns;
}

/* Whether the directory that it lies in is one that the task made. */
static bool is_parent_new(const struct change_tar *tar, const char *path)
{
	const char *slash = strrchr(path, '/');
	auto_free char *parent = slash ? strndup(path, (size_t)(slash - path)) : NULL;
	return parent && change_tar_has(tar, parent, CHANGE_TAR_DIRECTORY);
}

/* Why something that is there must not make room for this, or NULL. */
static const char *why_not_replace(const struct apply *a, const struct change_tar *tar,
	const struct change_tar_entry *c, const struct stat *st)
{
	bool was_deleted = change_tar_has(tar, c->path, CHANGE_TAR_DELETED);
	if (S_ISDIR(st->st_mode))
		return c->type == CHANGE_TAR_DIRECTORY || was_deleted
			       ? NULL
			       : "a directory has come in its place";
	if (is_newer(st, a->base_ns))
		return "it was changed meanwhile";
	if (was_deleted || (c->replaces && c->type != CHANGE_TAR_DIRECTORY))
		return NULL;
	return "something has come in its place";
}

/* Why a change cannot be made to the tree as it is, or NULL. *st is filled where something is
 * there. */
static const char *look(const struct apply *a, const struct change_tar *tar,
	const struct change_tar_entry *c, bool *ret_is_there, struct stat *st)
{
	const char *name;
	auto_close int dir = beneath_open_parent(a->root_fd, c->path, &name);
	*ret_is_there = false;
	if (dir < 0 && is_parent_new(tar, c->path))
		return NULL;
	if (dir < 0 && c->type == CHANGE_TAR_DELETED)
		return dir == -ENOENT ? NULL : "its directory was replaced meanwhile";
	if (dir < 0)
		return dir == -ENOENT ? "its directory was deleted meanwhile"
				      : "its directory was replaced meanwhile";
	*ret_is_there = fstatat(dir, name, st, AT_SYMLINK_NOFOLLOW) == 0;
	if (!*ret_is_there)
		return c->replaces ? "it was deleted meanwhile" : NULL;
	return why_not_replace(a, tar, c, st);
}

static void refuse(struct apply *a, const struct change_tar_entry *c, const char *why)
{
	a->n_refused++;
	if (a->refused)
		a->refused(a->owner, c->path, why);
}

int apply_check(struct apply *a, const struct change_tar *tar)
{
	a->n_refused = a->git_entries = 0;
	for (size_t i = 0; i < tar->n; i++) {
		struct stat st;
		bool is_there;
		const struct change_tar_entry *c = &tar->entries[i];
		if (change_tar_is_git(c)) {
			a->git_entries += c->type != CHANGE_TAR_DIRECTORY;
			continue;
		}
		const char *why = look(a, tar, c, &is_there, &st);
		if (why)
			refuse(a, c, why);
	}
	return 0;
}

/* ---- writing ---- */

static int write_directory(int dir, const char *name, const struct change_tar_entry *c)
{
	if (mkdirat(dir, name, 0700) == 0 || errno == EEXIST)
		return 0;
	return -errno;
}

static int delete_one(int dir, const char *name, const struct stat *st)
{
	bool is_dir = S_ISDIR(st->st_mode);
	if (unlinkat(dir, name, is_dir ? AT_REMOVEDIR : 0) == 0 || errno == ENOENT)
		return 0;
	return -errno;
}

static int write_entry(const struct change_tar *tar, int dir, const char *name,
	const struct change_tar_entry *c, const struct stat *old)
{
	const struct place_content content = { .fd = tar->fd,
		.at = c->at,
		.bytes = c->bytes,
		.mode = c->mode,
		.mtime = c->mtime };
	switch (c->type) {
	case CHANGE_TAR_DELETED:
		return old ? delete_one(dir, name, old) : 0;
	case CHANGE_TAR_DIRECTORY:
		return write_directory(dir, name, c);
	case CHANGE_TAR_LINK:
		return place_link(dir, name, c->link, old);
	case CHANGE_TAR_FILE:
		return place_file(dir, name, &content, old);
	}
	return -EINVAL;
}

static const char *why_failed(int r)
{
	return r == -ENOTEMPTY || r == -EEXIST ? "something has come there meanwhile" : strerror(-r);
}

static void write_one(struct apply *a, const struct change_tar *tar, const struct change_tar_entry *c)
{
	const char *name;
	struct stat st;
	bool is_there;
	const char *why = look(a, tar, c, &is_there, &st);
	if (why) {
		refuse(a, c, why);
		return;
	}
	auto_close int dir = beneath_open_parent(a->root_fd, c->path, &name);
	/* What lay in a directory that is gone is gone too. */
	int r = dir < 0 ? (c->type == CHANGE_TAR_DELETED ? 0 : dir)
			: write_entry(tar, dir, name, c, is_there ? &st : NULL);
	if (r < 0)
		refuse(a, c, why_failed(r));
	else if (c->type == CHANGE_TAR_DELETED)
		a->deleted += is_there && !S_ISDIR(st.st_mode);
	else
		a->written += c->type != CHANGE_TAR_DIRECTORY;
}

/* Last, and from the deepest up: one may forbid writing into it. */
static void set_modes(struct apply *a, const struct change_tar *tar)
{
	for (size_t i = tar->n; i-- > 0;) {
		const char *name;
		const struct change_tar_entry *c = &tar->entries[i];
		if (c->type != CHANGE_TAR_DIRECTORY || change_tar_is_git(c))
			continue;
		auto_close int dir = beneath_open_parent(a->root_fd, c->path, &name);
		auto_close int fd =
			dir < 0 ? dir : beneath_open(dir, name, O_RDONLY | O_DIRECTORY);
		if (fd >= 0 && fchmod(fd, c->mode) < 0)
			refuse(a, c, strerror(errno));
	}
}

int apply_write(struct apply *a, const struct change_tar *tar)
{
	a->n_refused = a->written = a->deleted = 0;
	for (size_t i = 0; i < tar->n; i++)
		if (!change_tar_is_git(&tar->entries[i]))
			write_one(a, tar, &tar->entries[i]);
	set_modes(a, tar);
	return a->n_refused ? -EBUSY : 0;
}
