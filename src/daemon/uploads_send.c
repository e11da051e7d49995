/* Attempts to upload: whose turn it is, what is asked, and what an answer means. See uploads.h. */
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "base/units.h"
#include "daemon/uploads_priv.h"
#include "http/retry.h"
#include "http/s3_xml.h"
#include "http/sigv4.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* When there is no memory for an attempt. */
#define SHORT_WAIT_MS 5000
/* An attempt has this time, and so much more as its bytes take at this pace. */
#define CALL_MS	     60000ull
#define COMPLETE_MS  600000ull
#define SLOWEST_BPS  (16u << 10)
#define ANSWER_MAX   (16u << 10)
#define ABORTS_MAX   4
#define RESTARTS_MAX 3

static void on_answer(void *owner, const struct http_answer *a);

/* ---- what is under way ---- */

static void note_over(struct upload *up)
{
	up->call = NULL;
	up->hash = NULL;
	free(up->body);
	up->body = NULL;
	up->batch->uploads->n_calls--;
	up->batch->owner->n_calls--;
}

void upload_stop(struct upload *up)
{
	if (!up->call && !up->hash)
		return;
	http_cancel(&up->call);
	upload_hash_cancel(&up->hash);
	note_over(up);
}

static uint64_t deadline_left_ms(const struct upload_batch *b)
{
	uint64_t now = clock_real_ns(), all = b->uploads->options->uploads.deadline_ms;
	uint64_t age_ms = now > b->created_ns ? (now - b->created_ns) / NS_PER_MS : 0;
	return age_ms < all ? all - age_ms : 0;
}

/* Where a part begins, and how long it is. */
static uint64_t part_at(const struct upload *up, uint64_t *ret_len)
{
	uint64_t at = up->part_bytes * strv_len(up->etags);
	*ret_len = up->bytes - at < up->part_bytes ? up->bytes - at : up->part_bytes;
	return at;
}

static enum upload_step next_step(const struct upload *up)
{
	if (up->is_aborting)
		return UPLOAD_STEP_ABORT;
	if (!up->part_bytes)
		return UPLOAD_STEP_PUT;
	if (!up->upload_id)
		return UPLOAD_STEP_INITIATE;
	return up->part_bytes * strv_len(up->etags) < up->bytes ? UPLOAD_STEP_PART
								: UPLOAD_STEP_COMPLETE;
}

/* ---- failures ---- */

static void try_later(struct upload *up, uint64_t asked_ms)
{
	struct uploads *u = up->batch->uploads;
	char wait[UNITS_TEXT_SIZE];
	uint64_t random = 0;
	metrics_add(u->metrics, METRIC_UPLOAD_ATTEMPTS_FAILED, 1);
	up->attempts++;
	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) < 0)
		random = clock_mono_ns();
	uint64_t ms = retry_delay_ms(up->attempts, random, asked_ms);
	if (up->is_aborting && up->attempts >= ABORTS_MAX) {
		up->is_aborting = false;
		log_task(LOG_LEVEL_WARNING, up->batch->task,
			"the parts of upload %u at %s could not be taken back", up->number,
			up->origin);
		return;
	}
	if (!up->is_aborting && ms >= deadline_left_ms(up->batch)) {
		auto_free char *cause = strdup(up->cause);
		upload_fail(up, cause && *cause ? cause : "its time is over");
		return;
	}
	up->next_ns = clock_boot_ns() + ms * NS_PER_MS;
	units_format_duration(ms * NS_PER_MS, wait);
	log_task(up->attempts == 1 ? LOG_LEVEL_INFO : LOG_LEVEL_DEBUG, up->batch->task,
		"upload %u to %s: %s; again in %s", up->number, up->origin, up->cause, wait);
	if (!upload_is_over(up))
		upload_set_state(up, UPLOAD_QUEUED);
	upload_touch(up);
}

/* What the server says of the parts is not what we know: from the beginning. */
static bool begin_again(struct upload *up, const char *code)
{
	bool is_lost = !strcmp(code, "NoSuchUpload") || !strcmp(code, "InvalidPart") ||
		       !strcmp(code, "InvalidPartOrder") || !strcmp(code, "EntityTooSmall");
	if (!up->upload_id || !is_lost || up->restarts >= RESTARTS_MAX)
		return false;
	up->restarts++;
	free(up->upload_id);
	up->upload_id = NULL;
	strv_free(up->etags);
	up->etags = NULL;
	upload_store(up);
	return true;
}

