/* From a task that is done to its uploads: see uploads.h. */
#include "base/cleanup.h"
#include "base/fd.h"
#include "daemon/uploads_priv.h"
#include "plan/artifact_list.h"
#include "proto/schema.h"
#include "task/spool_file.h"

#include <errno.h>
#include <stdlib.h>

/* The files that were taken. Returns their number; *ret_items is the caller's, each with its path.
 */
static size_t list_items(const struct buf *bytes, struct artifact_item **ret_items)
{
	struct buf_reader r = { .p = (const uint8_t *)buf_data(bytes), .left = buf_len(bytes) };
	struct artifact_item *items = NULL, item;
	size_t n = 0;
	while (artifact_list_get(&r, &item)) {
		struct artifact_item *more = item.error == ARTIFACT_OK
						     ? reallocarray(items, n + 1, sizeof(*items))
						     : NULL;
		if (!more) {
			free(item.path);
			continue;
		}
		items = more;
		items[n++] = item;
	}
	*ret_items = items;
	return n;
}

static struct upload_batch *add_all(
	struct uploads *u, struct task *t, const struct artifact_item *items, size_t n)
{
	auto_free struct upload_file *files = calloc(n, sizeof(*files));
	auto_free json_t **states = calloc(n, sizeof(json_t *));
	t->result->artifact_uploads = json_object();
	if (!files || !states || !t->result->artifact_uploads)
		return NULL;
	for (size_t i = 0; i < n; i++)
		files[i] = (struct upload_file){ .path = artifact_path_in_tar(items[i].path),
			.offset = items[i].offset,
			.bytes = items[i].bytes,
			.sha256 = items[i].sha256 };
	struct upload_batch *b =
		uploads_add(u, t->id, t->uid, &t->spec->artifacts.upload, files, n, states);
	for (size_t i = 0; i < n; i++)
		json_object_set_new_nocheck(t->result->artifact_uploads, items[i].path, states[i]);
	return b;
}

/* What was queued could not be brought to the disk: the result says so in its place. */
static void fail_all(struct upload_batch *b, struct task *t, int errnum)
{
	struct uploads *u = b->uploads;
	struct err e;
	const char *path;
	json_t *state;
	err_set(&e, errnum == ENOSPC || errnum == EDQUOT ? ERR_NO_SPACE : ERR_INTERNAL, errnum,
		"bring the files to the disk");
	err_hint(&e, "look at the file system of state_dir");
	void *next;
	json_object_foreach_safe (t->result->artifact_uploads, next, path, state) {
		if (!json_object_get(state, "error"))
			json_object_set_new_nocheck(
				t->result->artifact_uploads, path, upload_failed_json(&e));
	}
	upload_batch_drop(b);
	spool_file_remove(u->spool_dir, t->id);
}

static void on_synced(struct syncer_wait *w, int errnum)
{
	struct upload_batch *b = list_entry(w, struct upload_batch, wait);
	struct uploads *u = b->uploads;
	struct task *t = b->task_waits;
	b->task_waits = NULL;
	if (errnum)
		fail_all(b, t, errnum);
	else
		upload_batch_start(b);
	u->on_kept(u->owner, t);
}

/* Returns whether there is something to wait for. */
static bool keep(struct upload_batch *b, struct task *t)
{
	struct uploads *u = b->uploads;
	auto_close int dir = spool_file_open_dir(u->spool_dir);
	syncer_add_file(u->syncer, b->spool, dir);
	b->task_waits = t;
	b->wait.fn = on_synced;
	return syncer_wait(u->syncer, &b->wait);
}

bool uploads_take(struct uploads *u, struct task *t)
{
	struct artifact_item *items = NULL;
	struct spec_upload *spec = &t->spec->artifacts.upload;
	if (!t->spec->has_artifacts || !t->spec->artifacts.has_upload)
		return false;
	size_t n = t->spool_fd < 0 ? 0 : list_items(&t->result->artifacts_list, &items);
	struct upload_batch *b = n ? add_all(u, t, items, n) : NULL;
	/* The task is kept for a while, and has no need of them. */
	schema_wipe(&spec->credentials, spec->credentials_len);
	spec->credentials_len = 0;
	/* Who takes it as events has it open. */
	if (!b && t->spool_fd >= 0)
		spool_file_remove(u->spool_dir, t->id);
	for (size_t i = 0; i < n; i++)
		free(items[i].path);
	free(items);
	return b && keep(b, t);
}
