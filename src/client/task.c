/*
 * The description of a task: collected by the setters as the request's JSON, files opened at once.
 */
#include "base/base64.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/str.h"
#include "client/client_priv.h"
#include "client/error.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
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

struct dayfly_task *dayfly_task_new(void)
{
	struct dayfly_task *t = calloc(1, sizeof(*t));
	if (!t)
		return NULL;
	t->workspace.fd = t->git_agent_fd = t->upload_credentials_fd = t->changes_fd =
		t->artifacts_fd = -1;
	t->spec = json_object();
	if (!t->spec) {
		free(t);
		return NULL;
	}
	return t;
}

void dayfly_task_free(struct dayfly_task *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->n_mounts; i++)
		source_finish(&t->mounts[i]);
	for (size_t i = 0; i < t->n_tars; i++)
		source_finish(&t->tars[i]);
	source_finish(&t->workspace);
	strv_free(t->hidden);
	fd_close(&t->git_agent_fd);
	fd_close(&t->upload_credentials_fd);
	fd_close(&t->changes_fd);
	json_decref(t->changes);
	fd_close(&t->artifacts_fd);
	json_decref(t->artifacts);
	json_decref(t->upload);
	free(t->artifacts_timeout);
	json_decref(t->spec);
	free(t);
}

static int check_text(const char *text)
{
	if (!text)
		return -EINVAL;
	return str_is_utf8(text, strlen(text)) ? 0 : -EILSEQ;
}

static int set_member(json_t *object, const char *key, json_t *take_value)
{
	return json_object_set_new(object, key, take_value) < 0 ? -ENOMEM : 0;
}

static int set_text(json_t *object, const char *key, const char *text)
{
	int r = check_text(text);
	return r < 0 ? r : set_member(object, key, json_string(text));
}

/* The object or array `key` of the spec, made if it is not there. NULL when memory ran out. */
static json_t *spec_part(struct dayfly_task *t, const char *key, json_t *(*make)(void))
{
	json_t *part = json_object_get(t->spec, key);
	if (!part && json_object_set_new(t->spec, key, make()) == 0)
		part = json_object_get(t->spec, key);
	return part;
}

static int set_pair(struct dayfly_task *t, const char *part, const char *key, const char *value)
{
	int r = check_text(key);
	if (r < 0)
		return r;
	json_t *object = spec_part(t, part, json_object);
	return object ? set_text(object, key, value) : -ENOMEM;
}

int dayfly_task_set_argv(struct dayfly_task *t, const char *const *argv)
{
	if (!argv || !argv[0])
		return -EINVAL;
	json_t *array = json_array();
	int r = array ? 0 : -ENOMEM;
	for (size_t i = 0; r == 0 && argv[i]; i++) {
		r = check_text(argv[i]);
		if (r == 0 && json_array_append_new(array, json_string(argv[i])) < 0)
			r = -ENOMEM;
	}
	if (r < 0) {
		json_decref(array);
		return r;
	}
	return set_member(t->spec, "argv", array);
}

int dayfly_task_set_env(struct dayfly_task *t, const char *name, const char *value)
{
	return set_pair(t, "env", name, value);
}

int dayfly_task_set_cwd(struct dayfly_task *t, const char *path)
{
	return set_text(t->spec, "cwd", path);
}

int dayfly_task_set_priority(struct dayfly_task *t, int priority)
{
	return set_member(t->spec, "priority", json_integer(priority));
}

int dayfly_task_set_no_queue(struct dayfly_task *t, int is_refused)
{
	return set_member(t->spec, "queue", json_boolean(!is_refused));
}

int dayfly_task_set_concurrency(struct dayfly_task *t, const char *key, const char *mode)
{
	int r = set_pair(t, "concurrency", "key", key);
	return r < 0 ? r : set_pair(t, "concurrency", "mode", mode ? mode : "queue");
}

int dayfly_task_set_idempotency_key(struct dayfly_task *t, const char *key)
{
	return set_text(t->spec, "idempotency_key", key);
}

int dayfly_task_set_limit(struct dayfly_task *t, const char *name, const char *text)
{
	int r = check_text(name);
	if (r == 0)
		r = check_text(text);
	json_t *limits = r == 0 ? spec_part(t, "limits", json_object) : NULL;
	if (!limits)
		return r < 0 ? r : -ENOMEM;
	/* A plain number goes as one: counts are numbers in the protocol. */
	size_t len = strlen(text);
	if (len && len <= 18 && strspn(text, "0123456789") == len)
		return set_member(limits, name, json_integer(strtoll(text, NULL, 10)));
	return set_text(limits, name, text);
}

