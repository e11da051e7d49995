/* What a task changed, as JSON: see result.h. The names are the task's and may be any bytes. */
#include "task/result.h"

#include "base/base64.h"
#include "base/cleanup.h"
#include "base/limits.h"
#include "base/str.h"
#include "plan/change_list.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static json_t *known_or_null(struct known_u64 n)
{
	if (!n.is_known)
		return json_null();
	return json_integer(n.value > INT64_MAX ? INT64_MAX : (json_int_t)n.value);
}

/* A name as text, or else as base64: no two names look the same. */
int result_put_path(json_t *object, const char *path)
{
	size_t len = strlen(path);
	if (str_is_utf8(path, len))
		return json_object_set_new(object, "path", json_stringn(path, len));
	size_t size = base64_encoded_size(len);
	auto_free char *text = malloc(size);
	if (!text)
		return -1;
	base64_encode(path, len, text);
	return json_object_set_new(object, "path_base64", json_stringn(text, size));
}

static json_t *entry_to_json(const struct change_entry *c)
{
	char mode[8];
	snprintf(mode, sizeof(mode), "%04o", c->mode & 07777);
	json_t *object = json_pack("{s:s,s:s,s:s,s:I}", "change", change_kind_name(c->kind), "type",
		change_type_name(c->type), "mode", mode, "bytes",
		(json_int_t)(c->bytes > INT64_MAX ? INT64_MAX : c->bytes));
	if (object && result_put_path(object, c->path) == 0)
		return object;
	json_decref(object);
	return NULL;
}

static int compare_entries(const void *a, const void *b)
{
	const struct change_entry *x = a, *y = b;
	int order = strcmp(x->path, y->path);
	/* Something else in its place: first that it went. */
	return order ? order : (y->kind == CHANGE_DELETED) - (x->kind == CHANGE_DELETED);
}

static json_t *entries_to_json(const struct change_entry *entries, size_t n)
{
	json_t *list = json_array();
	for (size_t i = 0; list && i < n; i++) {
		if (json_array_append_new(list, entry_to_json(&entries[i])) < 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

/* In the order of the names; a directory lists them in any. */
static json_t *list_to_json(const struct buf *bytes)
{
	struct change_entry *entries = calloc(LIMIT_CHANGES_LISTED, sizeof(*entries));
	struct buf_reader r = { .p = (const uint8_t *)buf_data(bytes), .left = buf_len(bytes) };
	size_t n = 0;
	if (!entries)
		return NULL;
	while (n < LIMIT_CHANGES_LISTED && change_list_get(&r, &entries[n]))
		n++;
	if (n)
		qsort(entries, n, sizeof(entries[0]), compare_entries);
	json_t *list = entries_to_json(entries, n);
	for (size_t i = 0; i < n; i++)
		free((char *)entries[i].path);
	free(entries);
	return list;
}

static json_t *why_unknown(int errnum)
{
	switch (errnum) {
	case 0:
		return json_null();
	case ETIME:
		return json_string("looking at them took too long");
	case E2BIG:
		return json_string("there are too many");
	default:
		return json_string(strerror(errnum));
	}
}

static json_t *why_cut(int errnum)
{
	switch (errnum) {
	case 0:
		return json_null();
	case ETIME:
		return json_string("it took too long");
	case EPIPE:
	case ECONNRESET:
		return json_string("nobody reads it any more");
	default:
		return json_string(strerror(errnum));
	}
}

static json_t *archive_to_json(const struct task_result *r)
{
	if (!r->has_archive)
		return json_null();
	return json_pack("{s:I,s:I,s:b,s:o}", "bytes", (json_int_t)r->archive_bytes, "left_out",
		(json_int_t)r->archive_left_out, "complete", r->archive_errnum == 0, "error",
		why_cut(r->archive_errnum));
}

json_t *result_changes_to_json(const struct task_result *r)
{
	const struct {
		const char *key;
		json_t *value;
	} members[] = {
		{ "added", known_or_null(r->changes_added) },
		{ "modified", known_or_null(r->changes_modified) },
		{ "deleted", known_or_null(r->changes_deleted) },
		{ "bytes", known_or_null(r->changes_bytes) },
		{ "left_out", known_or_null(r->changes_left_out) },
		{ "list",
			r->changes_added.is_known ? list_to_json(&r->changes_list) : json_null() },
		{ "truncated",
			r->changes_added.is_known ? json_boolean(r->is_changes_cut) : json_null() },
		{ "error", why_unknown(r->changes_errnum) },
		{ "archive", archive_to_json(r) },
	};
	json_t *object = json_object();
	bool failed = !object;
	for (size_t i = 0; i < ARRAY_SIZE(members); i++)
		failed |= json_object_set_new(object, members[i].key, members[i].value) < 0;
	if (!failed)
		return object;
	json_decref(object);
	return NULL;
}
