/* From a task that is done to its uploads: see uploads.h. */
#include "base/cleanup.h"
#include "daemon/uploads.h"
#include "plan/artifact_list.h"
#include "task/spool_file.h"
#include "task/task.h"

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

static bool add_all(struct uploads *u, struct task *t, const struct artifact_item *items, size_t n)
{
	auto_free struct upload_file *files = calloc(n, sizeof(*files));
	auto_free json_t **states = calloc(n, sizeof(json_t *));
	t->result->artifact_uploads = json_object();
	if (!files || !states || !t->result->artifact_uploads)
		return false;
	for (size_t i = 0; i < n; i++)
		files[i] = (struct upload_file){ .path = artifact_path_in_tar(items[i].path),
			.offset = items[i].offset,
			.bytes = items[i].bytes,
			.sha256 = items[i].sha256 };
	bool is_kept = uploads_add(u, t->id, t->uid, &t->spec->artifacts.upload, files, n, states);
	for (size_t i = 0; i < n; i++)
		json_object_set_new_nocheck(t->result->artifact_uploads, items[i].path, states[i]);
	return is_kept;
}

void uploads_take(struct uploads *u, struct task *t)
{
	struct artifact_item *items = NULL;
	if (!t->spec->has_artifacts || !t->spec->artifacts.has_upload || t->spool_fd < 0)
		return;
	size_t n = list_items(&t->result->artifacts_list, &items);
	bool is_kept = n && add_all(u, t, items, n);
	/* Who takes it as events has it open. */
	if (!is_kept)
		spool_file_remove(u->spool_dir, t->id);
	for (size_t i = 0; i < n; i++)
		free(items[i].path);
	free(items);
}