int dayfly_task_add_best_effort(struct dayfly_task *t, const char *limit)
{
	int r = check_text(limit);
	if (r < 0)
		return r;
	json_t *list = spec_part(t, "best_effort", json_array);
	return list && json_array_append_new(list, json_string(limit)) == 0 ? 0 : -ENOMEM;
}

/* Bytes as text where they are text, which is shorter. */
static int set_bytes(json_t *object, const void *data, size_t len)
{
	if (!memchr(data, '\0', len) && str_is_utf8(data, len))
		return set_member(object, "text", json_stringn(data, len));
	size_t size = base64_encoded_size(len);
	char *text = malloc(size);
	if (!text)
		return -ENOMEM;
	base64_encode(data, len, text);
	int r = set_member(object, "base64", json_stringn(text, size));
	explicit_bzero(text, size);
	free(text);
	return r;
}

static int add_input(struct dayfly_task *t, const char *list, json_t *take_object, const char *key,
	const char *name, const void *data, size_t len)
{
	int r = take_object ? set_text(take_object, key, name) : -ENOMEM;
	if (r == 0)
		r = set_bytes(take_object, data ? data : "", data ? len : 0);
	json_t *array = r == 0 ? spec_part(t, list, json_array) : NULL;
	if (array)
		return json_array_append_new(array, take_object) == 0 ? 0 : -ENOMEM;
	json_decref(take_object);
	return r < 0 ? r : -ENOMEM;
}

int dayfly_task_add_file(
	struct dayfly_task *t, const char *path, const void *data, size_t len, unsigned mode)
{
	char text[16];
	if (mode > 0777)
		return -EINVAL;
	snprintf(text, sizeof(text), "%04o", mode);
	return add_input(t, "files", json_pack("{s:s}", "mode", text), "path", path, data, len);
}

