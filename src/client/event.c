/* One event: made from a line of JSON, and what can be asked of it. */
#include "base/base64.h"
#include "base/cleanup.h"
#include "base/str.h"
#include "client/error.h"
#include "client/reader.h"
#include "proto/request.h"

#include <dayfly/client.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *const type_names[] = {
	[DAYFLY_EVENT_ACCEPTED] = "accepted",
	[DAYFLY_EVENT_STATE] = "state",
	[DAYFLY_EVENT_OUTPUT] = "output",
	[DAYFLY_EVENT_DENIED] = "denied",
	[DAYFLY_EVENT_RESULT] = "result",
	[DAYFLY_EVENT_ERROR] = "error",
	[DAYFLY_EVENT_TASK] = "task",
	[DAYFLY_EVENT_MISSED] = "missed",
	[DAYFLY_EVENT_UPLOAD] = "upload",
	[DAYFLY_EVENT_SUBSCRIBED] = "subscribed",
	[DAYFLY_EVENT_OTHER] = "", /* no event has this name */
	[DAYFLY_EVENT_GONE] = "gone",
};

static int not_understood(struct dayfly_error *e, const char *what)
{
	error_text(e, ERR_PROTOCOL, EPROTO, "the daemon sent %s", what);
	error_hint(e, "is it a dayfly daemon, and of the same version? (dayfly info)");
	return -EPROTO;
}

static const char *member_text(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));
	return text ? text : "";
}

static uint64_t member_count(const json_t *object, const char *key)
{
	json_int_t n = json_integer_value(json_object_get(object, key));
	return n > 0 ? (uint64_t)n : 0;
}

static enum dayfly_event_type type_of(const char *name)
{
	for (size_t i = 1; i < ARRAY_SIZE(type_names); i++)
		if (!strcmp(name, type_names[i]))
			return (enum dayfly_event_type)i;
	return DAYFLY_EVENT_OTHER;
}

/* Our tags are numbers; an event without one of ours answers no request (0). */
static uint64_t parse_tag(const char *tag)
{
	uint64_t v = 0;
	if (!*tag || strlen(tag) > 19 || strspn(tag, "0123456789") != strlen(tag))
		return 0;
	for (; *tag; tag++)
		v = v * 10 + (uint64_t)(*tag - '0');
	return v;
}

/* The bytes of an output event: after the line, in its text, or in base64. */
static int take_output(struct dayfly_event *ev, size_t *ret_missing, struct dayfly_error *e)
{
	const char *stream = member_text(ev->json, "stream");
	ev->stream = !strcmp(stream, "stderr") ? DAYFLY_STREAM_STDERR : DAYFLY_STREAM_STDOUT;
	ev->seq = member_count(ev->json, "seq");
	ev->truncated = member_count(ev->json, "truncated");

	const json_t *text = json_object_get(ev->json, "text");
	const json_t *base64 = json_object_get(ev->json, "base64");
	uint64_t bytes = member_count(ev->json, "bytes");
	if (bytes > READER_BYTES_MAX)
		return not_understood(e, "more output at once than is allowed");
	if (json_is_string(base64)) {
		size_t len = json_string_length(base64);
		ev->data = malloc(base64_decoded_max(len) + 1);
		if (!ev->data)
			return error_set(e, ERR_INTERNAL, ENOMEM, "read output");
		if (base64_decode(json_string_value(base64), len, ev->data, &ev->data_len) < 0)
			return not_understood(e, "bad base64");
		return 0;
	}
	ev->data_len = json_is_string(text) ? json_string_length(text) : (size_t)bytes;
	if (!ev->data_len)
		return 0;
	ev->data = malloc(ev->data_len);
	if (!ev->data)
		return error_set(e, ERR_INTERNAL, ENOMEM, "read output");
	if (json_is_string(text))
		memcpy(ev->data, json_string_value(text), ev->data_len);
	else
		*ret_missing = ev->data_len;
	return 0;
}

int event_parse(const char *line, size_t len, struct dayfly_event **ret, size_t *ret_missing,
	struct dayfly_error *e)
{
	struct dayfly_event *ev = calloc(1, sizeof(*ev));
	if (!ev)
		return error_set(e, ERR_INTERNAL, ENOMEM, "read an event");
	list_init(&ev->link);
	ev->line = strndup(line, len);
	ev->json = json_loadb(line, len, JSON_ALLOW_NUL, NULL);
	int r = 0;
	if (!ev->line || !json_is_object(ev->json)) {
		r = not_understood(e, "a line that is no JSON object");
	} else {
		ev->type = type_of(member_text(ev->json, "event"));
		ev->request = parse_tag(member_text(ev->json, "id"));
		ev->task = member_text(ev->json, "task");
		ev->state = member_text(ev->json, "state");
		if (ev->type == DAYFLY_EVENT_OUTPUT)
			r = take_output(ev, ret_missing, e);
	}
	if (r < 0) {
		dayfly_event_free(ev);
		return r;
	}
	*ret = ev;
	return 0;
}

void dayfly_event_free(struct dayfly_event *ev)
{
	if (!ev)
		return;
	list_remove(&ev->link);
	free(ev->data);
	free(ev->result_text);
	free(ev->line);
	json_decref(ev->json);
	free(ev);
}

size_t event_size(const struct dayfly_event *ev)
{
	/* The parsed form takes a few times the room of the line. */
	return sizeof(*ev) + 4 * strlen(ev->line) + ev->data_len;
}

enum dayfly_event_type dayfly_event_type(const struct dayfly_event *ev)
{
	return ev->type;
}

uint64_t dayfly_event_request(const struct dayfly_event *ev)
{
	return ev->request;
}

const char *dayfly_event_task(const struct dayfly_event *ev)
{
	return ev->task;
}

