/* Finding artifacts: see artifacts.h. */
#include "jail/artifacts.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/dir.h"
#include "base/fd.h"
#include "base/glob.h"
#include "base/limits.h"
#include "jail/changes.h"
#include "jail/sys.h"
#include "jail/where.h"
#include "plan/artifact_list.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define ENTRIES_MAX 2000000

struct walk {
	const struct artifacts_walk *in;
	struct artifacts *a;
	bool is_absolute; /* of the root of the jail, and of patterns that begin there */
	uint32_t met;	  /* bits by pattern: something was taken */
	uint32_t failed;  /* something was not */
	uint32_t counts[LIMIT_ARTIFACT_GLOBS];
	struct stat secrets; /* the directory of them; st_ino 0: there is none */
	uint64_t entries;
	int depth;
	struct where at;
};

void artifacts_init(struct artifacts *a)
{
	*a = (struct artifacts){ 0 };
	buf_init(&a->list, LIMIT_ARTIFACT_LIST_BYTES);
}

void artifacts_finish(struct artifacts *a)
{
	buf_finish(&a->list);
}

/* ---- patterns ---- */

static uint32_t ask_patterns(const struct walk *w, bool (*fits)(const char *, const char *))
{
	const struct plan *p = w->in->plan;
	uint32_t bits = 0;
	for (size_t i = 0; i < p->n_artifacts; i++) {
		const char *glob = p->artifacts[i].glob;
		bool is_absolute = glob[0] == '/';
		if (is_absolute == w->is_absolute && fits(glob + is_absolute, w->at.path))
			bits |= 1u << i;
	}
	return bits;
}

/* The least that one of the patterns allows. */
static uint64_t most_bytes(const struct walk *w, uint32_t globs)
{
	const struct plan *p = w->in->plan;
	uint64_t most = p->artifacts_bytes - w->a->bytes;
	for (size_t i = 0; i < p->n_artifacts; i++)
		if (globs & 1u << i && p->artifacts[i].bytes < most)
			most = p->artifacts[i].bytes;
	return most;
}

static bool may_be_more(const struct walk *w, uint32_t globs)
{
	const struct plan *p = w->in->plan;
	bool may = w->a->count < p->artifacts_count;
	for (size_t i = 0; i < p->n_artifacts; i++)
		if (globs & 1u << i)
			may = may && w->counts[i] < p->artifacts[i].count;
	return may;
}

static void note_taken(struct walk *w, uint32_t globs, uint64_t bytes)
{
	w->met |= globs;
	w->a->count++;
	w->a->bytes += bytes;
	for (size_t i = 0; i < LIMIT_ARTIFACT_GLOBS; i++)
		w->counts[i] += globs >> i & 1;
}

/* ---- one file ---- */

static enum artifact_error why_not_open(int r)
{
	return r == -ENXIO || r == -ELOOP ? ARTIFACT_NOT_REGULAR : ARTIFACT_UNREADABLE;
}

/* Reads it into the tar. Returns 0 or -errno, which ends all. */
static int read_file(struct walk *w, uint32_t globs, int fd, struct artifact_item *item)
{
	struct stat st;
	if (fstat(fd, &st) < 0 || st.st_size < 0)
		return -EIO;
	struct archive_file f = {
		.fd = fd,
		.path = w->at.path,
		.mode = st.st_mode,
		.size = (uint64_t)st.st_size,
		.mtime = st.st_mtime > 0 ? (uint64_t)st.st_mtime : 0,
	};
	item->mode = st.st_mode & 0777;
	item->bytes = f.size;
	item->error = ARTIFACT_TOO_LARGE;
	if (f.size > most_bytes(w, globs))
		return 0;
	int r = archive_add_file(w->in->archive, &f);
	if (r < 0)
		return r == -ENODATA ? 0 : r;
	item->error = f.is_whole ? ARTIFACT_OK : ARTIFACT_CHANGED;
	item->offset = f.is_whole ? f.offset : 0;
	if (f.is_whole)
		memcpy(item->sha256, f.sha256, sizeof(item->sha256));
	return 0;
}

/* Every file has its place in the list before it is read: what has none is not taken. */
static bool has_place(struct walk *w, const struct artifact_item *item)
{
	size_t len = buf_len(&w->a->list);
	if (artifact_list_put(&w->a->list, item) < 0)
		return false;
	w->a->list.end -= buf_len(&w->a->list) - len;
	return true;
}