static bool may_help_later(int status)
{
	return status < 300 || status == 408 || status == 425 || status == 429 || status >= 500;
}

/* The server has seen the secret where it goes as it is, and may say it: that is not repeated. */
static bool knows_secret(const struct upload *up)
{
	const struct upload_target *t =
		up->target ? upload_targets_find(up->batch->uploads->targets, up->target) : NULL;
	if (t && t->kind == UPLOAD_S3)
		return false;
	return up->batch->has_secret || (t && t->secret.authorization);
}

/* "AccessDenied" and the like; other text of a stranger is none. */
static bool is_code(const char *code)
{
	size_t n = 0;
	while ((code[n] >= 'A' && code[n] <= 'Z') || (code[n] >= 'a' && code[n] <= 'z'))
		n++;
	return n && n <= 40 && !code[n];
}

static void on_failure(struct upload *up, const struct http_answer *a)
{
	char code[64] = "", text[HTTP_CAUSE_SIZE + 96];
	bool is_s3_error = s3_xml_value(a->body, "Error", "Code", code, sizeof(code));
	if (is_s3_error && (knows_secret(up) || !is_code(code)))
		snprintf(code, sizeof(code), "an error of its own");
	if (!a->status)
		snprintf(text, sizeof(text), "%s", a->cause);
	else if (a->status < 300 && !is_s3_error)
		snprintf(text, sizeof(text),
			"HTTP status %d, but the answer was not whole or not "
			"of the expected form",
			a->status);
	else
		snprintf(text, sizeof(text), "HTTP status %d%s%s%s", a->status,
			is_s3_error ? " (" : "", code, is_s3_error ? ")" : "");
	/* Text of a stranger. That the deadline cut the last attempt short says less than what came
	 * of those before. */
	if (a->status || !up->cause[0] || deadline_left_ms(up->batch))
		str_escape(text, strlen(text), up->cause, sizeof(up->cause));
	if (up->is_aborting) {
		if (a->status == 404)
			up->is_aborting = false;
		else
			try_later(up, a->retry_after_ms);
	} else if (begin_again(up, code)) {
		try_later(up, a->retry_after_ms);
	} else if (a->status >= 300 && a->status < 400) {
		upload_fail(up, "it was redirected, which is never followed: name the address that "
				"it leads to");
	} else if (may_help_later(a->status) || !strcmp(code, "RequestTimeout")) {
		try_later(up, a->retry_after_ms);
	} else {
		auto_free char *cause = strdup(up->cause);
		upload_fail(up, cause ? cause : "refused");
	}
}

/* ---- answers ---- */

static bool take_upload_id(struct upload *up, const struct http_answer *a)
{
	char id[1024];
	if (!s3_xml_value(a->body, "InitiateMultipartUploadResult", "UploadId", id, sizeof(id)))
		return false;
	up->upload_id = strdup(id);
	return up->upload_id != NULL;
}

/* Returns whether the answer is what the step wants. */
static bool take_answer(struct upload *up, const struct http_answer *a)
{
	if (a->status < 200 || a->status >= 300 || !a->is_whole)
		return false;
	switch (up->step) {
	case UPLOAD_STEP_INITIATE:
		return take_upload_id(up, a);
	case UPLOAD_STEP_PART:
		return a->etag[0] && strv_add(&up->etags, a->etag) == 0;
	case UPLOAD_STEP_COMPLETE:
		/* It may say 200 and then that it failed. */
		return s3_xml_is(a->body, "CompleteMultipartUploadResult");
	default:
		return true;
	}
}

static void on_success(struct upload *up)
{
	up->attempts = 0;
	up->next_ns = 0;
	if (up->step == UPLOAD_STEP_ABORT) {
		up->is_aborting = false;
	} else if (up->step == UPLOAD_STEP_PUT || up->step == UPLOAD_STEP_COMPLETE) {
		up->cause[0] = '\0';
		upload_set_state(up, UPLOAD_DONE);
		log_task(LOG_LEVEL_DEBUG, up->batch->task, "upload %u is at %s", up->number,
			up->origin);
	} else {
		/* So that the next daemon does not send it again. */
		upload_store(up);
		upload_touch(up);
	}
}

