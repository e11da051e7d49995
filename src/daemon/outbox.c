/* Events on their way out: see outbox.h. */
#include "daemon/outbox.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "base/units.h"
#include "http/retry.h"
#include "http/url.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define ENDING ".event"
/* What an event takes beside its texts. */
#define EVENT_BYTES (sizeof(struct outbox_event) + 64)
/* When there is no memory for an attempt. */
#define SHORT_WAIT_MS 5000

static void file_name(const struct outbox_event *ev, char out[OUTBOX_NAME_MAX])
{
	snprintf(out, OUTBOX_NAME_MAX, "%s" ENDING, ev->id);
}

/* ---- events and whose they are ---- */

static struct outbox_owner *get_owner(struct outbox *o, uid_t uid, bool is_admins)
{
	list_for_each (pos, &o->owners) {
		struct outbox_owner *w = list_entry(pos, struct outbox_owner, link);
		if (w->uid == uid && w->is_admins == is_admins)
			return w;
	}
	struct outbox_owner *w = calloc(1, sizeof(*w));
	if (!w)
		return NULL;
	w->uid = uid;
	w->is_admins = is_admins;
	list_append(&o->owners, &w->link);
	return w;
}

static uint64_t bytes_of(const struct outbox_event *ev)
{
	return EVENT_BYTES + strlen(ev->url) + strlen(ev->origin) + ev->body_len;
}

static void count_in(struct outbox_event *ev)
{
	struct outbox *o = ev->outbox;
	uint64_t bytes = bytes_of(ev);
	o->count++;
	o->bytes += bytes;
	o->n_unstored++;
	o->users_count += !ev->owner->is_admins;
	o->users_bytes += ev->owner->is_admins ? 0 : bytes;
	ev->owner->count++;
	ev->owner->bytes += bytes;
}

static void count_out(struct outbox_event *ev)
{
	struct outbox *o = ev->outbox;
	uint64_t bytes = bytes_of(ev);
	o->count--;
	o->bytes -= bytes;
	o->n_unstored -= !ev->is_stored;
	o->users_count -= !ev->owner->is_admins;
	o->users_bytes -= ev->owner->is_admins ? 0 : bytes;
	ev->owner->count--;
	ev->owner->bytes -= bytes;
}

static void note_call_over(struct outbox_event *ev)
{
	ev->call = NULL;
	list_remove(&ev->call_link);
	ev->owner->n_calls--;
	ev->outbox->n_calls--;
}

/* The owner goes with the last event. */
static void free_event(struct outbox_event *ev)
{
	struct outbox_owner *w = ev->owner;
	if (ev->call) {
		http_cancel(&ev->call);
		note_call_over(ev);
	}
	list_remove(&ev->link);
	count_out(ev);
	if (!w->count) {
		list_remove(&w->link);
		free(w);
	}
	free(ev->url);
	free(ev->origin);
	free(ev->body);
	free(ev);
}

static void remove_event(struct outbox_event *ev)
{
	char name[OUTBOX_NAME_MAX];
	file_name(ev, name);
	/* Where it could not be removed it is told once more by the next daemon. */
	if (ev->is_stored && outbox_store_remove(&ev->outbox->store, name) < 0)
		log_warning(
			"event %s could not be removed from %s", ev->id, ev->outbox->store.path);
	free_event(ev);
}

static void give_up(struct outbox_event *ev, enum metric_counter why, const char *text)
{
	log_warning("event %s for %s is given up after %u attempts: %s", ev->id, ev->origin,
		ev->attempts, text);
	metrics_add(ev->outbox->metrics, why, 1);
	remove_event(ev);
}

/* ---- on the disk ---- */

static void store_event(struct outbox_event *ev)
{
	struct outbox *o = ev->outbox;
	char name[OUTBOX_NAME_MAX];
	if (!o->store.path)
		return;
	file_name(ev, name);
	json_t *head = json_pack("{s:s, s:s, s:I, s:b, s:I}", "id", ev->id, "url", ev->url, "uid",
		(json_int_t)ev->owner->uid, "is_admins", ev->owner->is_admins, "created_ns",
		(json_int_t)ev->created_ns);
	int r = head ? outbox_store_write(&o->store, name, head, ev->body, ev->body_len) : -ENOMEM;
	json_decref(head);
	if (r < 0 && -r != o->fault)
		log_warning("events wait in memory only, and would be gone with the daemon: %s: %s",
			o->store.path, strerror(-r));
	else if (r == 0 && o->fault)
		log_info("events are written to %s again", o->store.path);
	o->fault = -r;
	if (r < 0)
		return;
	outbox_store_sync(&o->store, name);
	ev->is_stored = true;
	o->n_unstored--;
	/* It is read again when it is its turn: what waits long takes no memory. */
	free(ev->body);
	ev->body = NULL;
}

