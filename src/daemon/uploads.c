/* Uploads: see uploads.h. Here: what there is of them, how they come and how they go. */
#include "daemon/uploads.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "daemon/json_build.h"
#include "daemon/uploads_priv.h"
#include "http/url.h"
#include "proto/answer.h"
#include "task/spool_file.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *upload_state_name(enum upload_state state)
{
	static const char *const names[] = {
		[UPLOAD_QUEUED] = "queued",
		[UPLOAD_SENDING] = "sending",
		[UPLOAD_DONE] = "done",
		[UPLOAD_FAILED] = "failed",
	};
	return names[state];
}

/* ---- batches and their uploads ---- */

struct upload_batch *uploads_find(const struct uploads *u, uid_t uid, const char *task)
{
	const struct list *const lists[] = { &u->batches, &u->finished };
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
		list_for_each (pos, lists[i]) {
			struct upload_batch *b = list_entry(pos, struct upload_batch, link);
			if (b->owner->uid == uid && !strcmp(b->task, task))
				return b;
		}
	return NULL;
}

/* NULL: nothing of his is there. */
static struct upload_owner *find_owner(const struct uploads *u, uid_t uid)
{
	list_for_each (pos, &u->owners) {
		struct upload_owner *w = list_entry(pos, struct upload_owner, link);
		if (w->uid == uid)
			return w;
	}
	return NULL;
}

/* NULL: no memory. */
static struct upload_owner *get_owner(struct uploads *u, uid_t uid)
{
	struct upload_owner *w = find_owner(u, uid);
	if (w)
		return w;
	w = calloc(1, sizeof(*w));
	if (!w)
		return NULL;
	w->uid = uid;
	list_append(&u->owners, &w->link);
	return w;
}

void upload_count(struct upload *up, int n)
{
	struct upload_batch *b = up->batch;
	b->uploads->count += (size_t)n;
	b->owner->n_waiting += (size_t)n;
}

void upload_count_bytes(struct upload_batch *b, uint64_t bytes)
{
	b->bytes += bytes;
	b->owner->bytes += bytes;
	b->uploads->bytes += bytes;
}

struct upload_batch *upload_batch_create(
	struct uploads *u, const char *task, uid_t uid, uint64_t created_ns)
{
	struct upload_owner *w = get_owner(u, uid);
	struct upload_batch *b = w ? calloc(1, sizeof(*b)) : NULL;
	if (!b)
		return NULL;
	b->uploads = u;
	b->owner = w;
	w->n_batches++;
	b->spool = -1;
	b->created_ns = created_ns;
	snprintf(b->task, sizeof(b->task), "%s", task);
	list_init(&b->list);
	list_append(&u->batches, &b->link);
	return b;
}

struct upload *upload_create(struct upload_batch *b, unsigned number, const char *path)
{
	struct upload *up = calloc(1, sizeof(*up));
	char *copy = up ? strdup(path) : NULL;
	if (!copy) {
		free(up);
		return NULL;
	}
	up->batch = b;
	up->number = number;
	up->path = copy;
	list_append(&b->list, &up->link);
	b->n++;
	upload_touch(up);
	return up;
}

static void free_upload(struct upload *up)
{
	upload_stop(up);
	list_remove(&up->link);
	free(up->path);
	free(up->target);
	free(up->key);
	if (up->url)
		explicit_bzero(up->url, strlen(up->url));
	free(up->url);
	free(up->origin);
	free(up->upload_id);
	strv_free(up->etags);
	free(up);
}

/* The owner goes with his last. */
static void free_batch(struct upload_batch *b)
{
	struct uploads *u = b->uploads;
	struct upload_owner *w = b->owner;
	list_for_each_safe (pos, &b->list)
		free_upload(list_entry(pos, struct upload, link));
	if (b->finished_ns) {
		u->n_finished -= b->n;
		w->n_finished -= b->n;
	}
	fd_close(&b->spool);
	list_remove(&b->link);
	free(b);
	if (--w->n_batches)
		return;
	list_remove(&w->link);
	free(w);
}

bool upload_is_over(const struct upload *up)
{
	return up->state == UPLOAD_DONE || up->state == UPLOAD_FAILED;
}

void upload_touch(struct upload *up)
{
	struct uploads *u = up->batch->uploads;
	static uint64_t version;
	up->version = ++version;
	if (u->watches.next && !list_empty(&u->watches) && u->telling)
		alarm_set(u->telling, UPLOADS_TELL_MS);
}

void upload_set_state(struct upload *up, enum upload_state state)
{
	struct uploads *u = up->batch->uploads;
	bool was_over = upload_is_over(up);
	if (up->state == state)
		return;
	log_task(LOG_LEVEL_DEBUG, up->batch->task, "upload %u: %s -> %s", up->number,
		upload_state_name(up->state), upload_state_name(state));
	up->state = state;
	upload_touch(up);
	if (was_over || !upload_is_over(up))
		return;
	upload_count(up, -1);
	metrics_add(
		u->metrics, state == UPLOAD_DONE ? METRIC_UPLOADS_DONE : METRIC_UPLOADS_FAILED, 1);
	if (state == UPLOAD_DONE)
		metrics_add(u->metrics, METRIC_UPLOAD_BYTES, up->bytes);
	upload_store(up);
}

