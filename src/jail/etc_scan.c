/* Which paths below /etc are hidden from a jail: see etc.h. Runs in the warden. */
#include "jail/etc.h"

#include "base/cleanup.h"
#include "base/dir.h"
#include "base/fd.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#define SCAN_MAX_DEPTH	 32
#define SCAN_MAX_ENTRIES 100000
#define SCAN_EVENTS                                                                                \
	(IN_ATTRIB | IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_DELETE_SELF |        \
		IN_MOVE_SELF | IN_CLOSE_WRITE)

struct walk {
	struct etc_scan *scan;
	size_t entries;
	char path[4096]; /* relative to /etc, "" at the top */
};

void etc_scan_init(struct etc_scan *s)
{
	s->masks = NULL;
	s->inotify_fd = -1;
}

void etc_scan_finish(struct etc_scan *s)
{
	strv_free(s->masks);
	fd_close(&s->inotify_fd);
	s->masks = NULL;
}

static bool is_hidden(const struct stat *st)
{
	switch (st->st_mode & S_IFMT) {
	case S_IFLNK:
		return false;
	case S_IFREG:
		return !(st->st_mode & S_IROTH);
	case S_IFDIR:
		return (st->st_mode & (S_IROTH | S_IXOTH)) != (S_IROTH | S_IXOTH);
	default:
		return true;
	}
}

static int walk_dir(struct walk *w, int dirfd, int depth);

static int walk_entry(struct walk *w, int dirfd, const char *name, int depth)
{
	struct stat st;
	if (++w->entries > SCAN_MAX_ENTRIES)
		return -EMFILE;
	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	size_t len = strlen(w->path);
	int n = snprintf(w->path + len, sizeof(w->path) - len, "%s%s", len ? "/" : "", name);
	if (n < 0 || (size_t)n >= sizeof(w->path) - len)
		return -ENAMETOOLONG;
	int r = 0;
	if (is_hidden(&st)) {
		r = strv_add(&w->scan->masks, w->path);
	} else if (S_ISDIR(st.st_mode)) {
		auto_close int fd = dir_open(dirfd, name);
		if (fd >= 0)
			r = walk_dir(w, fd, depth + 1);
		else /* Whatever we cannot look into, nobody in a jail shall. */
			r = strv_add(&w->scan->masks, w->path);
	}
	w->path[len] = '\0';
	return r;
}

static int walk_dir(struct walk *w, int dirfd, int depth)
{
	if (depth > SCAN_MAX_DEPTH)
		return -ELOOP;
	if (w->scan->inotify_fd >= 0) {
		char full[sizeof(w->path) + 8];
		snprintf(full, sizeof(full), "/etc/%s", w->path);
		/* The watch comes before the reading: a change in between is then seen as an event.
		 */
		if (inotify_add_watch(w->scan->inotify_fd, full,
			    SCAN_EVENTS | IN_ONLYDIR | IN_DONT_FOLLOW) < 0)
			fd_close(&w->scan->inotify_fd);
	}
	auto_closedir DIR *d = dir_list(dirfd);
	if (!d)
		return -errno;
	struct dirent *entry;
	while ((entry = dir_next(d))) {
		int r = walk_entry(w, dirfd, entry->d_name, depth);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Whether anything has happened since the last walk. Empties the queue. */
static bool has_changed(struct etc_scan *s)
{
	char events[4096];
	bool changed = false;
	while (read(s->inotify_fd, events, sizeof(events)) > 0)
		changed = true;
	return changed;
}

int etc_scan_refresh(struct etc_scan *s, struct err *e)
{
	if (s->masks && s->inotify_fd >= 0 && !has_changed(s))
		return 0;
	fd_close(&s->inotify_fd);
	s->generation++;
	strv_free(s->masks);
	s->masks = calloc(1, sizeof(char *));
	if (!s->masks)
		return err_set(e, ERR_INTERNAL, ENOMEM, "scan /etc");
	s->inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);

	auto_free struct walk *w = calloc(1, sizeof(*w));
	auto_close int fd = open("/etc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = !w ? -ENOMEM : fd < 0 ? -errno : 0;
	if (r == 0) {
		w->scan = s;
		r = walk_dir(w, fd, 0);
	}
	if (r < 0) {
		/* A list that is not complete must not be used. */
		etc_scan_finish(s);
		return err_set(e, ERR_SETUP, -r, "list what is not world-readable in /etc");
	}
	return 0;
}