static int load_body(struct outbox_event *ev)
{
	char name[OUTBOX_NAME_MAX];
	json_t *head = NULL;
	size_t len = 0;
	if (ev->body)
		return 0;
	file_name(ev, name);
	int r = outbox_store_read(&ev->outbox->store, name, &head, &ev->body, &len);
	json_decref(head);
	if (r == 0 && len != ev->body_len) {
		free(ev->body);
		ev->body = NULL;
		r = -EBADMSG;
	}
	return r;
}

static void drop_body(struct outbox_event *ev)
{
	if (!ev->is_stored)
		return;
	free(ev->body);
	ev->body = NULL;
}

/* ---- attempts ---- */

static uint64_t deadline_left_ms(const struct outbox_event *ev)
{
	uint64_t now = clock_real_ns();
	uint64_t age_ms = now > ev->created_ns ? (now - ev->created_ns) / NS_PER_MS : 0;
	uint64_t all = ev->outbox->options->hooks.deadline_ms;
	return age_ms < all ? all - age_ms : 0;
}

static void try_later(struct outbox_event *ev, const struct http_answer *a)
{
	struct outbox *o = ev->outbox;
	char cause[HTTP_CAUSE_SIZE + 32], shown[HTTP_CAUSE_SIZE + 32], wait[UNITS_TEXT_SIZE];
	uint64_t random = 0;
	if (a->status)
		snprintf(cause, sizeof(cause), "HTTP status %d", a->status);
	else
		snprintf(cause, sizeof(cause), "%s", a->cause);
	/* Text of a stranger. */
	str_escape(cause, strlen(cause), shown, sizeof(shown));
	metrics_add(o->metrics, METRIC_HOOK_ATTEMPTS_FAILED, 1);
	if (a->status == 410 || (a->status >= 300 && a->status < 400)) {
		give_up(ev, METRIC_HOOKS_REFUSED,
			a->status == 410 ? "HTTP status 410, nobody wants it any more"
					 : "it was redirected, which is never followed: name the "
					   "address that it leads to");
		return;
	}
	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) < 0)
		random = clock_mono_ns();
	uint64_t ms = retry_delay_ms(ev->attempts, random, a->retry_after_ms);
	if (ms >= deadline_left_ms(ev)) {
		give_up(ev, METRIC_HOOKS_LATE, shown);
		return;
	}
	ev->next_ns = clock_boot_ns() + ms * NS_PER_MS;
	/* Its turn is over: what is newer is not to wait for what fails again and again. */
	list_remove(&ev->link);
	list_append(&o->events, &ev->link);
	units_format_duration(ms * NS_PER_MS, wait);
	log_line(ev->attempts == 1 ? LOG_LEVEL_INFO : LOG_LEVEL_DEBUG,
		"event %s for %s was not taken: %s; again in %s", ev->id, ev->origin, shown, wait);
}

static void on_answer(void *owner, const struct http_answer *a)
{
	struct outbox_event *ev = owner;
	struct outbox *o = ev->outbox;
	note_call_over(ev);
	drop_body(ev);
	if (a->status >= 200 && a->status < 300) {
		metrics_add(o->metrics, METRIC_HOOKS_DELIVERED, 1);
		log_debug("event %s was taken by %s", ev->id, ev->origin);
		remove_event(ev);
	} else {
		try_later(ev, a);
	}
	/* Not in the midst of libcurl's own work. */
	alarm_set(o->alarm, 0);
}