void upload_fail(struct upload *up, const char *cause)
{
	char shown[UPLOAD_CAUSE_SIZE];
	str_escape(cause, strlen(cause), shown, sizeof(shown));
	memcpy(up->cause, shown, sizeof(shown));
	log_task(LOG_LEVEL_WARNING, up->batch->task, "upload %u to %s is given up: %s", up->number,
		up->origin ? up->origin : "?", shown);
	/* What lies at the server is paid for until somebody takes it back. */
	up->is_aborting = up->upload_id != NULL;
	up->attempts = 0;
	up->next_ns = 0;
	upload_set_state(up, UPLOAD_FAILED);
}

/* ---- the end of a batch ---- */

/* Those that are known longest, of the user who has most. */
static void expire(struct uploads *u)
{
	uint64_t now = clock_boot_ns();
	list_for_each_safe (pos, &u->finished) {
		struct upload_batch *b = list_entry(pos, struct upload_batch, link);
		if (now < b->finished_ns + UPLOADS_KEEP_NS)
			break;
		free_batch(b);
	}
	while (u->n_finished > UPLOADS_KEEP_COUNT) {
		const struct upload_owner *most = NULL;
		list_for_each (pos, &u->owners) {
			const struct upload_owner *w = list_entry(pos, struct upload_owner, link);
			if (!most || w->n_finished > most->n_finished)
				most = w;
		}
		list_for_each (pos, &u->finished) {
			struct upload_batch *b = list_entry(pos, struct upload_batch, link);
			if (b->owner == most) {
				free_batch(b);
				break;
			}
		}
	}
}

void upload_batch_settle(struct upload_batch *b)
{
	struct uploads *u = b->uploads;
	list_for_each (pos, &b->list) {
		const struct upload *up = list_entry(pos, struct upload, link);
		if (!upload_is_over(up) || up->is_aborting)
			return;
	}
	list_for_each (pos, &b->list)
		upload_forget(list_entry(pos, struct upload, link));
	fd_close(&b->spool);
	if (u->spool_dir)
		spool_file_remove(u->spool_dir, b->task);
	b->owner->bytes -= b->bytes;
	u->bytes -= b->bytes;
	b->finished_ns = clock_boot_ns();
	list_remove(&b->link);
	list_append(&u->finished, &b->link);
	u->n_finished += b->n;
	b->owner->n_finished += b->n;
	expire(u);
}

/* ---- adding ---- */

static int refuse_host(struct err *e, const struct url *url, bool needs_tls)
{
	err_set(e, ERR_NOT_ALLOWED, 0,
		needs_tls ? "%s may be reached only with TLS"
			  : "%s is no host that uploads may go to",
		url->origin);
	err_hint(e, needs_tls
			    ? "use https, or name the host under private_hosts in [uploads] of "
			      "dayflyd.conf"
			    : "use a host that dayflyd.conf names, or add it to hosts in [uploads] "
			      "of dayflyd.conf");
	return -EINVAL;
}

/* Whether the policy lets a request's address be. */
static int judge(const struct uploads *u, const struct url *url, bool *ret_private, struct err *e)
{
	const struct policy *p = &u->options->policy;
	enum url_verdict v = url_judge(url, p->upload_hosts, p->upload_private_hosts);
	if (v != URL_PUBLIC && v != URL_ANYWHERE)
		return refuse_host(e, url, v == URL_NEEDS_TLS);
	*ret_private = v == URL_ANYWHERE;
	return 0;
}

int upload_judge_url(const struct uploads *u, const char *text, bool *ret_private, struct err *e)
{
	struct url url;
	int r = url_parse(text, &url, e);
	if (r < 0)
		return r;
	r = judge(u, &url, ret_private, e);
	url_finish(&url);
	return r;
}

static int check_url(const struct uploads *u, const char *text, struct err *e)
{
	bool is_private;
	auto_free char *sample = upload_url(text, "a");
	if (!sample)
		return err_set(e, ERR_INTERNAL, ENOMEM, "look at an address");
	/* A path that could be the host would choose where it goes. */
	const char *mark = strstr(text, UPLOAD_PATH_MARK), *scheme = strstr(text, "://");
	const char *slash = scheme ? strchr(scheme + 3, '/') : NULL;
	if (mark && (!slash || mark < slash)) {
		err_set(e, ERR_BAD_VALUE, 0, UPLOAD_PATH_MARK " does not stand in its path");
		err_hint(e, "write it as https://HOST/DIR/" UPLOAD_PATH_MARK);
		return -EINVAL;
	}
	return upload_judge_url(u, sample, &is_private, e);
}

