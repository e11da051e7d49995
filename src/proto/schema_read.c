/*
 * JSON -> structs, driven by the table of schema.h. Everything that arrives is checked here and in
 * schema_value.c: its type, its bounds, and that the operation takes it. A failure names the field
 * by its path, the cause and, where one is known, the way out. Pure.
 */
#include "proto/schema_priv.h"

#include "base/base64.h"
#include "base/cleanup.h"
#include "base/limits.h"
#include "base/str.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* ---- lists and maps of strings ----------------------------------------------------------------
 */

static int check_count(
	struct reader *r, const struct schema_field *f, const struct place *at, size_t n)
{
	if (n < f->min)
		return reader_fail(r, ERR_BAD_VALUE, at, "must have at least %" PRIu64 " %s",
			f->min, f->min == 1 ? "entry" : "entries");
	if (n > f->max)
		return reader_fail(r, ERR_TOO_LARGE, at,
			"has %zu entries; at most %" PRIu64 " are allowed", n, f->max);
	return 0;
}

/* An array of n strings and its NULL, owned by the struct from here on. */
static char **store_strings(struct reader *r, const struct schema_field *f, size_t n, char *base)
{
	char **strings = calloc(n + 1, sizeof(char *));
	if (!strings)
		reader_no_memory(r);
	*(char ***)(base + f->offset) = strings;
	return strings;
}

static int read_strings(struct reader *r, const struct schema_field *f, json_t *v, char *base,
	const struct place *at)
{
	if (!json_is_array(v))
		return reader_wrong_type(r, at, v, "a list of strings");
	int rc = check_count(r, f, at, json_array_size(v));
	if (rc < 0)
		return rc;
	char **strings = store_strings(r, f, json_array_size(v), base);
	if (!strings)
		return -ENOMEM;
	size_t i;
	json_t *entry;
	json_array_foreach (v, i, entry) {
		struct place here = { .up = at, .index = i };
		if (!json_is_string(entry))
			return reader_wrong_type(r, &here, entry, "a string");
		/* The kernel counts the NUL too. */
		rc = reader_check_length(
			r, &here, json_string_length(entry), 0, LIMIT_ARG_BYTES - 1);
		if (rc < 0)
			return rc;
		strings[i] = strdup(json_string_value(entry));
		if (!strings[i])
			return reader_no_memory(r);
	}
	return 0;
}

static int check_env_name(struct reader *r, const char *name, const struct place *at)
{
	char shown[SHOWN_SIZE];
	if (!name[0])
		return reader_fail(
			r, ERR_BAD_VALUE, at->up, "the name of a variable must not be empty");
	if (strchr(name, '='))
		return reader_fail(r, ERR_BAD_VALUE, at, "the name %s must not have a \"=\"",
			reader_show(name, shown));
	return 0;
}

/* One "name=value". */
static int read_pair(struct reader *r, const struct schema_field *f, const char *name,
	const json_t *v, const struct place *at, char **ret)
{
	int rc = f->kind == KIND_ENV ? check_env_name(r, name, at)
				     : reader_check_label_key(r, name, at);
	if (rc < 0)
		return rc;
	if (!json_is_string(v))
		return reader_wrong_type(r, at, v, "a string");
	size_t name_len = strlen(name), value_len = json_string_length(v),
	       len = name_len + 1 + value_len;
	if (f->kind == KIND_ENV)
		rc = reader_check_length(r, at, len, 0, LIMIT_ARG_BYTES - 1);
	else
		rc = reader_check_length(r, at, value_len, 0, LIMIT_LABEL_BYTES);
	if (rc < 0)
		return rc;
	char *pair = malloc(len + 1);
	if (!pair)
		return reader_no_memory(r);
	memcpy(pair, name, name_len);
	pair[name_len] = '=';
	memcpy(pair + name_len + 1, json_string_value(v), value_len);
	pair[len] = '\0';
	*ret = pair;
	return 0;
}