static int post(struct outbox_event *ev, const struct url *u, bool may_be_private)
{
	struct outbox *o = ev->outbox;
	char id[OUTBOX_ID_SIZE + 32], at[64], signature[SIGNATURE_TEXT_SIZE + 32];
	int64_t now_s = (int64_t)(clock_real_ns() / NS_PER_S);
	const size_t name_len = strlen("webhook-signature: ");
	const char *const headers[] = { "Content-Type: application/cloudevents+json; charset=utf-8",
		id, at, signature, NULL };
	snprintf(id, sizeof(id), "webhook-id: %s", ev->id);
	snprintf(at, sizeof(at), "webhook-timestamp: %" PRId64, now_s);
	memcpy(signature, "webhook-signature: ", name_len);
	int r = o->http ? 0 : http_create(o->loop, &o->http);
	if (r == 0)
		r = load_body(ev);
	if (r == 0)
		r = signature_make(
			o->keys, ev->id, now_s, ev->body, ev->body_len, signature + name_len);
	const struct http_request p = {
		.method = "POST",
		.url = u->text,
		.headers = headers,
		.body = ev->body,
		.body_len = ev->body_len,
		.may_be_private = may_be_private,
		.timeout_ms = o->options->hooks.timeout_ms,
		.ca_file = o->options->hooks.ca_file,
	};
	return r < 0 ? r : http_send(o->http, &p, on_answer, ev, &ev->call);
}

/* The event may be gone after this. */
static void attempt(struct outbox_event *ev)
{
	struct outbox *o = ev->outbox;
	struct url u;
	if (!deadline_left_ms(ev)) {
		give_up(ev, METRIC_HOOKS_LATE, "its time is over");
		return;
	}
	if (!o->keys->n || url_parse(ev->url, &u, NULL) < 0) {
		give_up(ev, METRIC_HOOKS_REFUSED, "it cannot be signed any more");
		return;
	}
	/* What the administrator has taken back meanwhile is not done. */
	const struct policy *policy = &o->options->policy;
	enum url_verdict v = url_judge(&u, policy->hook_hosts, policy->hook_private_hosts);
	if (v != URL_PUBLIC && v != URL_ANYWHERE) {
		give_up(ev, METRIC_HOOKS_REFUSED, "the configuration does not allow it any more");
		url_finish(&u);
		return;
	}
	int r = post(ev, &u, v == URL_ANYWHERE);
	url_finish(&u);
	if (r == 0) {
		ev->attempts++;
		list_append(&o->calls, &ev->call_link);
		ev->owner->n_calls++;
		o->n_calls++;
	} else if (r == -EBADMSG || r == -ENOENT) {
		give_up(ev, METRIC_HOOKS_LOST, "its record on the disk is damaged or gone");
	} else {
		drop_body(ev);
		log_warning("event %s could not be sent: %s", ev->id, strerror(-r));
		ev->next_ns = clock_boot_ns() + SHORT_WAIT_MS * NS_PER_MS;
	}
}

/* One host that answers to nobody does not keep others waiting. */
static bool has_room(const struct outbox *o, const struct outbox_event *ev)
{
	size_t n_kind = 0, n_host = 0, n_host_kind = 0, n_host_own = 0;
	if (ev->owner->n_calls >= OUTBOX_CALLS_UID)
		return false;
	list_for_each (pos, &o->calls) {
		const struct outbox_event *other = list_entry(pos, struct outbox_event, call_link);
		bool is_there = !strcmp(other->origin, ev->origin);
		bool is_kind = other->owner->is_admins == ev->owner->is_admins;
		n_kind += is_kind;
		n_host += is_there;
		n_host_kind += is_there && is_kind;
		n_host_own += is_there && other->owner == ev->owner;
	}
	return n_kind < OUTBOX_CALLS_KIND && n_host < OUTBOX_CALLS_HOST &&
	       n_host_kind < OUTBOX_CALLS_HOST_KIND && n_host_own < OUTBOX_CALLS_HOST_UID;
}

static void run_due(struct outbox *o)
{
	uint64_t now = clock_boot_ns(), next = UINT64_MAX;
	list_for_each_safe (pos, &o->events) {
		struct outbox_event *ev = list_entry(pos, struct outbox_event, link);
		if (ev->call)
			continue;
		if (o->n_calls >= OUTBOX_CALLS)
			return; /* the end of one comes back to here */
		if (ev->next_ns > now)
			next = ev->next_ns < next ? ev->next_ns : next;
		else if (has_room(o, ev))
			attempt(ev);
	}
	/* Those of this round that wait for their next time, too. */
	list_for_each (pos, &o->events) {
		const struct outbox_event *ev = list_entry(pos, struct outbox_event, link);
		if (!ev->call && ev->next_ns > now && ev->next_ns < next)
			next = ev->next_ns;
	}
	if (next != UINT64_MAX)
		alarm_set(o->alarm, (next - now) / NS_PER_MS + 1);
}

