/*
 * Records of uploads on the disk: see uploads.h. The head is what the upload is, the body the ETags
 * of its parts, a line each. The first is synced and stays as it is; how far the upload has come
 * since is in a second one, which replaces itself: should the machine die in the midst of that,
 * there is still the first.
 */
#include "daemon/uploads_priv.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "base/str.h"
#include "http/url.h"
#include "task/spool_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ENDING ".upload"
#define LATER  ".later"

static void file_name(const struct upload *up, const char *ending, char out[OUTBOX_NAME_MAX])
{
	snprintf(out, OUTBOX_NAME_MAX, "%s.%u%s", up->batch->task, up->number, ending);
}

/* A path may be any bytes, JSON not. */
static json_t *bytes_to_json(const char *s)
{
	size_t n = strlen(s);
	json_t *list = NULL;
	if (str_is_utf8(s, n))
		return json_string(s);
	list = json_array();
	for (size_t i = 0; list && i < n; i++)
		json_array_append_new(list, json_integer((unsigned char)s[i]));
	return list;
}

static char *bytes_from_json(const json_t *v)
{
	size_t n = json_array_size(v);
	if (json_is_string(v))
		return strdup(json_string_value(v));
	char *s = n ? calloc(1, n + 1) : NULL;
	for (size_t i = 0; s && i < n; i++)
		s[i] = (char)json_integer_value(json_array_get(v, i));
	return s;
}

static json_t *make_head(const struct upload *up)
{
	const struct upload_batch *b = up->batch;
	return json_pack(
		"{s:s, s:i, s:I, s:I, s:o, s:I, s:I, s:s, s:s, s:s, s:s?, s:s?, s:s?, s:s?, "
		"s:I, s:b}",
		"task", b->task, "number", (int)up->number, "uid", (json_int_t)b->owner->uid,
		"created_ns", (json_int_t)b->created_ns, "path", bytes_to_json(up->path), "offset",
		(json_int_t)up->offset, "bytes", (json_int_t)up->bytes, "sha256", up->sha256,
		"state", upload_state_name(up->state), "cause", up->cause, "target", up->target,
		"key", up->key, "url", up->url, "upload_id", up->upload_id, "part_bytes",
		(json_int_t)up->part_bytes, "needs_credentials", b->needs_secret);
}

static char *make_body(const struct upload *up, size_t *ret_len)
{
	char *text = NULL;
	FILE *out = open_memstream(&text, ret_len);
	if (!out)
		return NULL;
	for (char **etag = up->etags; etag && *etag; etag++)
		fprintf(out, "%s\n", *etag);
	if (fclose(out) == 0)
		return text;
	free(text);
	return NULL;
}

int upload_store(struct upload *up)
{
	struct uploads *u = up->batch->uploads;
	char name[OUTBOX_NAME_MAX];
	size_t len = 0;
	auto_free char *body = make_body(up, &len);
	json_t *head = make_head(up);
	file_name(up, up->is_stored ? LATER : ENDING, name);
	int r = head && body ? outbox_store_write(&u->store, name, head, body, len) : -ENOMEM;
	json_decref(head);
	if (r == 0 && !up->is_stored)
		outbox_store_sync(&u->store, name);
	up->is_stored |= r == 0;
	if (r < 0 && -r != u->fault)
		log_warning("uploads cannot be noted in %s: %s",
			u->store.path ? u->store.path : "-", strerror(-r));
	u->fault = -r;
	return r;
}

int upload_forget(struct upload *up)
{
	struct outbox_store *store = &up->batch->uploads->store;
	char name[OUTBOX_NAME_MAX];
	/* The record first: without it a later state is a stray, without that it would be sent once
	 * more. */
	file_name(up, ENDING, name);
	int r = outbox_store_remove(store, name);
	file_name(up, LATER, name);
	outbox_store_remove(store, name);
	return r;
}

/* ---- after a restart ---- */

static char *text_of(const json_t *head, const char *name)
{
	const char *text = json_string_value(json_object_get(head, name));
	return text ? strdup(text) : NULL;
}

static uint64_t number_of(const json_t *head, const char *name)
{
	json_int_t v = json_integer_value(json_object_get(head, name));
	return v < 0 ? 0 : (uint64_t)v;
}

static void read_etags(struct upload *up, const char *name)
{
	json_t *head = NULL;
	auto_free char *body = NULL;
	size_t len = 0;
	if (outbox_store_read(&up->batch->uploads->store, name, &head, &body, &len) < 0)
		return;
	json_decref(head);
	for (char *line = body, *end; (end = strchr(line, '\n')); line = end + 1) {
		*end = '\0';
		if (strv_add(&up->etags, line) < 0)
			return;
	}
}

static void set_origin(struct upload *up)
{
	const struct upload_target *t =
		up->target ? upload_targets_find(up->batch->uploads->targets, up->target) : NULL;
	struct url url = { 0 };
	if (t)
		up->origin = strdup(t->url.origin);
	else if (up->url && url_parse(up->url, &url, NULL) == 0)
		up->origin = take_ptr(url.origin);
	url_finish(&url);
}

