/* The requests, one function each. */
#include "base/cleanup.h"
#include "base/str.h"
#include "base/units.h"
#include "client/client_priv.h"
#include "client/error.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static int bad_text(struct dayfly_error *e, const char *what)
{
	return error_text(e, ERR_BAD_VALUE, EILSEQ, "the %s is not UTF-8", what);
}

/* Sets member `key` of the request to a text that came from the caller. */
static int set_text(json_t *request, const char *key, const char *text, struct dayfly_error *e)
{
	if (!text)
		return error_text(e, ERR_MISSING_FIELD, EINVAL, "no %s", key);
	if (!str_is_utf8(text, strlen(text)))
		return bad_text(e, key);
	return json_object_set_new(request, key, json_string(text)) < 0
		       ? error_set(e, ERR_INTERNAL, ENOMEM, "write a request")
		       : 0;
}

static int send_plain(struct dayfly_client *c, json_t *take_request, uint64_t *ret_request,
	struct dayfly_error *e)
{
	return send_request(c, take_request, NULL, 0, NULL, 0, ret_request, e);
}

/* {"op":OP,"task":TASK}, sent unless it could not be made. Takes `take_request`. */
static int send_for_task(struct dayfly_client *c, json_t *take_request, const char *task,
	uint64_t *ret_request, struct dayfly_error *e)
{
	int r = set_text(take_request, "task", task, e);
	if (r < 0) {
		json_decref(take_request);
		return r;
	}
	return send_plain(c, take_request, ret_request, e);
}

static const char *framing_name(const struct dayfly_client *c)
{
	return c->framing == DAYFLY_FRAMING_RAW ? "raw" : "json";
}

int dayfly_run(struct dayfly_client *c, const struct dayfly_task *t, unsigned flags,
	uint64_t *ret_request, struct dayfly_error *e)
{
	int fds[LIMIT_REQUEST_FDS];
	size_t n_fds = 0;
	json_t *task = NULL;
	int r = task_to_json(t, &task, fds, &n_fds, e);
	if (r < 0)
		return r;
	json_t *request =
		json_pack("{s:s, s:s, s:o}", "op", "run", "framing", framing_name(c), "task", task);
	if (request && (flags & DAYFLY_RUN_DETACH))
		json_object_set_new(request, "detach", json_true());
	return send_request(c, request, NULL, 0, fds, n_fds, ret_request, e);
}

int dayfly_attach(struct dayfly_client *c, const char *task, uint64_t after, uint64_t *ret_request,
	struct dayfly_error *e)
{
	return send_for_task(c,
		json_pack("{s:s, s:s, s:I}", "op", "attach", "framing", framing_name(c), "after",
			(json_int_t)after),
		task, ret_request, e);
}

int dayfly_logs(struct dayfly_client *c, const char *task, uint64_t after, int follow,
	uint64_t *ret_request, struct dayfly_error *e)
{
	return send_for_task(c,
		json_pack("{s:s, s:s, s:I, s:b}", "op", "logs", "framing", framing_name(c), "after",
			(json_int_t)after, "follow", follow),
		task, ret_request, e);
}

int dayfly_wait(
	struct dayfly_client *c, const char *task, uint64_t *ret_request, struct dayfly_error *e)
{
	return send_for_task(c, json_pack("{s:s}", "op", "wait"), task, ret_request, e);
}

int dayfly_input(struct dayfly_client *c, const char *task, const void *data, size_t len, int eof,
	uint64_t *ret_request, struct dayfly_error *e)
{
	if (len > DAYFLY_INPUT_MAX)
		return error_text(e, ERR_TOO_LARGE, E2BIG, "more than %d bytes of input at once",
			DAYFLY_INPUT_MAX);
	json_t *request = json_pack("{s:s}", "op", "input");
	int r = set_text(request, "task", task, e);
	if (r == 0 && len &&
		json_object_set_new(request, "bytes", json_integer((json_int_t)len)) < 0)
		r = error_set(e, ERR_INTERNAL, ENOMEM, "write a request");
	if (r == 0 && eof && json_object_set_new(request, "eof", json_true()) < 0)
		r = error_set(e, ERR_INTERNAL, ENOMEM, "write a request");
	if (r < 0) {
		json_decref(request);
		return r;
	}
	return send_request(c, request, data, len, NULL, 0, ret_request, e);
}

int dayfly_resize(struct dayfly_client *c, const char *task, unsigned rows, unsigned cols,
	uint64_t *ret_request, struct dayfly_error *e)
{
	return send_for_task(c,
		json_pack("{s:s, s:I, s:I}", "op", "resize", "rows", (json_int_t)rows, "cols",
			(json_int_t)cols),
		task, ret_request, e);
}

int dayfly_signal(struct dayfly_client *c, const char *task, const char *signal,
	uint64_t *ret_request, struct dayfly_error *e)
{
	json_t *request = json_pack("{s:s}", "op", "signal");
	int r = set_text(request, "signal", signal, e);
	if (r < 0) {
		json_decref(request);
		return r;
	}
	return send_for_task(c, request, task, ret_request, e);
}

int dayfly_cancel(
	struct dayfly_client *c, const char *task, uint64_t *ret_request, struct dayfly_error *e)
{
	return send_for_task(c, json_pack("{s:s}", "op", "cancel"), task, ret_request, e);
}