int dayfly_task_add_secret(struct dayfly_task *t, const char *name, const void *data, size_t len)
{
	return add_input(t, "secrets", json_object(), "name", name, data, len);
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

/* A list of words of a text with commas. NULL when memory ran out. */
static json_t *words_of(const char *text)
{
	json_t *list = json_array();
	for (const char *p = text; list && *p;) {
		size_t len = strcspn(p, ",");
		if (json_array_append_new(list, json_stringn(p, len)) < 0) {
			json_decref(list);
			return NULL;
		}
		p += len + (p[len] == ',');
	}
	return list;
}

int dayfly_task_add_webhook(struct dayfly_task *t, const char *url, const char *events)
{
	int r = check_text(url);
	if (r == 0 && events)
		r = check_text(events);
	if (r < 0)
		return r;
	json_t *list = spec_part(t, "webhooks", json_array);
	json_t *hook = json_pack("{s:s}", "url", url);
	if (hook && events)
		r = set_member(hook, "events", words_of(events));
	if (!list || !hook || r < 0) {
		json_decref(hook);
		return -ENOMEM;
	}
	return json_array_append_new(list, hook) == 0 ? 0 : -ENOMEM;
}

int dayfly_task_set_network(struct dayfly_task *t, const char *network)
{
	return set_text(t->spec, "network", network);
}

int dayfly_task_set_profile(struct dayfly_task *t, const char *profile)
{
	return set_text(t->spec, "profile", profile);
}

int dayfly_task_set_user(struct dayfly_task *t, const char *user)
{
	return set_text(t->spec, "user", user);
}

int dayfly_task_set_image(struct dayfly_task *t, const char *image)
{
	return set_text(t->spec, "image", image);
}

int dayfly_task_set_name(struct dayfly_task *t, const char *name)
{
	return set_text(t->spec, "name", name);
}

int dayfly_task_set_label(struct dayfly_task *t, const char *key, const char *value)
{
	return set_pair(t, "labels", key, value);
}

int dayfly_task_set_tty(struct dayfly_task *t, unsigned rows, unsigned cols)
{
	int r = set_member(t->spec, "tty", json_true());
	if (r == 0 && rows)
		r = set_member(t->spec, "rows", json_integer(rows));
	if (r == 0 && cols)
		r = set_member(t->spec, "cols", json_integer(cols));
	return r;
}

int dayfly_task_set_stdin(struct dayfly_task *t, int is_streamed)
{
	return set_text(t->spec, "stdin", is_streamed ? "stream" : "none");
}

int dayfly_task_set_keep(struct dayfly_task *t, int is_kept)
{
	return set_text(t->spec, "on_disconnect", is_kept ? "keep" : "kill");
}

int dayfly_task_set_kill_on_output_limit(struct dayfly_task *t, int is_killed)
{
	return set_text(t->spec, "on_output_limit", is_killed ? "kill" : "drop");
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
	if ((size_t)n >= sizeof(path) || path[0] != '/' ||
		((size_t)n > tail && !memcmp(path + n - tail, gone, tail)))
		return NULL;
	return strndup(path, (size_t)n);
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

int dayfly_task_set_changes(struct dayfly_task *t, int fd, const char *bytes, const char *timeout)
{
	json_t *changes = json_object();
	int r = changes ? 0 : -ENOMEM;
	if (r == 0 && bytes)
		r = set_text(changes, "bytes", bytes);
	if (r == 0 && timeout)
		r = set_text(changes, "timeout", timeout);
	int copy = r < 0 ? r : fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (copy < 0) {
		r = r < 0 ? r : -errno;
		json_decref(changes);
		return r;
	}
	fd_close(&t->changes_fd);
	json_decref(t->changes);
	t->changes_fd = copy;
	t->changes = changes;
	return 0;
}

static json_t *changes_to_json(
	const struct dayfly_task *t, int fds[LIMIT_REQUEST_FDS], size_t *n_fds)
{
	json_t *object = json_copy(t->changes);
	if (object && set_member(object, "fd", json_integer((json_int_t)*n_fds)) == 0) {
		fds[(*n_fds)++] = t->changes_fd;
		return object;
	}
	json_decref(object);
	return NULL;
}

int dayfly_task_add_artifact(struct dayfly_task *t, const char *glob, int required)
{
	json_t *file = json_object();
	int r = file ? set_text(file, "glob", glob) : -ENOMEM;
	if (r == 0)
		r = set_member(file, "required", json_boolean(required));
	if (r == 0 && !t->artifacts && !(t->artifacts = json_array()))
		r = -ENOMEM;
	if (r < 0) {
		json_decref(file);
		return r;
	}
	return json_array_append_new(t->artifacts, file) < 0 ? -ENOMEM : 0;
}

int dayfly_task_set_artifacts(struct dayfly_task *t, int fd, const char *timeout)
{
	auto_free char *copy = timeout ? strdup(timeout) : NULL;
	if (timeout && !copy)
		return -ENOMEM;
	int mine = fd == -1 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (mine < 0 && fd != -1)
		return -errno;
	fd_close(&t->artifacts_fd);
	free(t->artifacts_timeout);
	t->artifacts_fd = mine;
	t->artifacts_timeout = take_ptr(copy);
	return 0;
}

int dayfly_task_set_upload(
	struct dayfly_task *t, const char *target, const char *prefix, const char *url)
{
	json_t *upload = json_object();
	int r = !upload ? -ENOMEM : !target == !url ? -EINVAL : 0;
	if (r == 0)
		r = set_text(upload, target ? "target" : "url", target ? target : url);
	if (r == 0 && prefix)
		r = set_text(upload, "prefix", prefix);
	if (r < 0) {
		json_decref(upload);
		return r;
	}
	json_decref(t->upload);
	t->upload = upload;
	return 0;
}

int dayfly_task_set_upload_credentials(struct dayfly_task *t, const void *data, size_t len)
{
	int fd = fd_sealed_memfd("dayfly-upload", data, len);
	if (fd < 0)
		return fd;
	fd_close(&t->upload_credentials_fd);
	t->upload_credentials_fd = fd;
	return 0;
}

static int add_upload(
	json_t *artifacts, const struct dayfly_task *t, int fds[LIMIT_REQUEST_FDS], size_t *n_fds)
{
	json_t *upload = json_copy(t->upload);
	int r = upload ? 0 : -ENOMEM;
	if (r == 0 && t->upload_credentials_fd >= 0) {
		r = set_member(upload, "credentials_fd", json_integer((json_int_t)*n_fds));
		fds[(*n_fds)++] = t->upload_credentials_fd;
	}
	if (r == 0)
		return set_member(artifacts, "upload", upload);
	json_decref(upload);
	return r;
}

static json_t *artifacts_to_json(
	const struct dayfly_task *t, int fds[LIMIT_REQUEST_FDS], size_t *n_fds)
{
	json_t *object = json_pack("{s:O}", "files", t->artifacts);
	int r = object ? 0 : -ENOMEM;
	if (r == 0 && t->artifacts_timeout)
		r = set_text(object, "timeout", t->artifacts_timeout);
	if (r == 0 && t->upload)
		r = add_upload(object, t, fds, n_fds);
	if (r == 0 && t->artifacts_fd >= 0) {
		r = set_member(object, "fd", json_integer((json_int_t)*n_fds));
		fds[(*n_fds)++] = t->artifacts_fd;
	}
	if (r == 0)
		return object;
	json_decref(object);
	return NULL;
}

static json_t *source_to_json(const struct source *s, int fds[LIMIT_REQUEST_FDS], size_t *n_fds)
{
	json_t *object = json_pack("{s:i, s:s}", "fd", (int)*n_fds, "mode", mode_names[s->mode]);
	if (!object)
		return NULL;
	fds[(*n_fds)++] = s->fd;
	if (s->path)
		json_object_set_new(object, "path", json_string(s->path));
	if (s->target)
		json_object_set_new(object, "target", json_string(s->target));
	return object;
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

static json_t *tars_to_json(const struct dayfly_task *t, int fds[LIMIT_REQUEST_FDS], size_t *n_fds)
{
	json_t *list = json_array();
	int r = 0;
	for (size_t i = 0; r == 0 && i < t->n_tars; i++) {
		const struct source *s = &t->tars[i];
		json_t *object = json_object();
		if (s->fd >= 0) {
			r = set_member(object, "fd", json_integer((json_int_t)*n_fds));
			fds[(*n_fds)++] = s->fd;
		}
		if (r == 0 && s->target)
			r = set_member(object, "target", json_string(s->target));
		if (json_array_append_new(list, object) < 0)
			r = -ENOMEM;
	}
	if (r == 0)
		return list;
	json_decref(list);
	return NULL;
}

/* The only member of the spec that names a descriptor: it is not the task's to change. */
static int add_git_agent(
	const struct dayfly_task *t, json_t *task, int fds[LIMIT_REQUEST_FDS], size_t *n_fds)
{
	json_t *source = json_deep_copy(json_object_get(task, "source"));
	int r = set_member(task, "source", source);
	if (r == 0)
		r = set_member(
			json_object_get(source, "git"), "agent", json_integer((json_int_t)*n_fds));
	fds[(*n_fds)++] = t->git_agent_fd;
	return r;
}

int task_to_json(const struct dayfly_task *t, json_t **ret, int fds[LIMIT_REQUEST_FDS],
	size_t *ret_n_fds, struct dayfly_error *e)
{
	/* stdin's tar has none. */
	size_t most = t->has_workspace + t->n_mounts + t->n_tars + (t->changes_fd >= 0) +
		      (t->artifacts_fd >= 0) + (t->git_agent_fd >= 0) +
		      (t->upload && t->upload_credentials_fd >= 0);
	if (most > LIMIT_REQUEST_FDS)
		return error_text(e, ERR_TOO_LARGE, E2BIG,
			"more than %d directories, files and tars with a request",
			LIMIT_REQUEST_FDS);
	size_t n_fds = 0;
	json_t *task = json_copy(t->spec);
	json_t *mounts = t->n_mounts ? json_array() : NULL;
	int r = task && (mounts || !t->n_mounts) ? 0 : -ENOMEM;
	if (r == 0 && t->has_workspace)
		r = set_member(task, "workspace", source_to_json(&t->workspace, fds, &n_fds));
	if (r == 0 && t->has_workspace && t->n_hidden)
		r = set_member(json_object_get(task, "workspace"), "hide", hidden_to_json(t));
	for (size_t i = 0; r == 0 && i < t->n_mounts; i++)
		r = json_array_append_new(mounts, source_to_json(&t->mounts[i], fds, &n_fds)) < 0
			    ? -ENOMEM
			    : 0;
	if (r == 0 && mounts)
		r = set_member(task, "mounts", take_ptr(mounts));
	if (r == 0 && t->n_tars)
		r = set_member(task, "tars", tars_to_json(t, fds, &n_fds));
	json_decref(mounts);
	if (r == 0 && t->changes_fd >= 0)
		r = set_member(task, "changes", changes_to_json(t, fds, &n_fds));
	if (r == 0 && t->artifacts)
		r = set_member(task, "artifacts", artifacts_to_json(t, fds, &n_fds));
	if (r == 0 && t->git_agent_fd >= 0)
		r = add_git_agent(t, task, fds, &n_fds);
	if (r < 0) {
		json_decref(task);
		return error_set(e, ERR_INTERNAL, -r, "describe the task");
	}
	*ret = task;
	*ret_n_fds = n_fds;
	return 0;
}