static bool fill(struct upload *up, const json_t *head, const char *name)
{
	const char *state = json_string_value(json_object_get(head, "state"));
	auto_free char *sha256 = text_of(head, "sha256");
	auto_free char *cause = text_of(head, "cause");
	up->target = text_of(head, "target");
	up->key = text_of(head, "key");
	up->url = text_of(head, "url");
	up->upload_id = text_of(head, "upload_id");
	up->offset = number_of(head, "offset");
	up->bytes = number_of(head, "bytes");
	up->part_bytes = number_of(head, "part_bytes");
	snprintf(up->sha256, sizeof(up->sha256), "%s", sha256 ? sha256 : "");
	snprintf(up->cause, sizeof(up->cause), "%s", cause ? cause : "");
	set_origin(up);
	if (up->upload_id)
		read_etags(up, name);
	/* More parts than it has: of nobody's making. */
	if (up->part_bytes && strv_len(up->etags) > up->bytes / up->part_bytes + 1)
		return false;
	if (state && !strcmp(state, upload_state_name(UPLOAD_DONE)))
		up->state = UPLOAD_DONE;
	else if (state && !strcmp(state, upload_state_name(UPLOAD_FAILED)))
		up->state = UPLOAD_FAILED;
	return strlen(up->sha256) == 64 && (up->url || (up->target && up->key));
}

static bool fill_newest(struct upload *up, const json_t *first, const char *name)
{
	char later[OUTBOX_NAME_MAX];
	auto_free char *body = NULL;
	json_t *head = NULL;
	size_t len = 0;
	file_name(up, LATER, later);
	bool has_later =
		outbox_store_read(&up->batch->uploads->store, later, &head, &body, &len) == 0;
	bool is_good = fill(up, has_later ? head : first, has_later ? later : name);
	json_decref(head);
	return is_good;
}

static void take_in(void *owner, const char *name, const json_t *head, size_t body_len)
{
	struct uploads *u = owner;
	const char *task = json_string_value(json_object_get(head, "task"));
	auto_free char *path = bytes_from_json(json_object_get(head, "path"));
	uid_t uid = (uid_t)number_of(head, "uid");
	if (!task || !id_is_task(task) || !path || strncmp(name, task, strlen(task)) != 0) {
		log_warning("%s/%s is not of this version, and left as it is", u->store.path, name);
		return;
	}
	struct upload_batch *b = uploads_find(u, uid, task);
	if (!b)
		b = upload_batch_create(u, task, uid, number_of(head, "created_ns"));
	struct upload *up = b ? upload_create(b, (unsigned)number_of(head, "number"), path) : NULL;
	if (b) {
		b->is_kept = true;
		b->needs_secret |= json_is_true(json_object_get(head, "needs_credentials"));
	}
	if (up)
		up->is_stored = true;
	if (!up || !fill_newest(up, head, name)) {
		log_warning("%s/%s cannot be taken in", u->store.path, name);
		if (up) {
			snprintf(up->cause, sizeof(up->cause), "its record is damaged");
			up->state = UPLOAD_FAILED;
		}
		return;
	}
	upload_count_bytes(b, up->bytes);
	upload_count(up, !upload_is_over(up));
}

/* One whose first record is gone, or was damaged, is of no use. */
static void drop_stray(void *owner, const char *name, const json_t *head, size_t body_len)
{
	struct uploads *u = owner;
	const char *task = json_string_value(json_object_get(head, "task"));
	const struct upload_batch *b =
		task ? uploads_find(u, (uid_t)number_of(head, "uid"), task) : NULL;
	if (b)
		list_for_each (pos, &b->list)
			if (list_entry(pos, struct upload, link)->number ==
				number_of(head, "number"))
				return;
	outbox_store_remove(&u->store, name);
}

static bool has_spool(void *owner, const char *task)
{
	const struct uploads *u = owner;
	list_for_each (pos, &u->batches)
		if (!strcmp(list_entry(pos, struct upload_batch, link)->task, task))
			return true;
	return false;
}

void uploads_take_in(struct uploads *u)
{
	size_t n_bad = 0;
	int r = outbox_store_each(&u->store, ENDING, take_in, u, &n_bad);
	if (r == 0)
		r = outbox_store_each(&u->store, LATER, drop_stray, u, &n_bad);
	if (r < 0)
		log_warning("%s could not be read: %s", u->store.path, strerror(-r));
	uploads_sweep_credentials(u);
	if (u->spool_dir && r == 0)
		spool_file_sweep(u->spool_dir, has_spool, u);
	if (u->count)
		log_info("%zu uploads of an earlier daemon go on", u->count);
	list_for_each_safe (pos, &u->batches) {
		struct upload_batch *b = list_entry(pos, struct upload_batch, link);
		b->spool = u->spool_dir ? spool_file_open(u->spool_dir, b->task) : -ENOENT;
		if (b->spool < 0) {
			log_task(LOG_LEVEL_WARNING, b->task, "its files are gone: %s",
				strerror(-b->spool));
			b->spool = -1;
			list_for_each (at, &b->list) {
				struct upload *up = list_entry(at, struct upload, link);
				if (!upload_is_over(up))
					upload_fail(up, "the file that was to be sent is gone");
			}
		}
		upload_batch_load_credentials(b);
		upload_batch_settle(b);
	}
}
