/* What is taken of a task: its changes, its artifacts, and where these are sent. */
#include "base/cleanup.h"
#include "base/fd.h"
#include "client/client_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

int dayfly_task_set_changes(struct dayfly_task *t, int fd, const char *bytes, const char *timeout)
{
	json_t *changes = json_object();
	int r = changes ? 0 : -ENOMEM;
	if (r == 0 && bytes)
		r = member_set_text(changes, "bytes", bytes);
	if (r == 0 && timeout)
		r = member_set_text(changes, "timeout", timeout);
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

int dayfly_task_add_artifact(struct dayfly_task *t, const char *glob, int required)
{
	json_t *file = json_object();
	int r = file ? member_set_text(file, "glob", glob) : -ENOMEM;
	if (r == 0)
		r = member_set(file, "required", json_boolean(required));
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
		r = member_set_text(upload, target ? "target" : "url", target ? target : url);
	if (r == 0 && prefix)
		r = member_set_text(upload, "prefix", prefix);
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

void task_finish_taken(struct dayfly_task *t)
{
	fd_close(&t->changes_fd);
	json_decref(t->changes);
	fd_close(&t->artifacts_fd);
	json_decref(t->artifacts);
	free(t->artifacts_timeout);
	fd_close(&t->upload_credentials_fd);
	json_decref(t->upload);
}

static json_t *changes_to_json(
	const struct dayfly_task *t, int fds[LIMIT_REQUEST_FDS], size_t *n_fds)
{
	json_t *object = json_copy(t->changes);
	if (object && member_set_fd(object, "fd", t->changes_fd, fds, n_fds) == 0)
		return object;
	json_decref(object);
	return NULL;
}

static json_t *upload_to_json(
	const struct dayfly_task *t, int fds[LIMIT_REQUEST_FDS], size_t *n_fds)
{
	json_t *object = json_copy(t->upload);
	int fd = t->upload_credentials_fd;
	if (object && (fd < 0 || member_set_fd(object, "credentials_fd", fd, fds, n_fds) == 0))
		return object;
	json_decref(object);
	return NULL;
}

static json_t *artifacts_to_json(
	const struct dayfly_task *t, int fds[LIMIT_REQUEST_FDS], size_t *n_fds)
{
	json_t *object = json_pack("{s:O}", "files", t->artifacts);
	int r = object ? 0 : -ENOMEM;
	if (r == 0 && t->artifacts_timeout)
		r = member_set_text(object, "timeout", t->artifacts_timeout);
	if (r == 0 && t->upload)
		r = member_set(object, "upload", upload_to_json(t, fds, n_fds));
	if (r == 0 && t->artifacts_fd >= 0)
		r = member_set_fd(object, "fd", t->artifacts_fd, fds, n_fds);
	if (r == 0)
		return object;
	json_decref(object);
	return NULL;
}

int task_describe_taken(
	const struct dayfly_task *t, json_t *task, int fds[LIMIT_REQUEST_FDS], size_t *n_fds)
{
	int r = 0;
	if (t->changes_fd >= 0)
		r = member_set(task, "changes", changes_to_json(t, fds, n_fds));
	if (r == 0 && t->artifacts)
		r = member_set(task, "artifacts", artifacts_to_json(t, fds, n_fds));
	return r;
}
