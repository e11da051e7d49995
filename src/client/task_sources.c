/*
 * What a task is shown of the host: its workspace, mounts and tars. Directories and files are
 * opened at once.
 */
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/str.h"
#include "client/client_priv.h"
#include "client/error.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char *const mode_names[] = {
	[DAYFLY_MODE_COW] = "cow",
	[DAYFLY_MODE_RO] = "ro",
	[DAYFLY_MODE_RW] = "rw",
};

static void source_finish(struct source *s)
{
	fd_close(&s->fd);
	free(s->path);
	free(s->target);
	*s = (struct source){ .fd = -1 };
}

/* Whether a path that ends as those of removed files do leads to what was opened: a name may end
 * so. */
static bool leads_to(const char *path, int fd)
{
	struct stat there, ours;
	return stat(path, &there) == 0 && fstat(fd, &ours) == 0 && there.st_dev == ours.st_dev &&
	       there.st_ino == ours.st_ino;
}

/*
 * The absolute path of what was opened: it is what the task will see. NULL where it has none
 * (removed, or outside our root), or where /proc is not mounted and the path given does not
 * resolve.
 */
static char *path_of_fd(int fd, const char *given)
{
	char link[32], path[PATH_MAX];
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, path, sizeof(path));
	if (n < 0)
		return realpath(given, NULL);
	static const char gone[] = " (deleted)";
	size_t tail = sizeof(gone) - 1;
	if ((size_t)n >= sizeof(path) || path[0] != '/')
		return NULL;
	path[n] = '\0';
	if ((size_t)n > tail && !strcmp(path + n - tail, gone) && !leads_to(path, fd))
		return NULL;
	return strdup(path);
}

/*
 * A real open, not O_PATH, wherever there is something to read: it proves that the caller may read
 * it. Never waits (fifo), never becomes a controlling terminal. Sockets and devices can only be
 * named.
 */