static int send_list(struct dayfly_client *c, json_t *request, const char *label,
	uint64_t *ret_request, struct dayfly_error *e)
{
	int r = label ? set_text(request, "label", label, e) : 0;
	if (r < 0) {
		json_decref(request);
		return r;
	}
	return send_plain(c, request, ret_request, e);
}

int dayfly_list(struct dayfly_client *c, int all, const char *label, uint64_t *ret_request,
	struct dayfly_error *e)
{
	return send_list(
		c, json_pack("{s:s, s:b}", "op", "list", "all", all), label, ret_request, e);
}

int dayfly_list_usage(struct dayfly_client *c, int all, const char *label, uint64_t *ret_request,
	struct dayfly_error *e)
{
	return send_list(c, json_pack("{s:s, s:b, s:b}", "op", "list", "all", all, "usage", 1),
		label, ret_request, e);
}

int dayfly_events(struct dayfly_client *c, unsigned flags, const char *label, const char *task,
	uint64_t *ret_request, struct dayfly_error *e)
{
	json_t *request = json_pack("{s:s, s:b, s:b}", "op", "events", "all",
		flags & DAYFLY_EVENTS_ALL_USERS, "snapshot", flags & DAYFLY_EVENTS_SNAPSHOT);
	int r = label ? set_text(request, "label", label, e) : 0;
	if (r == 0 && task)
		r = set_text(request, "task", task, e);
	if (r < 0) {
		json_decref(request);
		return r;
	}
	return send_plain(c, request, ret_request, e);
}

int dayfly_unsubscribe(struct dayfly_client *c, uint64_t subscription, uint64_t *ret_request,
	struct dayfly_error *e)
{
	char tag[24];
	snprintf(tag, sizeof(tag), "%" PRIu64, subscription);
	return send_plain(
		c, json_pack("{s:s, s:s}", "op", "unsubscribe", "request", tag), ret_request, e);
}

int dayfly_inspect(
	struct dayfly_client *c, const char *task, uint64_t *ret_request, struct dayfly_error *e)
{
	return send_for_task(c, json_pack("{s:s}", "op", "inspect"), task, ret_request, e);
}

/* Adds "name=value" to the request: numbers and words as what they are. */
static int add_filter(json_t *request, const char *filter, struct dayfly_error *e)
{
	static const char *const numbers[] = { "uid", "limit" };
	const char *eq = strchr(filter, '=');
	char key[32];
	uint64_t n;
	if (!eq || eq == filter || (size_t)(eq - filter) >= sizeof(key))
		return error_text(e, ERR_BAD_VALUE, EINVAL, "a filter is not name=value");
	memcpy(key, filter, (size_t)(eq - filter));
	key[eq - filter] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		if (strcmp(key, numbers[i]))
			continue;
		if (units_parse_uint(eq + 1, INT64_MAX, &n) < 0)
			return error_text(e, ERR_BAD_VALUE, EINVAL, "%s is not a number", key);
		return json_object_set_new(request, key, json_integer((json_int_t)n)) < 0
			       ? error_set(e, ERR_INTERNAL, ENOMEM, "write a request")
			       : 0;
	}
	if (strcmp(key, "all"))
		return set_text(request, key, eq + 1, e);
	return json_object_set_new(request, key, json_boolean(!strcmp(eq + 1, "true"))) < 0
		       ? error_set(e, ERR_INTERNAL, ENOMEM, "write a request")
		       : 0;
}

int dayfly_history(struct dayfly_client *c, const char *const *filters, uint64_t *ret_request,
	struct dayfly_error *e)
{
	json_t *request = json_pack("{s:s}", "op", "history");
	int r = request ? 0 : error_set(e, ERR_INTERNAL, ENOMEM, "write a request");
	for (; r == 0 && filters && *filters; filters++)
		r = add_filter(request, *filters, e);
	if (r < 0) {
		json_decref(request);
		return r;
	}
	return send_plain(c, request, ret_request, e);
}

int dayfly_uploads(struct dayfly_client *c, const char *task, int watch, uint64_t *ret_request,
	struct dayfly_error *e)
{
	json_t *request = json_pack("{s:s, s:b}", "op", "uploads", "watch", watch);
	int r = task ? set_text(request, "task", task, e) : 0;
	if (r < 0) {
		json_decref(request);
		return r;
	}
	return send_plain(c, request, ret_request, e);
}

int dayfly_info(struct dayfly_client *c, uint64_t *ret_request, struct dayfly_error *e)
{
	return send_plain(c, json_pack("{s:s}", "op", "info"), ret_request, e);
}

int dayfly_drain(struct dayfly_client *c, int on, uint64_t *ret_request, struct dayfly_error *e)
{
	return send_plain(c, json_pack("{s:s, s:b}", "op", "drain", "on", on), ret_request, e);
}

int dayfly_stats(struct dayfly_client *c, uint64_t *ret_request, struct dayfly_error *e)
{
	return send_plain(c, json_pack("{s:s}", "op", "stats"), ret_request, e);
}

int dayfly_ping(struct dayfly_client *c, uint64_t *ret_request, struct dayfly_error *e)
{
	return send_plain(c, json_pack("{s:s}", "op", "ping"), ret_request, e);
}
