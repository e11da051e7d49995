/*
 * Credentials that came with a request: see uploads.h. In memory as long as something of the task's
 * waits, and on the disk only where keep_credentials says so.
 */
#include "base/cleanup.h"
#include "base/log.h"
#include "daemon/uploads_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ENDING ".credentials"

static void file_name(const char *task, char out[OUTBOX_NAME_MAX])
{
	snprintf(out, OUTBOX_NAME_MAX, "%s" ENDING, task);
}

static enum upload_kind kind_of(const struct uploads *u, const char *target)
{
	const struct upload_target *t = target ? upload_targets_find(u->targets, target) : NULL;
	return t ? t->kind : UPLOAD_HTTP;
}

static int keep(struct upload_batch *b, const char *text, size_t len)
{
	struct outbox_store *store = &b->uploads->store;
	char name[OUTBOX_NAME_MAX];
	json_t *head = json_pack("{s:s, s:I}", "task", b->task, "uid", (json_int_t)b->owner->uid);
	file_name(b->task, name);
	int r = head ? outbox_store_write(store, name, head, text, len) : -ENOMEM;
	json_decref(head);
	if (r == 0)
		outbox_store_sync(store, name);
	return r;
}

int upload_batch_take_credentials(
	struct upload_batch *b, const struct spec_upload *spec, struct err *e)
{
	struct uploads *u = b->uploads;
	if (!spec->credentials)
		return 0;
	int r = upload_secret_parse(
		kind_of(u, spec->target), spec->credentials, spec->credentials_len, &b->secret, e);
	b->needs_secret = b->has_secret = r == 0;
	if (r < 0 || !u->options->uploads.keeps_credentials)
		return r;
	r = keep(b, spec->credentials, spec->credentials_len);
	return r < 0 ? err_set(e, ERR_NO_SPACE, -r, "keep the credentials of the upload") : 0;
}

/* Why it is not there after a restart. */
static const char *cause_of_loss(const struct uploads *u)
{
	return u->options->uploads.keeps_credentials
		       ? "the record of its credentials was damaged or is gone; send it anew"
		       : "its credentials came with the request, were in memory only, and went "
			 "with the last dayflyd; send it anew, or set keep_credentials in "
			 "[uploads]";
}

void upload_batch_load_credentials(struct upload_batch *b)
{
	struct uploads *u = b->uploads;
	const struct upload *first = list_entry(b->list.next, struct upload, link);
	char name[OUTBOX_NAME_MAX];
	char *text = NULL;
	json_t *head = NULL;
	size_t len = 0;
	struct err e;
	if (!b->needs_secret || list_empty(&b->list))
		return;
	file_name(b->task, name);
	/* What is not to be kept any more is not used either. */
	if (!u->options->uploads.keeps_credentials)
		outbox_store_remove(&u->store, name);
	else if (outbox_store_read(&u->store, name, &head, &text, &len) == 0)
		b->has_secret = upload_secret_parse(
					kind_of(u, first->target), text, len, &b->secret, &e) == 0;
	json_decref(head);
	if (text)
		explicit_bzero(text, len);
	free(text);
	if (b->has_secret)
		return;
	list_for_each (pos, &b->list) {
		struct upload *up = list_entry(pos, struct upload, link);
		if (!upload_is_over(up))
			upload_fail(up, cause_of_loss(u));
		up->is_aborting = false;
	}
}

void upload_batch_forget_credentials(struct upload_batch *b)
{
	char name[OUTBOX_NAME_MAX];
	if (b->needs_secret) {
		file_name(b->task, name);
		outbox_store_remove(&b->uploads->store, name);
	}
	upload_secret_wipe(&b->secret);
	b->has_secret = false;
}

static void drop_stray(void *owner, const char *name, const json_t *head, size_t body_len)
{
	struct uploads *u = owner;
	const char *task = json_string_value(json_object_get(head, "task"));
	uid_t uid = (uid_t)json_integer_value(json_object_get(head, "uid"));
	if (!task || !uploads_find(u, uid, task))
		outbox_store_remove(&u->store, name);
}

void uploads_sweep_credentials(struct uploads *u)
{
	size_t n_bad = 0;
	int r = outbox_store_each(&u->store, ENDING, drop_stray, u, &n_bad);
	if (r < 0)
		log_warning("%s: not all credentials could be read", u->store.path);
}