int dayfly_event_waiting(
	const struct dayfly_event *ev, uint64_t *ret_position, uint64_t *ret_wait_ms)
{
	const json_t *position = json_object_get(ev->json, "position");
	const json_t *wait = json_object_get(ev->json, "wait_ms");
	if (ev->type != DAYFLY_EVENT_STATE || !json_is_integer(position) ||
		json_integer_value(position) < 0)
		return -ENOENT;
	json_int_t ms = json_integer_value(wait);
	*ret_position = (uint64_t)json_integer_value(position);
	*ret_wait_ms = ms > 0 ? (uint64_t)ms : 0;
	return 0;
}

const char *dayfly_event_fetching(const struct dayfly_event *ev)
{
	const char *source = json_string_value(json_object_get(ev->json, "source"));
	return ev->type == DAYFLY_EVENT_STATE && source ? source : "";
}

const char *dayfly_event_state(const struct dayfly_event *ev)
{
	bool has_state = ev->type == DAYFLY_EVENT_STATE || ev->type == DAYFLY_EVENT_TASK;
	return has_state ? ev->state : "";
}

uint64_t dayfly_event_missed(const struct dayfly_event *ev)
{
	return ev->type == DAYFLY_EVENT_MISSED ? member_count(ev->json, "missed") : 0;
}

enum dayfly_stream dayfly_event_stream(const struct dayfly_event *ev)
{
	return ev->stream;
}

const void *dayfly_event_data(const struct dayfly_event *ev, size_t *ret_len)
{
	if (ret_len)
		*ret_len = ev->data_len;
	return ev->data ? ev->data : "";
}

uint64_t dayfly_event_seq(const struct dayfly_event *ev)
{
	return ev->seq;
}

uint64_t dayfly_event_truncated(const struct dayfly_event *ev)
{
	return ev->truncated;
}

const char *dayfly_event_json(const struct dayfly_event *ev)
{
	return ev->line;
}

static const json_t *result_of(const struct dayfly_event *ev)
{
	return ev->type == DAYFLY_EVENT_RESULT ? json_object_get(ev->json, "result") : NULL;
}

const char *dayfly_event_result_json(struct dayfly_event *ev)
{
	const json_t *result = result_of(ev);
	if (!ev->result_text && result)
		ev->result_text = json_dumps(result, JSON_COMPACT | JSON_ENCODE_ANY);
	return ev->result_text;
}

static const json_t *result_member(const struct dayfly_event *ev, const char *path)
{
	const json_t *at = result_of(ev);
	while (at && *path) {
		char key[64];
		size_t len = strcspn(path, ".");
		if (len >= sizeof(key))
			return NULL;
		memcpy(key, path, len);
		key[len] = '\0';
		at = json_object_get(at, key);
		path += len + (path[len] == '.');
	}
	return at;
}

const char *dayfly_event_result_text(const struct dayfly_event *ev, const char *path)
{
	return json_string_value(result_member(ev, path));
}

int dayfly_event_result_number(const struct dayfly_event *ev, const char *path, int64_t *ret)
{
	const json_t *member = result_member(ev, path);
	if (json_is_integer(member))
		*ret = json_integer_value(member);
	else if (json_is_boolean(member))
		*ret = json_is_true(member);
	else
		return -ENOENT;
	return 0;
}

const char *dayfly_event_outcome(const struct dayfly_event *ev)
{
	const char *text = dayfly_event_result_text(ev, "outcome");
	return text ? text : "";
}

const char *dayfly_event_cause(const struct dayfly_event *ev)
{
	const char *text = dayfly_event_result_text(ev, "cause");
	return text ? text : "";
}

int dayfly_event_error(const struct dayfly_event *ev, struct dayfly_error *ret)
{
	const json_t *error = NULL;
	if (ev->type == DAYFLY_EVENT_ERROR || ev->type == DAYFLY_EVENT_GONE)
		error = json_object_get(ev->json, "error");
	else if (ev->type == DAYFLY_EVENT_RESULT)
		error = result_member(ev, "error");
	if (ev->type != DAYFLY_EVENT_ERROR && !json_is_object(error))
		return 0;
	error_from_json(ret, error);
	return 1;
}

/* The number of the signal that ended the task, 0 if none did. */
static int exit_signal(const struct dayfly_event *ev)
{
	int64_t n = 0;
	const char *name = dayfly_event_result_text(ev, "exit.signal");
	if (name)
		n = signal_number(name);
	else
		dayfly_event_result_number(ev, "exit.signal", &n);
	return n > 0 && n <= 64 ? (int)n : 0;
}

int dayfly_event_exit_status(const struct dayfly_event *ev)
{
	const char *cause = dayfly_event_cause(ev);
	int64_t code;
	/* A task that failed on a full disk has still left in its own way. */
	bool is_own_end = !strcmp(cause, "exit") || !strcmp(cause, "disk_limit");
	if (is_own_end && dayfly_event_result_number(ev, "exit.code", &code) == 0)
		return (int)(code & 0xff);
	if (str_starts(cause, "timeout_"))
		return 124;
	if (!strcmp(cause, "exec")) {
		int64_t errnum = 0;
		dayfly_event_result_number(ev, "error.errno", &errnum);
		return errnum == ENOENT || errnum == ENOTDIR ? 127 : 126;
	}
	if (!strcmp(cause, "cancel") || !strcmp(cause, "client_gone"))
		return 130;
	static const char *const by_signal[] = { "signal", "oom", "seccomp", "output_limit",
		"disk_limit" };
	for (size_t i = 0; i < ARRAY_SIZE(by_signal); i++)
		if (!strcmp(cause, by_signal[i]))
			return 128 + (exit_signal(ev) ? exit_signal(ev) : 9);
	return 125;
}
