/* What was kept of a task's files, as JSON: see result.h. */
#include "task/result.h"

#include "base/cleanup.h"
#include "base/limits.h"
#include "base/str.h"
#include "plan/artifact_list.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int result_want_artifacts(struct task_result *r, const struct plan *p)
{
	if (!p->n_artifacts)
		return 0;
	r->artifact_globs = calloc(p->n_artifacts + 1, sizeof(char *));
	if (!r->artifact_globs)
		return -ENOMEM;
	for (size_t i = 0; i < p->n_artifacts; i++) {
		r->artifact_globs[i] = strdup(p->artifacts[i].glob);
		if (!r->artifact_globs[i])
			return -ENOMEM;
		r->artifacts_required |= p->artifacts[i].is_required ? 1u << i : 0;
	}
	return 0;
}

bool result_lacks_artifacts(const struct task_result *r)
{
	return r->artifacts_required & r->artifacts_unmet;
}

static json_int_t integer(uint64_t n)
{
	return n > INT64_MAX ? INT64_MAX : (json_int_t)n;
}

json_t *result_artifact_to_json(const struct artifact_item *a)
{
	char mode[8], hex[SHA256_HEX_SIZE];
	bool is_ok = a->error == ARTIFACT_OK;
	/* Nothing is known of what was not opened. */
	bool is_known = is_ok || a->error == ARTIFACT_TOO_LARGE || a->error == ARTIFACT_CHANGED;
	snprintf(mode, sizeof(mode), "%04o", a->mode & 0777);
	sha256_to_hex(a->sha256, hex);
	json_t *object = json_pack("{s:o, s:o, s:o, s:o}", "bytes",
		is_known ? json_integer(integer(a->bytes)) : json_null(), "mode",
		is_known ? json_string(mode) : json_null(), "sha256",
		is_ok ? json_string(hex) : json_null(), "error",
		is_ok ? json_null() : json_string(artifact_error_text(a->error)));
	if (object && result_put_path(object, a->path) == 0)
		return object;
	json_decref(object);
	return NULL;
}

static int compare_items(const void *a, const void *b)
{
	return strcmp(
		((const struct artifact_item *)a)->path, ((const struct artifact_item *)b)->path);
}

/* Where they are sent each says what became of that. */
static json_t *item_to_json(const struct artifact_item *a, json_t *uploads)
{
	json_t *object = result_artifact_to_json(a);
	json_t *upload = object && uploads ? json_object_get(uploads, a->path) : NULL;
	if (upload)
		json_object_set(object, "upload", upload);
	return object;
}

static json_t *items_to_json(const struct artifact_item *items, size_t n, json_t *uploads)
{
	json_t *list = json_array();
	for (size_t i = 0; list && i < n; i++) {
		if (json_array_append_new(list, item_to_json(&items[i], uploads)) < 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

/* In the order of the names; a directory lists them in any. */
static json_t *list_to_json(const struct buf *bytes, json_t *uploads)
{
	struct artifact_item *items = NULL;
	struct buf_reader r = { .p = (const uint8_t *)buf_data(bytes), .left = buf_len(bytes) };
	size_t n = 0, cap = 0;
	bool failed = false;
	for (;; n++) {
		if (n == cap) {
			void *grown = reallocarray(items, cap = cap ? 2 * cap : 16, sizeof(*items));
			failed = !grown;
			items = grown ? grown : items;
		}
		if (failed || !artifact_list_get(&r, &items[n]))
			break;
	}
	if (n)
		qsort(items, n, sizeof(items[0]), compare_items);
	json_t *list = failed ? NULL : items_to_json(items, n, uploads);
	for (size_t i = 0; i < n; i++)
		free(items[i].path);
	free(items);
	return list;
}

/* The patterns that should have something and have not all. */
static json_t *missing_to_json(const struct task_result *r)
{
	json_t *list = json_array();
	uint32_t bits = r->artifacts_required & r->artifacts_unmet;
	for (size_t i = 0; list && r->artifact_globs[i]; i++) {
		if (bits & 1u << i &&
			json_array_append_new(list, json_string(r->artifact_globs[i])) < 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

static json_t *why(const struct task_result *r)
{
	if (!r->artifacts_count.is_known)
		return json_string("the task did not run to its end, or its jail was gone before "
				   "they could be taken");
	switch (r->artifacts_errnum) {
	case 0:
		return json_null();
	case ETIME:
		return json_string("it took too long");
	case EPIPE:
	case ECONNRESET:
		return json_string("nobody reads it any more");
	case E2BIG:
		return json_string("there are too many files to look at");
	case EBADF:
		return json_string("there was no place for them");
	default:
		return json_string(strerror(r->artifacts_errnum));
	}
}

static json_t *number(struct known_u64 n)
{
	return n.is_known ? json_integer(integer(n.value)) : json_null();
}

json_t *result_artifacts_to_json(const struct task_result *r)
{
	if (!r->artifact_globs)
		return json_null();
	return json_pack("{s:o, s:o, s:o, s:o, s:b, s:o, s:o}", "count", number(r->artifacts_count),
		"bytes", number(r->artifacts_bytes), "list",
		list_to_json(&r->artifacts_list, r->artifact_uploads), "missing",
		missing_to_json(r), "truncated", r->is_artifacts_cut, "archive_bytes",
		number(r->artifacts_archive_bytes), "error", why(r));
}
