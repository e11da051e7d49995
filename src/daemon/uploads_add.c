/* What is to be uploaded, and whether there is room for it: see uploads.h. */
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/str.h"
#include "daemon/uploads_priv.h"
#include "http/url.h"
#include "proto/answer.h"
#include "task/spool_file.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Where it goes. Returns 0 or -errno with *e. */
static int set_place(struct upload *up, const struct spec_upload *spec, struct err *e)
{
	struct upload_batch *b = up->batch;
	struct url url;
	if (spec->url) {
		up->url = upload_url(spec->url, up->path);
		int r = up->url ? url_parse(up->url, &url, e)
				: err_set(e, ERR_INTERNAL, ENOMEM, "name the upload");
		if (r < 0)
			return r;
		/* As the check of policy reads it. */
		free(up->url);
		up->url = take_ptr(url.text);
		up->origin = take_ptr(url.origin);
		url_finish(&url);
		return 0;
	}
	const struct upload_target *t = upload_targets_find(b->uploads->targets, spec->target);
	if (!t)
		return err_set(e, ERR_NOT_ALLOWED, 0, "there is no such target any more");
	up->target = strdup(t->name);
	up->origin = strdup(t->url.origin);
	up->key =
		upload_key(t->prefix, spec->prefix, up->path, b->task, (unsigned)b->owner->uid, e);
	if (!up->key)
		return -EINVAL;
	if (!up->target || !up->origin)
		return err_set(e, ERR_INTERNAL, ENOMEM, "name the upload");
	for (uint64_t n = t->part_bytes; t->kind == UPLOAD_S3 && up->bytes > t->multipart_bytes;
		n *= 2)
		if (up->bytes / n < UPLOAD_PARTS_MAX) {
			up->part_bytes = n;
			break;
		}
	return 0;
}

uint64_t uploads_bytes(const struct uploads *u, uid_t uid)
{
	const struct upload_owner *w = upload_owner_find(u, uid);
	return w ? w->bytes : 0;
}

uint64_t uploads_room(const struct uploads *u, uid_t uid)
{
	const struct upload_options *o = &u->options->uploads;
	uint64_t has = uploads_bytes(u, uid);
	uint64_t own = has < o->max_bytes_uid ? o->max_bytes_uid - has : 0;
	uint64_t all = u->bytes < o->max_bytes ? o->max_bytes - u->bytes : 0;
	return own < all ? own : all;
}

static int check_room(const struct uploads *u, uid_t uid, uint64_t bytes, size_t n, struct err *e)
{
	const struct upload_options *o = &u->options->uploads;
	const struct upload_owner *w = upload_owner_find(u, uid);
	size_t has_n = w ? w->n_waiting : 0;
	uint64_t has = w ? w->bytes : 0;
	if (u->count + n <= UPLOADS_COUNT_MAX && has_n + n <= o->max_count_uid &&
		has + bytes <= o->max_bytes_uid && u->bytes + bytes <= o->max_bytes)
		return 0;
	err_set(e, ERR_BUSY, 0,
		"too much waits to be uploaded already (%" PRIu64 " bytes of this user, %" PRIu64
		" of all)",
		has, u->bytes);
	err_hint(e, "see `dayfly uploads`; max_bytes_per_user and max_bytes in [uploads] of "
		    "dayflyd.conf bound it");
	return -EINVAL;
}

json_t *upload_failed_json(const struct err *e)
{
	return json_pack("{s:s, s:o}", "state", upload_state_name(UPLOAD_FAILED), "error",
		answer_error_json(e));
}

static json_t *queued_json(const struct upload *up)
{
	return json_pack("{s:s, s:s*, s:s*, s:s*}", "state", upload_state_name(up->state), "target",
		up->target, "key", up->key, "url", up->target ? NULL : up->origin);
}

/* Returns the upload, or NULL with *e. */
static struct upload *add_file(struct upload_batch *b, unsigned number,
	const struct spec_upload *spec, const struct upload_file *f, struct err *e)
{
	struct upload *up = upload_create(b, number, f->path);
	if (!up)
		return err_set(e, ERR_INTERNAL, ENOMEM, "queue the upload"), NULL;
	up->offset = f->offset;
	up->bytes = f->bytes;
	for (size_t i = 0; i < 32; i++)
		snprintf(up->sha256 + 2 * i, 3, "%02x", f->sha256[i]);
	int r = set_place(up, spec, e);
	if (r == 0) {
		r = upload_store(up);
		if (r < 0)
			err_set(e, ERR_NO_SPACE, -r, "note the upload");
	}
	if (r == 0)
		return up;
	b->n--;
	upload_free(up);
	return NULL;
}

struct upload_batch *uploads_add(struct uploads *u, const char *task, uid_t uid,
	const struct spec_upload *spec, const struct upload_file *files, size_t n,
	json_t **ret_states)
{
	struct err e;
	uint64_t bytes = 0;
	for (size_t i = 0; i < n; i++)
		bytes += files[i].bytes;
	int r = n > 1 && spec->url && !strstr(spec->url, UPLOAD_PATH_MARK)
			? err_set(&e, ERR_BAD_VALUE, 0,
				  "the address is for one file, and there are %zu; write "
				  "it with " UPLOAD_PATH_MARK,
				  n)
			: check_room(u, uid, bytes, n, &e);
	struct upload_batch *b =
		r == 0 && n ? upload_batch_create(u, task, uid, clock_real_ns()) : NULL;
	if (b) {
		b->spool = spool_file_open(u->spool_dir, task);
		if (b->spool < 0) {
			r = err_set(&e, ERR_INTERNAL, -b->spool, "open the files");
			b->spool = -1;
		}
	} else if (r == 0 && n) {
		r = err_set(&e, ERR_INTERNAL, ENOMEM, "queue the uploads");
	}
	if (r == 0 && b)
		r = upload_batch_take_credentials(b, spec, &e);
	for (size_t i = 0; i < n; i++) {
		struct upload *up = r == 0 ? add_file(b, (unsigned)i, spec, &files[i], &e) : NULL;
		ret_states[i] = up ? queued_json(up) : upload_failed_json(&e);
		if (!up)
			continue;
		upload_count(up, 1);
		upload_count_bytes(b, up->bytes);
	}
	if (b && !b->n) {
		upload_batch_forget_credentials(b);
		upload_batch_free(b);
		b = NULL;
	}
	return b;
}

void upload_batch_drop(struct upload_batch *b)
{
	list_for_each (pos, &b->list) {
		struct upload *up = list_entry(pos, struct upload, link);
		upload_forget(up);
		upload_count(up, -1);
	}
	upload_batch_forget_credentials(b);
	upload_count_bytes(b, -b->bytes);
	upload_batch_free(b);
}

void upload_batch_start(struct upload_batch *b)
{
	b->is_kept = true;
	alarm_set(b->uploads->alarm, 0);
}