int uploads_check(const struct uploads *u, const struct spec_upload *spec, struct err *e)
{
	const char *field = spec->url			   ? "task.artifacts.upload.url"
			    : spec->prefix && spec->target ? "task.artifacts.upload.prefix"
							   : "task.artifacts.upload.target";
	int r = 0;
	if (!spec->target == !spec->url) {
		err_set_field(e, ERR_BAD_VALUE, "task.artifacts.upload",
			"has %s of \"target\" and \"url\"", spec->url ? "both" : "none");
		err_hint(e, "name a target of dayflyd.conf, or give an address");
		return -EINVAL;
	}
	if (!u->spool_dir || !u->store.path) {
		err_set_field(e, ERR_UNSUPPORTED, "task.artifacts.upload",
			"this daemon has no directory to keep files in until they are sent");
		err_hint(e, "start dayflyd with state_dir in [daemon] of dayflyd.conf");
		return -EINVAL;
	}
	if (spec->target && !upload_targets_find(u->targets, spec->target)) {
		err_set(e, ERR_NOT_ALLOWED, 0, "there is no target \"%.64s\"", spec->target);
		err_hint(e, "name one of target in [uploads] of dayflyd.conf (dayfly info)");
		r = -EINVAL;
		field = "task.artifacts.upload.target";
	} else if (spec->url && spec->prefix) {
		err_set(e, ERR_BAD_VALUE, 0, "is for a target");
		err_hint(e, "put it into the address, before " UPLOAD_PATH_MARK);
		r = -EINVAL;
		field = "task.artifacts.upload.prefix";
	} else if (spec->url) {
		r = check_url(u, spec->url, e);
	} else if (spec->prefix) {
		r = upload_prefix_check(spec->prefix, e);
	}
	if (r < 0)
		snprintf(e->field, sizeof(e->field), "%s", field);
	return r;
}

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

uint64_t uploads_room(const struct uploads *u, uid_t uid)
{
	const struct upload_options *o = &u->options->uploads;
	const struct upload_owner *w = find_owner(u, uid);
	uint64_t has = w ? w->bytes : 0;
	uint64_t own = has < o->max_bytes_uid ? o->max_bytes_uid - has : 0;
	uint64_t all = u->bytes < o->max_bytes ? o->max_bytes - u->bytes : 0;
	return own < all ? own : all;
}

static int check_room(const struct uploads *u, uid_t uid, uint64_t bytes, size_t n, struct err *e)
{
	const struct upload_options *o = &u->options->uploads;
	const struct upload_owner *w = find_owner(u, uid);
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

static json_t *failed_json(const struct err *e)
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
	free_upload(up);
	return NULL;
}

bool uploads_add(struct uploads *u, const char *task, uid_t uid, const struct spec_upload *spec,
	const struct upload_file *files, size_t n, json_t **ret_states)
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
	for (size_t i = 0; i < n; i++) {
		struct upload *up = r == 0 ? add_file(b, (unsigned)i, spec, &files[i], &e) : NULL;
		ret_states[i] = up ? queued_json(up) : failed_json(&e);
		if (!up)
			continue;
		upload_count(up, 1);
		upload_count_bytes(b, up->bytes);
	}
	if (b && !b->n) {
		free_batch(b);
		b = NULL;
	}
	if (!b)
		return false;
	alarm_set(u->alarm, 0);
	return true;
}

/* ---- telling ---- */

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
			if (b->owner->uid != uid || (task && strcmp(b->task, task) != 0))
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

/* ---- life ---- */

static void on_alarm(void *owner)
{
	uploads_run(owner);
}

static void on_telling(void *owner)
{
	uploads_tell(owner);
}

int uploads_init(struct uploads *u, uv_loop_t *loop, const struct options *options,
	const struct upload_targets *targets, struct metrics *metrics, const char *dir,
	const char *spool_dir)
{
	struct err e;
	*u = (struct uploads){ .loop = loop,
		.options = options,
		.targets = targets,
		.metrics = metrics,
		.spool_dir = spool_dir };
	list_init(&u->batches);
	list_init(&u->finished);
	list_init(&u->watches);
	list_init(&u->owners);
	if (outbox_store_init(&u->store, dir, "uploads", &e) < 0)
		log_warning("nothing can be uploaded: %s", e.msg);
	int r = alarm_create(loop, on_alarm, u, &u->alarm);
	if (r == 0)
		r = alarm_create(loop, on_telling, u, &u->telling);
	if (r == 0 && u->store.path)
		uploads_take_in(u);
	if (r == 0 && u->count)
		alarm_set(u->alarm, 0);
	return r;
}

void uploads_finish(struct uploads *u)
{
	if (!u->loop)
		return;
	if (u->count)
		log_info("%zu uploads wait for the next daemon", u->count);
	struct list *const lists[] = { &u->batches, &u->finished };
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
		list_for_each_safe (pos, lists[i])
			free_batch(list_entry(pos, struct upload_batch, link));
	http_destroy(&u->http);
	alarm_destroy(&u->alarm);
	alarm_destroy(&u->telling);
	outbox_store_finish(&u->store);
}

void uploads_tick(struct uploads *u)
{
	expire(u);
}

void uploads_check_again(struct uploads *u)
{
	if (u->count)
		alarm_set(u->alarm, 0);
}