static void on_answer(void *owner, const struct http_answer *a)
{
	struct upload *up = owner;
	struct upload_batch *b = up->batch;
	struct uploads *u = b->uploads;
	note_over(up);
	if (take_answer(up, a)) {
		if (a->is_mute)
			upload_mutes_add(&u->mutes, up->origin);
		on_success(up);
	} else {
		upload_mutes_remove(&u->mutes, up->origin);
		on_failure(up, a);
	}
	upload_batch_settle(b);
	/* Not in the midst of libcurl's own work. */
	alarm_set(u->alarm, 0);
}

/* ---- requests ---- */

/* Of a request's address, as a target. Its strings are the upload's. */
static int target_of_url(const struct upload *up, struct upload_target *ret, struct err *e)
{
	*ret = (struct upload_target){ .kind = UPLOAD_HTTP };
	/* What the administrator has taken back meanwhile is not done. */
	return upload_judge_url(up->batch->uploads, up->url, &ret->may_be_private, e);
}

static int send_step(struct upload *up, const struct upload_target *t, const char *hash)
{
	struct uploads *u = up->batch->uploads;
	const struct upload_step_args args = {
		.step = up->step,
		.key = up->key,
		.upload_id = up->upload_id,
		.part = strv_len(up->etags) + 1,
		.hash = hash,
		.now_s = (int64_t)(clock_real_ns() / NS_PER_S),
	};
	struct upload_request made = { .method = "PUT" };
	uint64_t len = up->bytes, at = 0;
	if (up->step == UPLOAD_STEP_PART)
		at = part_at(up, &len);
	bool has_file = up->step == UPLOAD_STEP_PUT || up->step == UPLOAD_STEP_PART;
	int r = u->http ? 0 : http_create(u->loop, &u->http);
	struct upload_target with_secret = *t;
	if (up->batch->has_secret)
		with_secret.secret = up->batch->secret;
	if (r == 0)
		r = up->url ? upload_request_authorize(&with_secret.secret, &made)
			    : upload_request_make(&with_secret, &args, &made);
	uint64_t ms = up->step == UPLOAD_STEP_COMPLETE
			      ? COMPLETE_MS
			      : CALL_MS + (has_file ? len / SLOWEST_BPS * 1000 : 0);
	uint64_t left = deadline_left_ms(up->batch);
	const char *body = up->body ? up->body : up->step == UPLOAD_STEP_ABORT ? NULL : "";
	const struct http_request request = {
		.method = made.method,
		.url = up->url ? up->url : made.url,
		.headers = (const char *const *)made.headers,
		.body = body,
		.has_file = has_file,
		.file = up->batch->spool,
		.offset = up->offset + at,
		.body_len = has_file ? len
			    : body   ? strlen(body)
				     : 0,
		.is_unasked = upload_mutes_has(&u->mutes, up->origin),
		.answer_max = ANSWER_MAX,
		.may_be_private = t->may_be_private,
		.timeout_ms = up->is_aborting || ms < left ? ms : left,
		.stall_ms = up->step == UPLOAD_STEP_COMPLETE ? 0 : u->options->uploads.stall_ms,
		.ca_file = t->ca_file ? t->ca_file : u->options->uploads.ca_file,
	};
	if (r == 0)
		r = http_send(u->http, &request, on_answer, up, &up->call);
	upload_request_finish(&made);
	return r;
}

/* Returns the target, which may be *room, or NULL: it is given up. */
static const struct upload_target *find_target(struct upload *up, struct upload_target *room)
{
	struct err e;
	const struct upload_target *t = NULL;
	if (up->target)
		t = upload_targets_find(up->batch->uploads->targets, up->target);
	else if (target_of_url(up, room, &e) == 0)
		t = room;
	if (t && (!up->batch->needs_secret ||
			 upload_judge_credentials(up->batch->uploads, up->target, up->url)))
		return t;
	up->is_aborting = false;
	if (!upload_is_over(up))
		upload_fail(up, "the configuration does not allow it any more");
	up->is_aborting = false;
	return NULL;
}

static void on_no_attempt(struct upload *up, int r)
{
	note_over(up);
	snprintf(up->cause, sizeof(up->cause), "%s", strerror(-r));
	up->next_ns = clock_boot_ns() + SHORT_WAIT_MS * NS_PER_MS;
	if (!upload_is_over(up))
		upload_set_state(up, UPLOAD_QUEUED);
}