static int read_pairs(struct reader *r, const struct schema_field *f, json_t *v, char *base,
	const struct place *at)
{
	if (!json_is_object(v))
		return reader_wrong_type(r, at, v, "an object of strings");
	int rc = check_count(r, f, at, json_object_size(v));
	if (rc < 0)
		return rc;
	char **pairs = store_strings(r, f, json_object_size(v), base);
	if (!pairs)
		return -ENOMEM;
	const char *name;
	json_t *value;
	size_t i = 0;
	json_object_foreach (v, name, value) {
		rc = read_pair(
			r, f, name, value, &(struct place){ .up = at, .name = name }, &pairs[i++]);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* ---- bytes ------------------------------------------------------------------------------------
 */

static int store_bytes(struct reader *r, const struct schema_field *f, char *base,
	const struct place *at, char *take_data, size_t len)
{
	char **data = (char **)(base + f->offset);
	if (*data) {
		explicit_bzero(take_data, len);
		free(take_data);
		return reader_fail(r, ERR_BAD_VALUE, at,
			"only one of \"text\", \"base64\"%s can be given",
			r->op == OP_INPUT ? " and \"bytes\"" : "");
	}
	*data = take_data;
	*(size_t *)(base + f->offset2) = len;
	return 0;
}

static int read_text(struct reader *r, const struct schema_field *f, json_t *v, char *base,
	const struct place *at)
{
	int rc = reader_check_string(r, f, v, at);
	if (rc < 0)
		return rc;
	char *data = strdup(json_string_value(v));
	return data ? store_bytes(r, f, base, at, data, json_string_length(v))
		    : reader_no_memory(r);
}

static int read_base64(struct reader *r, const struct schema_field *f, json_t *v, char *base,
	const struct place *at)
{
	if (!json_is_string(v))
		return reader_wrong_type(r, at, v, "a string");
	size_t text_len = json_string_length(v), len;
	size_t size = base64_decoded_max(text_len) + 1;
	char *data = malloc(size);
	if (!data)
		return reader_no_memory(r);
	int rc = base64_decode(json_string_value(v), text_len, data, &len);
	if (rc < 0)
		reader_fail(r, ERR_BAD_VALUE, at,
			"is not base64 (standard alphabet, with padding, without line ends)");
	else
		rc = reader_check_length(r, at, len, f->min, f->max);
	if (rc == 0)
		return store_bytes(r, f, base, at, data, len);
	schema_wipe(&data, size);
	return rc;
}

/* ---- objects ----------------------------------------------------------------------------------
 */

static int read_object(struct reader *r, const struct schema_object *object, json_t *v, char *base,
	const struct place *at);

static int read_embedded(struct reader *r, const struct schema_field *f, json_t *v, char *base,
	const struct place *at)
{
	if (f->offset2)
		*(bool *)(base + f->offset2) = true;
	return read_object(r, f->object, v, base + f->offset, at);
}

static int read_pointer(struct reader *r, const struct schema_field *f, json_t *v, char *base,
	const struct place *at)
{
	char *child = calloc(1, f->object->size);
	if (!child)
		return reader_no_memory(r);
	*(char **)(base + f->offset) = child;
	return read_object(r, f->object, v, child, at);
}

static int read_list(struct reader *r, const struct schema_field *f, json_t *v, char *base,
	const struct place *at)
{
	if (!json_is_array(v))
		return reader_wrong_type(r, at, v, "a list of objects");
	int rc = check_count(r, f, at, json_array_size(v));
	if (rc < 0 || !json_array_size(v))
		return rc;
	char *children = calloc(json_array_size(v), f->object->size);
	if (!children)
		return reader_no_memory(r);
	*(char **)(base + f->offset) = children;
	*(size_t *)(base + f->offset2) = json_array_size(v);
	size_t i;
	json_t *entry;
	json_array_foreach (v, i, entry) {
		struct place here = { .up = at, .index = i };
		rc = read_object(r, f->object, entry, children + i * f->object->size, &here);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int read_op(struct reader *r, const struct schema_field *f, json_t *v, char *base,
	const struct place *at)
{
	(void)v;
	(void)at;
	*(enum op *)(base + f->offset) = r->op;
	return 0;
}

static const read_fn readers[KIND_COUNT] = {
	[KIND_OP] = read_op,
	[KIND_STRING] = schema_read_string,
	[KIND_NAME] = schema_read_name,
	[KIND_TASK_NAME] = schema_read_name,
	[KIND_LABEL] = schema_read_label,
	[KIND_PATH] = schema_read_path,
	[KIND_SIGNAL] = schema_read_signal,
	[KIND_SIZE] = schema_read_measure,
	[KIND_DURATION] = schema_read_measure,
	[KIND_CPUS] = schema_read_measure,
	[KIND_UINT] = schema_read_uint,
	[KIND_INT] = schema_read_int,
	[KIND_FD] = schema_read_uint,
	[KIND_MODE] = schema_read_mode,
	[KIND_TIME] = schema_read_time,
	[KIND_BOOL] = schema_read_bool,
	[KIND_WORD] = schema_read_word,
	[KIND_WORDS] = schema_read_words,
	[KIND_STRINGS] = read_strings,
	[KIND_ENV] = read_pairs,
	[KIND_LABELS] = read_pairs,
	[KIND_TEXT] = read_text,
	[KIND_BASE64] = read_base64,
	[KIND_OBJECT] = read_embedded,
	[KIND_POINTER] = read_pointer,
	[KIND_LIST] = read_list,
};

/* Says what is nearest, or who takes the field: most unknown fields are typing errors or belong to
 * another operation. */
static void hint_unknown(struct reader *r, const struct schema_object *object, const char *name)
{
	const char *names[SCHEMA_NAMES_MAX];
	size_t n = 0;
	for (size_t i = 0; i < object->n_fields && n < SCHEMA_NAMES_MAX; i++)
		if (object->fields[i].ops & OP_BIT(r->op))
			names[n++] = object->fields[i].name;
	const char *nearest = str_nearest(name, names, n);
	if (nearest) {
		err_hint(r->e, "did you mean \"%s\"?", nearest);
		return;
	}
	for (unsigned op = 0; op < OP_COUNT; op++) {
		if (schema_find(object, (enum op)op, name)) {
			err_hint(r->e, "\"%s\" takes a field of that name; \"%s\" does not",
				op_name((enum op)op), op_name(r->op));
			return;
		}
	}
	/* A field of the task that stands beside it, and the other way round, is the other likely
	 * slip. */
	if (object == &schema_request && r->op == OP_RUN && schema_find(&schema_task, r->op, name))
		err_hint(r->e, "it belongs inside \"task\"");
	else if (object != &schema_limits && schema_find(&schema_limits, r->op, name))
		err_hint(r->e, "it belongs inside \"limits\"");
}

static int check_known(
	struct reader *r, const struct schema_object *object, json_t *v, const struct place *at)
{
	const char *name;
	json_t *value;
	json_object_foreach (v, name, value) {
		if (schema_find(object, r->op, name))
			continue;
		struct place here = { .up = at, .name = name };
		reader_fail(r, ERR_UNKNOWN_FIELD, &here,
			at ? "there is no such field" : "\"%s\" has no such field", op_name(r->op));
		hint_unknown(r, object, name);
		return -EINVAL;
	}
	return 0;
}

/* Before anything can fail: no struct is left with a descriptor 0 that nobody named. */
static void set_absent(const struct schema_object *object, char *base)
{
	for (size_t i = 0; i < object->n_fields; i++) {
		const struct schema_field *f = &object->fields[i];
		if (f->kind == KIND_FD)
			*(int64_t *)(base + f->offset) = -1;
		else if (f->kind == KIND_BOOL)
			*(bool *)(base + f->offset) = f->absent && !strcmp(f->absent, "true");
		else if (f->kind == KIND_WORD)
			*(int *)(base + f->offset) = f->words[0].value;
		else if (f->kind == KIND_OBJECT)
			set_absent(f->object, base + f->offset);
	}
}

static int read_object(struct reader *r, const struct schema_object *object, json_t *v, char *base,
	const struct place *at)
{
	set_absent(object, base);
	if (!json_is_object(v))
		return reader_wrong_type(r, at, v, "an object");
	int rc = check_known(r, object, v, at);
	for (size_t i = 0; rc == 0 && i < object->n_fields; i++) {
		const struct schema_field *f = &object->fields[i];
		if (!(f->ops & OP_BIT(r->op)))
			continue;
		struct place here = { .up = at, .name = f->name };
		json_t *value = json_object_get(v, f->name);
		if (value)
			rc = readers[f->kind](r, f, value, base, &here);
		else if (f->required & OP_BIT(r->op))
			rc = reader_fail(r, ERR_MISSING_FIELD, &here, "is missing: %s", f->doc);
	}
	return rc;
}

int schema_read_request(json_t *json, enum op op, struct request *rq, struct err *e)
{
	struct err ignored;
	struct reader r = { .op = op, .e = e ? e : &ignored };
	return read_object(&r, &schema_request, json, (char *)rq, NULL);
}

void schema_wipe(char **data, size_t len)
{
	if (*data)
		explicit_bzero(*data, len);
	free(*data);
	*data = NULL;
}

void schema_free(const struct schema_object *object, void *base)
{
	for (size_t i = 0; i < object->n_fields; i++) {
		const struct schema_field *f = &object->fields[i];
		void *member = (char *)base + f->offset;
		switch (f->kind) {
		case KIND_STRING:
		case KIND_NAME:
		case KIND_TASK_NAME:
		case KIND_LABEL:
		case KIND_PATH:
		case KIND_SIGNAL:
			free(*(char **)member);
			*(char **)member = NULL; /* two rows may share a member */
			break;
		case KIND_TEXT:
		case KIND_BASE64:
			schema_wipe((char **)member, *(size_t *)((char *)base + f->offset2));
			break;
		case KIND_STRINGS:
		case KIND_ENV:
		case KIND_LABELS:
			strv_free(*(char ***)member);
			*(char ***)member = NULL;
			break;
		case KIND_OBJECT:
			schema_free(f->object, member);
			break;
		case KIND_POINTER:
			if (*(char **)member)
				schema_free(f->object, *(char **)member);
			free(*(char **)member);
			*(char **)member = NULL;
			break;
		case KIND_LIST: {
			size_t *n = (size_t *)((char *)base + f->offset2);
			for (size_t j = 0; j < *n; j++)
				schema_free(f->object, *(char **)member + j * f->object->size);
			free(*(char **)member);
			*(char **)member = NULL;
			*n = 0;
			break;
		}
		default:
			break;
		}
	}
}
