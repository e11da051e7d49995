/* A number that stands for what a struct holds: see schema.h. FNV-1a, 64 bits. */
#include "proto/schema.h"

#include "base/str.h"

#include <string.h>

#define FNV_START 14695981039346656037ull
#define FNV_PRIME 1099511628211ull

static void add_bytes(uint64_t *sum, const void *data, size_t len)
{
	const unsigned char *bytes = data;
	for (size_t i = 0; i < len; i++)
		*sum = (*sum ^ bytes[i]) * FNV_PRIME;
}

/* With its length: two texts are not the two halves of one. NULL is another value than "". */
static void add_text(uint64_t *sum, const char *text, size_t len)
{
	uint64_t prefix = text ? len + 1 : 0;
	add_bytes(sum, &prefix, sizeof(prefix));
	if (text)
		add_bytes(sum, text, len);
}

static void add_strings(uint64_t *sum, char *const *v, bool are_names_only)
{
	uint64_t n = strv_len(v);
	add_bytes(sum, &n, sizeof(n));
	for (; v && *v; v++)
		add_text(sum, *v, are_names_only ? strcspn(*v, "=") : strlen(*v));
}

static void add_object(uint64_t *sum, const struct schema_object *object, const char *base);

static void add_list(uint64_t *sum, const struct schema_field *f, const char *base)
{
	const char *entries = *(char *const *)(base + f->offset);
	uint64_t n = *(const size_t *)(base + f->offset2);
	add_bytes(sum, &n, sizeof(n));
	for (size_t i = 0; i < n; i++)
		add_object(sum, f->object, entries + i * f->object->size);
}

static void add_field(uint64_t *sum, const struct schema_field *f, const char *base)
{
	const char *member = base + f->offset;
	const char *text;
	switch (f->kind) {
	case KIND_STRING:
	case KIND_NAME:
	case KIND_TASK_NAME:
	case KIND_LABEL:
	case KIND_PATH:
	case KIND_SIGNAL:
		text = *(char *const *)member;
		add_text(sum, text, text ? strlen(text) : 0);
		break;
	case KIND_TEXT:
	case KIND_BASE64:
		break;
	case KIND_SIZE:
	case KIND_DURATION:
	case KIND_CPUS:
	case KIND_UINT:
	case KIND_MODE:
	case KIND_TIME:
	case KIND_INT:
	case KIND_FD:
		add_bytes(sum, member, sizeof(uint64_t));
		break;
	case KIND_BOOL:
		add_bytes(sum, member, sizeof(bool));
		break;
	case KIND_OP:
	case KIND_WORD:
		add_bytes(sum, member, sizeof(int));
		break;
	case KIND_WORDS:
		add_bytes(sum, member, sizeof(uint32_t));
		break;
	case KIND_STRINGS:
	case KIND_LABELS:
	case KIND_ENV:
		add_strings(sum, *(char **const *)member, f->kind == KIND_ENV);
		break;
	case KIND_OBJECT:
		add_object(sum, f->object, member);
		break;
	case KIND_POINTER:
		if (*(char *const *)member)
			add_object(sum, f->object, *(char *const *)member);
		break;
	case KIND_LIST:
		add_list(sum, f, base);
		break;
	case KIND_COUNT:
		break;
	}
}

static void add_object(uint64_t *sum, const struct schema_object *object, const char *base)
{
	for (size_t i = 0; i < object->n_fields; i++) {
		add_text(sum, object->fields[i].name, strlen(object->fields[i].name));
		add_field(sum, &object->fields[i], base);
	}
}

uint64_t schema_digest(const struct schema_object *object, const void *base)
{
	uint64_t sum = FNV_START;
	add_object(&sum, object, base);
	return sum;
}