static void on_hash(void *owner, const char *hex)
{
	struct upload *up = owner;
	struct upload_batch *b = up->batch;
	struct uploads *u = b->uploads;
	struct upload_target room;
	up->hash = NULL;
	const struct upload_target *t = hex ? find_target(up, &room) : NULL;
	int r = t ? send_step(up, t, hex) : 0;
	if (!t) {
		note_over(up);
		if (!hex)
			upload_fail(up, "the file that is to be sent cannot be read");
	} else if (r < 0) {
		on_no_attempt(up, r);
	}
	upload_batch_settle(b);
	alarm_set(u->alarm, 0);
}

/* The upload may be over after this, and its batch. */
static void attempt(struct upload *up)
{
	struct uploads *u = up->batch->uploads;
	struct upload_target room;
	char hash[SIGV4_HASH_SIZE];
	int r;
	if (!up->is_aborting && !deadline_left_ms(up->batch)) {
		upload_fail(up, "its time is over");
		return;
	}
	const struct upload_target *t = find_target(up, &room);
	if (!t)
		return;
	up->step = next_step(up);
	u->n_calls++;
	up->batch->owner->n_calls++;
	if (!upload_is_over(up))
		upload_set_state(up, UPLOAD_SENDING);
	if (up->step == UPLOAD_STEP_PART) {
		uint64_t len, at = part_at(up, &len);
		r = upload_hash_start(
			u->loop, up->batch->spool, up->offset + at, len, on_hash, up, &up->hash);
	} else if (up->step == UPLOAD_STEP_PUT) {
		r = send_step(up, t, up->sha256);
	} else {
		if (up->step == UPLOAD_STEP_COMPLETE)
			up->body = s3_xml_complete(up->etags, strv_len(up->etags));
		const char *body = up->body ? up->body : "";
		sigv4_hash(body, strlen(body), hash);
		r = up->step == UPLOAD_STEP_COMPLETE && !up->body ? -ENOMEM
								  : send_step(up, t, hash);
	}
	if (r < 0)
		on_no_attempt(up, r);
}

/* ---- whose turn it is ---- */

static bool is_due(const struct upload *up, uint64_t now)
{
	return (!upload_is_over(up) || up->is_aborting) && !up->call && !up->hash &&
	       up->next_ns <= now;
}

static struct upload *first_due(struct upload_batch *b, uint64_t now)
{
	list_for_each (pos, &b->list)
		if (is_due(list_entry(pos, struct upload, link), now))
			return list_entry(pos, struct upload, link);
	return NULL;
}

/* The first that is due, of the user who has least under way; NULL: none has room. */
static struct upload *find_next(struct uploads *u, uint64_t now)
{
	struct upload *best = NULL;
	size_t least = UPLOADS_CALLS_UID;
	list_for_each (pos, &u->batches) {
		struct upload_batch *b = list_entry(pos, struct upload_batch, link);
		struct upload *up =
			b->is_kept && b->owner->n_calls < least ? first_due(b, now) : NULL;
		if (!up)
			continue;
		best = up;
		least = b->owner->n_calls;
	}
	return best;
}

static void set_alarm(struct uploads *u, uint64_t now)
{
	uint64_t next = UINT64_MAX;
	list_for_each (pos, &u->batches) {
		const struct upload_batch *b = list_entry(pos, struct upload_batch, link);
		list_for_each (at, &b->list) {
			const struct upload *up = list_entry(at, struct upload, link);
			bool waits = b->is_kept && (!upload_is_over(up) || up->is_aborting) &&
				     !up->call && !up->hash && up->next_ns > now;
			if (waits && up->next_ns < next)
				next = up->next_ns;
		}
	}
	if (next != UINT64_MAX)
		alarm_set(u->alarm, (next - now) / NS_PER_MS + 1);
}

void uploads_run(struct uploads *u)
{
	/* One time for both: what becomes due in between would be seen by neither. */
	uint64_t now = clock_boot_ns();
	struct upload *up;
	while (u->n_calls < UPLOADS_CALLS && (up = find_next(u, now))) {
		struct upload_batch *b = up->batch;
		/* The next turn is another's. */
		list_remove(&b->link);
		list_append(&u->batches, &b->link);
		attempt(up);
		upload_batch_settle(b);
	}
	set_alarm(u, now);
}