static void on_alarm(void *owner)
{
	run_due(owner);
}

/* ---- adding ---- */

/* NULL: no memory. */
static struct outbox_event *make_event(struct outbox *o, uid_t uid, bool is_admins, const char *id,
	const char *text, uint64_t created_ns, size_t body_len)
{
	struct url u = { 0 };
	struct outbox_owner *w = NULL;
	struct outbox_event *ev = calloc(1, sizeof(*ev));
	if (ev && url_parse(text, &u, NULL) == 0)
		w = get_owner(o, uid, is_admins);
	if (!w) {
		url_finish(&u);
		free(ev);
		return NULL;
	}
	ev->outbox = o;
	ev->owner = w;
	ev->url = take_ptr(u.text);
	ev->origin = take_ptr(u.origin);
	url_finish(&u);
	snprintf(ev->id, sizeof(ev->id), "%s", id);
	ev->created_ns = created_ns;
	ev->body_len = body_len;
	list_append(&o->events, &ev->link);
	list_init(&ev->call_link);
	count_in(ev);
	return ev;
}

static bool is_too_much(const struct outbox *o, const struct outbox_owner *w)
{
	const struct hook_options *h = &o->options->hooks;
	return w->count > h->max_count_uid || w->bytes > h->max_bytes_uid;
}

static bool are_users_too_much(const struct outbox *o)
{
	return o->users_count > OUTBOX_COUNT_USERS || o->users_bytes > OUTBOX_BYTES_USERS;
}

static bool is_whole_too_much(const struct outbox *o)
{
	return o->count > OUTBOX_COUNT_MAX || o->bytes > OUTBOX_BYTES_MAX;
}

/* Once until there is room again. */
static void tell_full(struct outbox_owner *w)
{
	if (!w->is_full)
		log_warning("user id %u%s: %zu events wait already (%" PRIu64
			    " bytes); more are given up until there is room",
			(unsigned)w->uid, w->is_admins ? ", for the administrator" : "",
			w->count - 1, w->bytes);
	w->is_full = true;
}

static void tell_whole_full(struct outbox *o, bool is_users)
{
	if (!o->is_full)
		log_warning("%zu events of all users wait already (%" PRIu64
			    " bytes%s); until there is room, the newest of who has most are given "
			    "up",
			is_users ? o->users_count - 1 : o->count - 1,
			is_users ? o->users_bytes : o->bytes,
			is_users ? ", without the administrator's own" : "");
	o->is_full = true;
}

/* The newest that is not under way, of the account that has most; NULL: all are. */
static struct outbox_event *find_newest_of_most(struct outbox *o, bool is_users)
{
	const struct outbox_owner *most = NULL;
	struct outbox_event *newest = NULL;
	list_for_each (pos, &o->owners) {
		const struct outbox_owner *w = list_entry(pos, struct outbox_owner, link);
		if (w->count > w->n_calls && !(is_users && w->is_admins) &&
			(!most || w->bytes > most->bytes))
			most = w;
	}
	list_for_each (pos, &o->events) {
		struct outbox_event *ev = list_entry(pos, struct outbox_event, link);
		if (ev->owner == most && !ev->call &&
			(!newest || ev->created_ns >= newest->created_ns))
			newest = ev;
	}
	return newest;
}

/* Returns whether the new one is still there. */
static bool make_room(struct outbox *o, const struct outbox_event *new)
{
	bool is_there = true, is_users;
	o->is_full &= are_users_too_much(o) || is_whole_too_much(o);
	while ((is_users = are_users_too_much(o)) || is_whole_too_much(o)) {
		struct outbox_event *ev = find_newest_of_most(o, is_users);
		if (!ev)
			break;
		tell_whole_full(o, is_users);
		is_there &= ev != new;
		metrics_add(o->metrics, METRIC_HOOKS_FULL, 1);
		remove_event(ev);
	}
	return is_there;
}

