/* What the files that read a request by its schema share. */
#ifndef DAYFLY_PROTO_SCHEMA_PRIV_H
#define DAYFLY_PROTO_SCHEMA_PRIV_H

#include "proto/schema.h"

struct reader {
	enum op op;
	struct err *e;
};

/* Where we are in the request: a chain from the value up to the root, turned into text only when
 * something is wrong. */
struct place {
	const struct place *up;
	const char *name; /* NULL: an entry of a list */
	size_t index;
};

typedef int (*read_fn)(struct reader *r, const struct schema_field *f, json_t *v, char *base,
	const struct place *at);

#define SCHEMA_NAMES_MAX 64

/* Fills the error with the place's path. Returns -EINVAL. */
int reader_fail(struct reader *r, enum err_code code, const struct place *at, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
int reader_wrong_type(
	struct reader *r, const struct place *at, const json_t *v, const char *wanted);
int reader_no_memory(struct reader *r);

/* A quoted, escaped and shortened copy of what came, for messages. Returns out. */
#define SHOWN_SIZE 72
const char *reader_show(const char *s, char out[SHOWN_SIZE]);

int reader_check_length(
	struct reader *r, const struct place *at, size_t len, uint64_t min, uint64_t max);
/* A string whose length is in the field's bounds. */
int reader_check_string(
	struct reader *r, const struct schema_field *f, const json_t *v, const struct place *at);

/* The key of a label: a name. */
int reader_check_label_key(struct reader *r, const char *key, const struct place *at);

/* schema_value.c: a read_fn for each kind that is one value. */
int schema_read_string(struct reader *r, const struct schema_field *f, json_t *v, char *base,
	const struct place *at);
int schema_read_name(struct reader *r, const struct schema_field *f, json_t *v, char *base,
	const struct place *at);
int schema_read_label(struct reader *r, const struct schema_field *f, json_t *v, char *base,
	const struct place *at);
int schema_read_path(struct reader *r, const struct schema_field *f, json_t *v, char *base,
	const struct place *at);
int schema_read_signal(struct reader *r, const struct schema_field *f, json_t *v, char *base,
	const struct place *at);
int schema_read_measure(struct reader *r, const struct schema_field *f, json_t *v, char *base,
	const struct place *at);
int schema_read_uint(struct reader *r, const struct schema_field *f, json_t *v, char *base,
	const struct place *at);
int schema_read_int(struct reader *r, const struct schema_field *f, json_t *v, char *base,
	const struct place *at);
int schema_read_mode(struct reader *r, const struct schema_field *f, json_t *v, char *base,
	const struct place *at);
int schema_read_time(struct reader *r, const struct schema_field *f, json_t *v, char *base,
	const struct place *at);
int schema_read_bool(struct reader *r, const struct schema_field *f, json_t *v, char *base,
	const struct place *at);
int schema_read_word(struct reader *r, const struct schema_field *f, json_t *v, char *base,
	const struct place *at);
int schema_read_words(struct reader *r, const struct schema_field *f, json_t *v, char *base,
	const struct place *at);

#endif