static int open_source(const char *path, bool is_directory)
{
	int flags = O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
	struct stat st;
	if (!is_directory && stat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
		flags |= O_PATH;
	int fd = open(path, flags | O_RDONLY | (is_directory ? O_DIRECTORY : 0));
	return fd < 0 ? -errno : fd;
}

static int source_open(struct source *s, const char *path, const char *target,
	enum dayfly_mode mode, bool is_directory, struct dayfly_error *e)
{
	if (!path || (unsigned)mode >= ARRAY_SIZE(mode_names))
		return error_text(e, ERR_BAD_VALUE, EINVAL, "no path, or no such mode");
	if (target && check_text(target) < 0)
		return error_text(e, ERR_BAD_VALUE, EILSEQ, "the target of %s is not UTF-8", path);
	s->mode = mode;
	s->fd = open_source(path, is_directory);
	if (s->fd < 0) {
		int errnum = -s->fd;
		s->fd = -1;
		return error_set(e, ERR_SOURCE, errnum, "open %s", path);
	}
	s->path = path_of_fd(s->fd, path);
	if (s->path && check_text(s->path) < 0) {
		free(s->path);
		s->path = NULL;
	}
	if (target && !(s->target = strdup(target)))
		return error_set(e, ERR_INTERNAL, ENOMEM, "show %s", path);
	return 0;
}

int dayfly_task_set_workspace(struct dayfly_task *t, const char *path, const char *target,
	enum dayfly_mode mode, struct dayfly_error *e)
{
	struct source s = { .fd = -1 };
	int r = source_open(&s, path, target, mode, true, e);
	if (r < 0) {
		source_finish(&s);
		return r;
	}
	source_finish(&t->workspace);
	t->workspace = s;
	t->has_workspace = true;
	return 0;
}

/* There may be many of them: room is made in doubling steps. */
static int append_hidden(struct dayfly_task *t, const char *path)
{
	size_t n = t->n_hidden;
	if ((n & (n - 1)) == 0) {
		char **more = realloc(t->hidden, (n * 2 + 2) * sizeof(*more));
		if (!more)
			return -ENOMEM;
		t->hidden = more;
	}
	t->hidden[n] = strdup(path);
	t->hidden[n + 1] = NULL;
	if (!t->hidden[n])
		return -ENOMEM;
	t->n_hidden++;
	return 0;
}

int dayfly_task_hide(struct dayfly_task *t, const char *path)
{
	int r = check_text(path);
	size_t len = r < 0 ? 0 : strlen(path) + 1;
	if (r == 0 && (t->n_hidden == LIMIT_HIDDEN || len > LIMIT_HIDDEN_BYTES - t->hidden_bytes))
		r = -E2BIG;
	if (r == 0)
		r = append_hidden(t, path);
	t->hidden_bytes += r == 0 ? len : 0;
	return r;
}

int dayfly_task_add_mount(struct dayfly_task *t, const char *path, const char *target,
	enum dayfly_mode mode, struct dayfly_error *e)
{
	struct source s = { .fd = -1 };
	if (t->n_mounts == LIMIT_MOUNTS)
		return error_text(e, ERR_TOO_LARGE, E2BIG, "more than %d mounts", LIMIT_MOUNTS);
	int r = source_open(&s, path, target, mode, false, e);
	if (r < 0) {
		source_finish(&s);
		return r;
	}
	t->mounts[t->n_mounts++] = s;
	return 0;
}

int dayfly_task_add_tar(struct dayfly_task *t, int fd, const char *target, struct dayfly_error *e)
{
	struct source s = { .fd = -1 };
	if (t->n_tars == LIMIT_TARS)
		return error_text(e, ERR_TOO_LARGE, E2BIG, "more than %d tars", LIMIT_TARS);
	if (target && check_text(target) < 0)
		return error_text(e, ERR_BAD_VALUE, EILSEQ, "the target of a tar is not UTF-8");
	if (fd >= 0 && (s.fd = fcntl(fd, F_DUPFD_CLOEXEC, 3)) < 0)
		return error_set(e, ERR_SOURCE, errno, "keep the descriptor of a tar");
	if (target && !(s.target = strdup(target))) {
		source_finish(&s);
		return error_set(e, ERR_INTERNAL, ENOMEM, "add a tar");
	}
	t->tars[t->n_tars++] = s;
	return 0;
}

void task_finish_sources(struct dayfly_task *t)
{
	for (size_t i = 0; i < t->n_mounts; i++)
		source_finish(&t->mounts[i]);
	for (size_t i = 0; i < t->n_tars; i++)
		source_finish(&t->tars[i]);
	source_finish(&t->workspace);
	strv_free(t->hidden);
}

static json_t *source_to_json(const struct source *s, int fds[LIMIT_REQUEST_FDS], size_t *n_fds)
{
	json_t *object = json_object();
	int r = member_set_fd(object, "fd", s->fd, fds, n_fds);
	if (r == 0)
		r = member_set(object, "mode", json_string(mode_names[s->mode]));
	if (r == 0 && s->path)
		r = member_set(object, "path", json_string(s->path));
	if (r == 0 && s->target)
		r = member_set(object, "target", json_string(s->target));
	if (r == 0)
		return object;
	json_decref(object);
	return NULL;
}

static json_t *hidden_to_json(const struct dayfly_task *t)
{
	json_t *list = json_array();
	for (size_t i = 0; list && i < t->n_hidden; i++) {
		if (json_array_append_new(list, json_string(t->hidden[i])) == 0)
			continue;
		json_decref(list);
		list = NULL;
	}
	return list;
}

static json_t *workspace_to_json(
	const struct dayfly_task *t, int fds[LIMIT_REQUEST_FDS], size_t *n_fds)
{
	json_t *object = source_to_json(&t->workspace, fds, n_fds);
	if (!object || !t->n_hidden || member_set(object, "hide", hidden_to_json(t)) == 0)
		return object;
	json_decref(object);
	return NULL;
}

static json_t *mounts_to_json(
	const struct dayfly_task *t, int fds[LIMIT_REQUEST_FDS], size_t *n_fds)
{
	json_t *list = json_array();
	for (size_t i = 0; list && i < t->n_mounts; i++) {
		if (json_array_append_new(list, source_to_json(&t->mounts[i], fds, n_fds)) == 0)
			continue;
		json_decref(list);
		list = NULL;
	}
	return list;
}

static json_t *tars_to_json(const struct dayfly_task *t, int fds[LIMIT_REQUEST_FDS], size_t *n_fds)
{
	json_t *list = json_array();
	int r = 0;
	for (size_t i = 0; r == 0 && i < t->n_tars; i++) {
		const struct source *s = &t->tars[i];
		json_t *object = json_object();
		if (s->fd >= 0)
			r = member_set_fd(object, "fd", s->fd, fds, n_fds);
		if (r == 0 && s->target)
			r = member_set(object, "target", json_string(s->target));
		if (json_array_append_new(list, object) < 0)
			r = -ENOMEM;
	}
	if (r == 0)
		return list;
	json_decref(list);
	return NULL;
}

int task_describe_sources(
	const struct dayfly_task *t, json_t *task, int fds[LIMIT_REQUEST_FDS], size_t *n_fds)
{
	int r = 0;
	if (t->has_workspace)
		r = member_set(task, "workspace", workspace_to_json(t, fds, n_fds));
	if (r == 0 && t->n_mounts)
		r = member_set(task, "mounts", mounts_to_json(t, fds, n_fds));
	if (r == 0 && t->n_tars)
		r = member_set(task, "tars", tars_to_json(t, fds, n_fds));
	return r;
}
