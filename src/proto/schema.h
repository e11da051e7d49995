/*
 * The one table of protocol version 1: every field of every request, its kind, bounds, place in
 * struct request, and words for the reader. Three things are driven by it: reading and checking a
 * request (schema_read.c), freeing it, and the tables of docs/protocol.md (schema_doc.c). A new
 * field is a new row, a member in request.h, and nothing else.
 */
#ifndef DAYFLY_PROTO_SCHEMA_H
#define DAYFLY_PROTO_SCHEMA_H

#include "base/err.h"
#include "proto/request.h"

#include <jansson.h>

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* What a field holds, and in brackets the member at `offset`. min and max bound the value, or the
 * length or count of it. */
enum schema_kind {
	KIND_OP,	/* the operation's name; handled by request_parse() */
	KIND_STRING,	/* text of min to max bytes (char *) */
	KIND_NAME,	/* [a-zA-Z0-9][a-zA-Z0-9_.-]*, at most max bytes (char *) */
	KIND_TASK_NAME, /* the same, and not to be taken for a task id (char *) */
	KIND_LABEL,	/* "key" or "key=value", as a task can have it (char *) */
	KIND_PATH,	/* an absolute path (char *) */
	KIND_SIGNAL,	/* a signal's name or number (char *) */
	KIND_SIZE,	/* bytes, as a number or as text with a unit (uint64_t) */
	KIND_DURATION,	/* seconds as a number, or text with a unit; kept in ms (uint64_t) */
	KIND_CPUS,	/* a decimal number, as a number or text; kept in thousandths (uint64_t) */
	KIND_UINT,	/* a whole number (uint64_t); offset2: a bool that it was given, or 0 */
	KIND_INT,	/* a whole number that may be below 0, as its bounds may (int64_t) */
	KIND_FD,	/* place of a descriptor among those sent; absent: -1 (int64_t) */
	KIND_MODE,	/* permissions of a file as octal text: "0644" (uint64_t) */
	KIND_TIME,	/* a moment as text of RFC 3339; kept in ns since 1970 (uint64_t) */
	KIND_BOOL,	/* true or false; absent: false, unless `absent` is "true" (bool) */
	KIND_WORD,	/* one of `words`; absent: the first word (an enum or int) */
	KIND_WORDS,	/* a list of `words`; the bits of their values (uint32_t) */
	KIND_STRINGS,	/* a list of min to max strings (char **) */
	KIND_ENV,	/* an object of strings: "NAME=value" (char **) */
	KIND_LABELS,	/* an object of strings: "key=value" (char **) */
	KIND_TEXT,	/* bytes given as text (char *, and size_t at offset2); wiped when freed */
	KIND_BASE64,	/* bytes given as base64 (the same members) */
	KIND_OBJECT,	/* an object, in place; offset2: a bool that it was given, or 0 */
	KIND_POINTER,	/* an object, on the heap (a pointer) */
	KIND_LIST,	/* a list of objects (a pointer, and size_t at offset2) */
	KIND_COUNT,
};

struct schema_word {
	const char *name;
	int value;
};

struct schema_field {
	const char *name;
	enum schema_kind kind;
	uint32_t ops;	   /* bits by enum op: who takes it */
	uint32_t required; /* bits by enum op: who needs it */
	uint64_t min, max;
	size_t offset, offset2;
	const struct schema_word *words; /* ends with a NULL name */
	const struct schema_object *object;
	const char *absent; /* what its absence means, or NULL */
	const char *doc;
};

struct schema_object {
	const char *title; /* "task.limits", for the document */
	const struct schema_field *fields;
	size_t n_fields;
	size_t size; /* of the struct */
};

#define OP_BIT(op) (1u << (op))
#define OPS_ALL	   (OP_BIT(OP_COUNT) - 1)

extern const struct schema_object schema_request, schema_task, schema_workspace, schema_mount,
	schema_file, schema_secret, schema_tar, schema_limits, schema_concurrency, schema_webhook,
	schema_changes, schema_source, schema_git, schema_artifacts, schema_artifact, schema_upload;

/* The limits of task.best_effort; ends with a NULL name. */
extern const struct schema_word schema_best_effort_words[];
/* The events of task.webhooks; likewise. */
extern const struct schema_word schema_webhook_words[];

const char *op_meaning(enum op op);
/* The op of that name; OP_COUNT if there is none. */
enum op op_from_name(const char *name);

/* The field of that name that op takes, or NULL. */
const struct schema_field *schema_find(
	const struct schema_object *object, enum op op, const char *name);

/* "64 KiB", "10m", "0.01", "4096": a bound of a field as a person would write it. */
#define SCHEMA_BOUND_SIZE 32
void schema_format_bound(enum schema_kind kind, uint64_t value, char out[SCHEMA_BOUND_SIZE]);

/* schema_read.c: fills a zeroed struct request from a JSON object. Returns 0, or -errno with *e
 * naming the field. */
int schema_read_request(json_t *json, enum op op, struct request *rq, struct err *e);

/* schema_read.c: frees what reading put into a struct. */
void schema_free(const struct schema_object *object, void *base);

/* schema_read.c: frees bytes that may be secret, and leaves nothing of them in memory. */
void schema_wipe(char **data, size_t len);

/*
 * schema_digest.c: a number that is equal for equal structs, and hardly ever for others. Of
 * variables of the environment only the names count, and of bytes (files, secrets) nothing: the
 * number may be kept where values must not be.
 */
uint64_t schema_digest(const struct schema_object *object, const void *base);

/* schema_doc.c: the tables of operations, fields and error codes, as Markdown. */
void schema_print_markdown(FILE *out);

#endif
