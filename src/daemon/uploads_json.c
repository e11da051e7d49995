/* Uploads as JSON: see uploads.h. */
#include "base/cleanup.h"
#include "base/str.h"
#include "daemon/json_build.h"
#include "daemon/uploads_priv.h"

#include <stdio.h>
#include <string.h>

uint64_t upload_sent(const struct upload *up)
{
	uint64_t sent = up->part_bytes * strv_len(up->etags);
	if (up->state == UPLOAD_DONE)
		return up->bytes;
	if (up->call && (up->step == UPLOAD_STEP_PUT || up->step == UPLOAD_STEP_PART))
		sent += http_sent(up->call);
	return sent < up->bytes ? sent : up->bytes;
}

json_t *upload_to_json(const struct upload *up)
{
	char path[4096 * 4];
	if (str_is_utf8(up->path, strlen(up->path)))
		snprintf(path, sizeof(path), "%s", up->path);
	else
		str_escape(up->path, strlen(up->path), path, sizeof(path));
	return json_pack("{s:s, s:s, s:I, s:I, s:s*, s:s*, s:s*, s:s*, s:I}", "path", path, "state",
		upload_state_name(up->state), "sent", (json_int_t)upload_sent(up), "bytes",
		(json_int_t)up->bytes, "target", up->target, "key", up->key, "url",
		up->target ? NULL : up->origin, "cause",
		up->cause[0] && up->state != UPLOAD_DONE ? up->cause : NULL, "attempts",
		(json_int_t)up->attempts);
}

json_t *uploads_to_json(const struct uploads *u, uid_t uid, const char *task)
{
	const struct list *const lists[] = { &u->finished, &u->batches };
	json_t *all = json_array();
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
		list_for_each (pos, lists[i]) {
			const struct upload_batch *b = list_entry(pos, struct upload_batch, link);
			if (!b->is_kept || b->owner->uid != uid ||
				(task && strcmp(b->task, task) != 0))
				continue;
			list_for_each (at, &b->list) {
				json_t *one = upload_to_json(list_entry(at, struct upload, link));
				if (one)
					json_object_set_new(one, "task", json_string(b->task));
				json_build_add(&all, one);
			}
		}
	return all;
}

json_t *uploads_info(const struct uploads *u)
{
	json_t *targets = json_array();
	for (size_t i = 0; i < u->targets->n; i++)
		json_build_add(&targets, json_string(u->targets->list[i].name));
	return json_pack("{s:o, s:I, s:I, s:o}", "targets", targets, "waiting",
		(json_int_t)u->count, "bytes", (json_int_t)u->bytes, "fault",
		u->fault ? json_string(strerror(u->fault)) : json_null());
}
