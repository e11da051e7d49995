/* Bodies of webhooks: see webhook_body.h. */
#include "daemon/webhook_body.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/str.h"
#include "daemon/json_build.h"
#include "proto/schema.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *webhook_event_name(enum webhook_event event)
{
	for (const struct schema_word *w = schema_webhook_words; w->name; w++)
		if (w->value == (int)event)
			return w->name;
	return "?";
}

void webhook_id(const char *task, enum webhook_event event, size_t nth, char out[OUTBOX_ID_SIZE])
{
	/* Without the "t-"; a dot is not allowed in it, since the signature has dots between. */
	const char *digits = str_starts(task, "t-") ? task + 2 : task;
	snprintf(out, OUTBOX_ID_SIZE, "evt_%.32s_%s_%zu", digits, webhook_event_name(event), nth);
}

static json_t *labels(char *const *v)
{
	json_t *o = json_object();
	for (; o && v && *v; v++) {
		size_t len = strcspn(*v, "=");
		auto_free char *key = (*v)[len] ? strndup(*v, len) : NULL;
		if (key)
			json_build_put(&o, key, json_build_text(*v + len + 1));
	}
	return o;
}

/* A copy without the names of files. */
static json_t *public_result(const json_t *result, bool with_details)
{
	static const char *const details[] = { "degraded", "enforced", "error" };
	json_t *o = json_copy((json_t *)result);
	static const char *const lists[] = { "changes", "artifacts" };
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		json_t *files = json_object_get(o, lists[i]);
		if (!json_is_object(files))
			continue;
		json_t *fewer = json_copy(files);
		json_object_del(fewer, "list");
		json_object_del(fewer, "missing");
		json_object_del(fewer, "truncated");
		json_build_put(&o, lists[i], fewer);
	}
	for (size_t i = 0; o && !with_details && i < ARRAY_SIZE(details); i++)
		json_build_put(&o, details[i], json_null());
	return o;
}

static char *make_text(
	const struct webhook_facts *f, const char *id, const char *source, bool with_details)
{
	json_t *data = json_pack("{s:s, s:s, s:o, s:o, s:I, s:o, s:o}", "event",
		webhook_event_name(f->event), "task", f->task, "name", json_build_text(f->name),
		"labels", labels(f->labels), "uid", (json_int_t)f->uid, "created",
		json_build_stamp(f->created_ns), "started", json_build_stamp(f->started_ns));
	if (data && f->result)
		json_build_put(&data, "result", public_result(f->result, with_details));
	json_t *o = json_pack("{s:s, s:s, s:s, s:s+, s:s, s:o, s:s, s:o}", "specversion", "1.0",
		"id", id, "source", source, "type", "dayfly.task.", webhook_event_name(f->event),
		"subject", f->task, "time", json_build_stamp(f->at_ns), "datacontenttype",
		"application/json", "data", data);
	char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;
	json_decref(o);
	return text;
}

char *webhook_body(const struct webhook_facts *f, const char *id, const char *source)
{
	char *text = make_text(f, id, source, true);
	if (!text || strlen(text) <= WEBHOOK_BODY_MAX)
		return text;
	free(text);
	return make_text(f, id, source, false);
}