void outbox_add(struct outbox *o, uid_t uid, bool is_admins, const char *id, const char *url,
	char *take_body, size_t len)
{
	struct outbox_event *ev =
		take_body ? make_event(o, uid, is_admins, id, url, clock_real_ns(), len) : NULL;
	if (!ev) {
		free(take_body);
		log_warning("event %s is given up: no memory", id);
		metrics_add(o->metrics, METRIC_HOOKS_LOST, 1);
		return;
	}
	ev->body = take_body;
	if (is_too_much(o, ev->owner)) {
		tell_full(ev->owner);
		metrics_add(o->metrics, METRIC_HOOKS_FULL, 1);
		free_event(ev);
		return;
	}
	ev->owner->is_full = false;
	if (!make_room(o, ev))
		return;
	store_event(ev);
	alarm_set(o->alarm, 0);
}

bool outbox_has(const struct outbox *o, const char *id)
{
	list_for_each (pos, &o->events)
		if (!strcmp(list_entry(pos, struct outbox_event, link)->id, id))
			return true;
	return false;
}

void outbox_tick(struct outbox *o)
{
	if (!o->n_unstored || !o->store.path)
		return;
	list_for_each (pos, &o->events) {
		struct outbox_event *ev = list_entry(pos, struct outbox_event, link);
		if (!ev->is_stored && !ev->call)
			store_event(ev);
		if (o->fault)
			return;
	}
}

void outbox_check_again(struct outbox *o)
{
	if (o->count)
		alarm_set(o->alarm, 0);
}

/* ---- life ---- */

static void take_in(void *owner, const char *name, const json_t *head, size_t body_len)
{
	struct outbox *o = owner;
	const char *id = json_string_value(json_object_get(head, "id"));
	const char *url = json_string_value(json_object_get(head, "url"));
	const json_t *uid = json_object_get(head, "uid");
	const json_t *created = json_object_get(head, "created_ns");
	if (!id || !url || !json_is_integer(uid) || !json_is_integer(created) ||
		strlen(id) >= OUTBOX_ID_SIZE || strncmp(name, id, strlen(id)) != 0) {
		log_warning("%s/%s is not of this version, and left as it is", o->store.path, name);
		return;
	}
	struct outbox_event *ev = make_event(o, (uid_t)json_integer_value(uid),
		json_is_true(json_object_get(head, "is_admins")), id, url,
		(uint64_t)json_integer_value(created), body_len);
	if (!ev) {
		log_warning("%s/%s cannot be taken in, and is left as it is", o->store.path, name);
		return;
	}
	ev->is_stored = true;
	o->n_unstored--;
}

int outbox_init(struct outbox *o, uv_loop_t *loop, const struct options *options,
	const struct signature_keys *keys, struct metrics *metrics, const char *dir)
{
	struct err e;
	size_t n_bad = 0;
	*o = (struct outbox){ .loop = loop, .options = options, .keys = keys, .metrics = metrics };
	list_init(&o->events);
	list_init(&o->owners);
	list_init(&o->calls);
	int r = syncer_create(loop, &o->syncer);
	if (r < 0)
		return r;
	if (outbox_store_init(&o->store, o->syncer, dir, "outbox", &e) < 0)
		log_warning("events are kept in memory only: %s", e.msg);
	r = outbox_store_each(&o->store, ENDING, take_in, o, &n_bad);
	if (r < 0)
		log_warning("%s could not be read: %s", o->store.path, strerror(-r));
	if (n_bad)
		log_warning("%s: %zu damaged records were set aside (.bad)", o->store.path, n_bad);
	if (o->count)
		log_info("%zu events of an earlier daemon are to be sent", o->count);
	r = alarm_create(loop, on_alarm, o, &o->alarm);
	if (r == 0 && o->count)
		alarm_set(o->alarm, 0);
	return r;
}

void outbox_finish(struct outbox *o)
{
	if (!o->loop)
		return;
	if (o->count)
		log_info("%zu events wait for the next daemon%s", o->count - o->n_unstored,
			o->n_unstored ? "; others are lost with this one" : "");
	list_for_each_safe (pos, &o->events)
		free_event(list_entry(pos, struct outbox_event, link));
	http_destroy(&o->http);
	alarm_destroy(&o->alarm);
	syncer_destroy(&o->syncer);
	outbox_store_finish(&o->store);
}