static int take(struct walk *w, uint32_t globs, int dirfd, const char *name)
{
	char path[LIMIT_PATH_BYTES + 1];
	snprintf(path, sizeof(path), "%s%s", w->is_absolute ? "/" : "", w->at.path);
	struct artifact_item item = { .path = path };
	if (strlen(path) >= LIMIT_PATH_BYTES || !may_be_more(w, globs) || !has_place(w, &item)) {
		w->a->is_cut = true;
		w->failed |= globs;
		return 0;
	}
	auto_close int fd = changes_open_any_file(dirfd, name, 0);
	int r = 0;
	if (fd < 0)
		item.error = why_not_open(fd);
	else
		r = read_file(w, globs, fd, &item);
	if (r < 0)
		return r;
	if (item.error == ARTIFACT_OK)
		note_taken(w, globs, item.bytes);
	else
		w->failed |= globs;
	return artifact_list_put(&w->a->list, &item);
}

/* ---- walking ---- */

/* The kernel's own files and the secrets: jail init could read more of the first than a task. */
static bool is_off_limits(const struct walk *w, int fd)
{
	struct statfs fs;
	struct stat st;
	if (fstatfs(fd, &fs) < 0 || fstat(fd, &st) < 0)
		return true;
	switch ((unsigned long)fs.f_type) {
	case PROC_SUPER_MAGIC:
	case SYSFS_MAGIC:
	case DEVPTS_SUPER_MAGIC:
	case CGROUP_SUPER_MAGIC:
	case CGROUP2_SUPER_MAGIC:
		return true;
	default:
		return w->secrets.st_ino && st.st_ino == w->secrets.st_ino &&
		       st.st_dev == w->secrets.st_dev;
	}
}

/* What says nothing of the directory. */
static bool is_shortage(int errnum)
{
	return errnum == EMFILE || errnum == ENFILE || errnum == ENOMEM;
}

static int walk_dir(struct walk *w, int dirfd, uint32_t globs);

static int enter_dir(struct walk *w, int dirfd, const char *name, uint32_t globs)
{
	auto_close int fd = changes_open_dir(dirfd, name, 0);
	if (is_shortage(-fd))
		return fd;
	if (fd >= 0 && w->depth < CHANGES_MAX_DEPTH && !is_off_limits(w, fd))
		return walk_dir(w, fd, globs);
	w->failed |= globs;
	return 0;
}

/* globs: those that the directory matches, and so all that is in it. */
static int walk_entry(struct walk *w, int dirfd, const char *name, uint32_t globs)
{
	struct stat st;
	globs |= ask_patterns(w, glob_matches);
	if (!globs && !ask_patterns(w, glob_may_lead))
		return 0;
	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		/* It may have gone, where others can do that. */
		w->failed |= errno == ENOENT ? 0 : globs;
		return 0;
	}
	if (S_ISDIR(st.st_mode))
		return enter_dir(w, dirfd, name, globs);
	return globs ? take(w, globs, dirfd, name) : 0;
}

static int walk_dir(struct walk *w, int dirfd, uint32_t globs)
{
	auto_closedir DIR *d = dir_list(dirfd);
	if (!d && is_shortage(errno))
		return -errno;
	/* It may be read but not entered. */
	w->failed |= d ? 0 : globs;
	struct dirent *entry;
	int r = 0;
	w->depth++;
	while (d && r == 0 && (entry = dir_next(d))) {
		size_t before;
		if (++w->entries > ENTRIES_MAX)
			r = -E2BIG;
		else if (clock_mono_ns() > w->in->until_ns)
			r = -ETIME;
		else if (!where_enter(&w->at, entry->d_name, &before))
			w->failed |= globs;
		else {
			r = walk_entry(w, dirfd, entry->d_name, globs);
			where_leave(&w->at, before);
		}
	}
	w->depth--;
	return r;
}

static bool has_patterns(const struct plan *p, bool is_absolute)
{
	bool has = false;
	for (size_t i = 0; i < p->n_artifacts; i++)
		has = has || (p->artifacts[i].glob[0] == '/') == is_absolute;
	return has;
}

static int walk_from(struct walk *w, bool is_absolute, const char *path)
{
	w->is_absolute = is_absolute;
	w->at = (struct where){ 0 };
	if (!has_patterns(w->in->plan, is_absolute))
		return 0;
	/* Links in the way lead to somewhere in the jail. */
	auto_close int fd = sys_openat2(w->in->root_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0,
		RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
	/* What the task has removed, or may not list: nothing is there. */
	return fd < 0 || is_off_limits(w, fd) ? 0 : walk_dir(w, fd, 0);
}

int artifacts_collect(const struct artifacts_walk *in, struct artifacts *a)
{
	struct walk w = { .in = in, .a = a };
	if (fstatat(in->root_fd, &PLAN_SECRETS_DIR[1], &w.secrets, AT_SYMLINK_NOFOLLOW) < 0)
		w.secrets.st_ino = 0;
	int r = walk_from(&w, false, in->cwd);
	if (r == 0)
		r = walk_from(&w, true, "/");
	for (size_t i = 0; i < in->plan->n_artifacts; i++)
		if (r < 0 || w.failed & 1u << i || !(w.met & 1u << i))
			a->unmet |= 1u << i;
	return r;
}
