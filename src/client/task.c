/*
 * The description of a task: collected by the setters as the request's JSON. Here are those of what
 * is run and how; what the task is shown, what is taken of it and its repository have files of
 * their own.
 */
#include "base/base64.h"
#include "base/fd.h"
#include "base/str.h"
#include "client/client_priv.h"
#include "client/error.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
	task_finish_sources(t);
	task_finish_taken(t);
	fd_close(&t->git_agent_fd);
	json_decref(t->spec);
	free(t);
}

int check_text(const char *text)
{
	if (!text)
		return -EINVAL;
	return str_is_utf8(text, strlen(text)) ? 0 : -EILSEQ;
}

int member_set(json_t *object, const char *key, json_t *take_value)
{
	return json_object_set_new(object, key, take_value) < 0 ? -ENOMEM : 0;
}

int member_set_text(json_t *object, const char *key, const char *text)
{
	int r = check_text(text);
	return r < 0 ? r : member_set(object, key, json_string(text));
}

int member_set_fd(
	json_t *object, const char *key, int fd, int fds[LIMIT_REQUEST_FDS], size_t *n_fds)
{
	int r = member_set(object, key, json_integer((json_int_t)*n_fds));
	if (r == 0)
		fds[(*n_fds)++] = fd;
	return r;
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
	return object ? member_set_text(object, key, value) : -ENOMEM;
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
	return member_set(t->spec, "argv", array);
}

int dayfly_task_set_env(struct dayfly_task *t, const char *name, const char *value)
{
	return set_pair(t, "env", name, value);
}

int dayfly_task_set_cwd(struct dayfly_task *t, const char *path)
{
	return member_set_text(t->spec, "cwd", path);
}

int dayfly_task_set_priority(struct dayfly_task *t, int priority)
{
	return member_set(t->spec, "priority", json_integer(priority));
}

int dayfly_task_set_no_queue(struct dayfly_task *t, int is_refused)
{
	return member_set(t->spec, "queue", json_boolean(!is_refused));
}

int dayfly_task_set_concurrency(struct dayfly_task *t, const char *key, const char *mode)
{
	int r = set_pair(t, "concurrency", "key", key);
	return r < 0 ? r : set_pair(t, "concurrency", "mode", mode ? mode : "queue");
}

int dayfly_task_set_idempotency_key(struct dayfly_task *t, const char *key)
{
	return member_set_text(t->spec, "idempotency_key", key);
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
		return member_set(limits, name, json_integer(strtoll(text, NULL, 10)));
	return member_set_text(limits, name, text);
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
		return member_set(object, "text", json_stringn(data, len));
	size_t size = base64_encoded_size(len);
	char *text = malloc(size);
	if (!text)
		return -ENOMEM;
	base64_encode(data, len, text);
	int r = member_set(object, "base64", json_stringn(text, size));
	explicit_bzero(text, size);
	free(text);
	return r;
}

static int add_input(struct dayfly_task *t, const char *list, json_t *take_object, const char *key,
	const char *name, const void *data, size_t len)
{
	int r = take_object ? member_set_text(take_object, key, name) : -ENOMEM;
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
		r = member_set(hook, "events", words_of(events));
	if (!list || !hook || r < 0) {
		json_decref(hook);
		return -ENOMEM;
	}
	return json_array_append_new(list, hook) == 0 ? 0 : -ENOMEM;
}

int dayfly_task_set_network(struct dayfly_task *t, const char *network)
{
	return member_set_text(t->spec, "network", network);
}

int dayfly_task_set_profile(struct dayfly_task *t, const char *profile)
{
	return member_set_text(t->spec, "profile", profile);
}

int dayfly_task_set_user(struct dayfly_task *t, const char *user)
{
	return member_set_text(t->spec, "user", user);
}

int dayfly_task_set_image(struct dayfly_task *t, const char *image)
{
	return member_set_text(t->spec, "image", image);
}

int dayfly_task_set_name(struct dayfly_task *t, const char *name)
{
	return member_set_text(t->spec, "name", name);
}

int dayfly_task_set_label(struct dayfly_task *t, const char *key, const char *value)
{
	return set_pair(t, "labels", key, value);
}

int dayfly_task_set_tty(struct dayfly_task *t, unsigned rows, unsigned cols)
{
	int r = member_set(t->spec, "tty", json_true());
	if (r == 0 && rows)
		r = member_set(t->spec, "rows", json_integer(rows));
	if (r == 0 && cols)
		r = member_set(t->spec, "cols", json_integer(cols));
	return r;
}

int dayfly_task_set_stdin(struct dayfly_task *t, int is_streamed)
{
	return member_set_text(t->spec, "stdin", is_streamed ? "stream" : "none");
}

int dayfly_task_set_keep(struct dayfly_task *t, int is_kept)
{
	return member_set_text(t->spec, "on_disconnect", is_kept ? "keep" : "kill");
}

int dayfly_task_set_kill_on_output_limit(struct dayfly_task *t, int is_killed)
{
	return member_set_text(t->spec, "on_output_limit", is_killed ? "kill" : "drop");
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
	int r = task ? 0 : -ENOMEM;
	if (r == 0)
		r = task_describe_sources(t, task, fds, &n_fds);
	if (r == 0)
		r = task_describe_taken(t, task, fds, &n_fds);
	if (r == 0)
		r = task_describe_git_agent(t, task, fds, &n_fds);
	if (r < 0) {
		json_decref(task);
		return error_set(e, ERR_INTERNAL, -r, "describe the task");
	}
	*ret = task;
	*ret_n_fds = n_fds;
	return 0;
}
