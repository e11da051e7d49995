/* One value of a request by its schema: text, numbers, words; and the errors that name its place.
 * See schema.h. */
#include "proto/schema_priv.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/limits.h"
#include "base/str.h"
#include "base/units.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

static void place_text(const struct place *at, char *out, size_t size)
{
	char part[80];
	if (!at) {
		out[0] = '\0';
		return;
	}
	place_text(at->up, out, size);
	size_t len = strlen(out);
	if (at->name)
		str_escape(at->name, strlen(at->name), part, sizeof(part));
	else
		snprintf(part, sizeof(part), "[%zu]", at->index);
	snprintf(out + len, size - len, "%s%s", len && at->name ? "." : "", part);
}

int reader_fail(struct reader *r, enum err_code code, const struct place *at, const char *fmt, ...)
{
	char field[sizeof(r->e->field)], text[sizeof(r->e->msg)];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	place_text(at, field, sizeof(field));
	return err_set_field(r->e, code, field, "%s", text);
}

int reader_no_memory(struct reader *r)
{
	return err_set(r->e, ERR_INTERNAL, ENOMEM, "read the request");
}

static const char *type_text(const json_t *v)
{
	static const char *const texts[] = {
		[JSON_OBJECT] = "an object",
		[JSON_ARRAY] = "a list",
		[JSON_STRING] = "a string",
		[JSON_INTEGER] = "a whole number",
		[JSON_REAL] = "a number with a fraction or exponent",
		[JSON_TRUE] = "true",
		[JSON_FALSE] = "false",
		[JSON_NULL] = "null",
	};
	return texts[json_typeof(v)];
}

int reader_wrong_type(struct reader *r, const struct place *at, const json_t *v, const char *wanted)
{
	return reader_fail(r, ERR_WRONG_TYPE, at, "must be %s, not %s", wanted, type_text(v));
}

static int out_of_range(struct reader *r, const struct schema_field *f, const struct place *at,
	const char *shown, bool is_above)
{
	char bound[SCHEMA_BOUND_SIZE];
	schema_format_bound(f->kind, is_above ? f->max : f->min, bound);
	reader_fail(r, ERR_OUT_OF_RANGE, at, "%s is %s %s", shown,
		is_above ? "above the maximum of" : "below the minimum of", bound);
	if (!is_above && f->absent)
		err_hint(r->e, "leave it out for the default (%s)", f->absent);
	return -EINVAL;
}

const char *reader_show(const char *s, char out[SHOWN_SIZE])
{
	char safe[SHOWN_SIZE - 2];
	str_escape(s, strlen(s), safe, sizeof(safe));
	snprintf(out, SHOWN_SIZE, "\"%s\"", safe);
	return out;
}

/* ---- strings ----------------------------------------------------------------------------------
 */

int reader_check_length(
	struct reader *r, const struct place *at, size_t len, uint64_t min, uint64_t max)
{
	if (len < min)
		return reader_fail(r, ERR_BAD_VALUE, at, "must not be empty");
	if (len > max)
		return reader_fail(r, ERR_TOO_LARGE, at,
			"has %zu bytes; at most %" PRIu64 " are allowed", len, max);
	return 0;
}

int reader_check_string(
	struct reader *r, const struct schema_field *f, const json_t *v, const struct place *at)
{
	if (!json_is_string(v))
		return reader_wrong_type(r, at, v, "a string");
	return reader_check_length(r, at, json_string_length(v), f->min, f->max);
}

static int store_string(struct reader *r, const struct schema_field *f, const json_t *v, char *base)
{
	char *copy = strdup(json_string_value(v));
	if (!copy)
		return reader_no_memory(r);
	*(char **)(base + f->offset) = copy;
	return 0;
}

int schema_read_string(struct reader *r, const struct schema_field *f, json_t *v, char *base,
	const struct place *at)
{
	int rc = reader_check_string(r, f, v, at);
	return rc < 0 ? rc : store_string(r, f, v, base);
}

int schema_read_name(struct reader *r, const struct schema_field *f, json_t *v, char *base,
	const struct place *at)
{
	char shown[SHOWN_SIZE];
	int rc = reader_check_string(r, f, v, at);
	if (rc < 0)
		return rc;
	const char *s = json_string_value(v);
	if (!str_is_name(s, f->max)) {
		reader_fail(r, ERR_BAD_VALUE, at, "%s is not a name", reader_show(s, shown));
		err_hint(r->e, "a name has letters, digits, \"_\", \".\" and \"-\", and begins "
			       "with a letter or digit");
		return -EINVAL;
	}
	if (f->kind == KIND_TASK_NAME && id_is_task_prefix(s)) {
		reader_fail(r, ERR_BAD_VALUE, at, "%s could be taken for a task id",
			reader_show(s, shown));
		err_hint(r->e, "do not begin it with \"t-\"");
		return -EINVAL;
	}
	return store_string(r, f, v, base);
}

int reader_check_label_key(struct reader *r, const char *key, const struct place *at)
{
	char shown[SHOWN_SIZE];
	if (str_is_name(key, LIMIT_NAME_BYTES))
		return 0;
	reader_fail(r, ERR_BAD_VALUE, at, "the key %s is not a name", reader_show(key, shown));
	err_hint(r->e,
		"a key has at most %d letters, digits, \"_\", \".\" and \"-\", and begins with a "
		"letter or digit",
		LIMIT_NAME_BYTES);
	return -EINVAL;
}

int schema_read_label(struct reader *r, const struct schema_field *f, json_t *v, char *base,
	const struct place *at)
{
	int rc = reader_check_string(r, f, v, at);
	if (rc < 0)
		return rc;
	const char *label = json_string_value(v);
	const size_t key_len = strcspn(label, "=");
	auto_free char *key = strndup(label, key_len);
	if (!key)
		return reader_no_memory(r);
	rc = reader_check_label_key(r, key, at);
	if (rc == 0 && label[key_len])
		rc = reader_check_length(r, at, strlen(label + key_len + 1), 0, LIMIT_LABEL_BYTES);
	return rc < 0 ? rc : store_string(r, f, v, base);
}

int schema_read_path(struct reader *r, const struct schema_field *f, json_t *v, char *base,
	const struct place *at)
{
	char shown[SHOWN_SIZE];
	int rc = reader_check_string(r, f, v, at);
	if (rc < 0)
		return rc;
	if (json_string_value(v)[0] != '/') {
		reader_fail(r, ERR_BAD_VALUE, at, "%s must be an absolute path",
			reader_show(json_string_value(v), shown));
		err_hint(r->e, "the daemon does not know the client's current directory: send the "
			       "whole path");
		return -EINVAL;
	}
	return store_string(r, f, v, base);
}

int schema_read_signal(struct reader *r, const struct schema_field *f, json_t *v, char *base,
	const struct place *at)
{
	char shown[SHOWN_SIZE];
	int rc = reader_check_string(r, f, v, at);
	if (rc < 0)
		return rc;
	if (signal_number(json_string_value(v)) < 0) {
		reader_fail(r, ERR_BAD_VALUE, at, "%s is not a signal",
			reader_show(json_string_value(v), shown));
		err_hint(r->e, "send a name or number as text: \"TERM\", \"SIGTERM\", \"15\"");
		return -EINVAL;
	}
	return store_string(r, f, v, base);
}

/* ---- numbers ----------------------------------------------------------------------------------
 */

static int check_bounds(struct reader *r, const struct schema_field *f, const struct place *at,
	uint64_t value, const char *shown)
{
	if (value < f->min)
		return out_of_range(r, f, at, shown, false);
	if (value > f->max)
		return out_of_range(r, f, at, shown, true);
	return 0;
}

/* A whole JSON number times unit. */
static int read_integer(struct reader *r, const struct schema_field *f, const json_t *v,
	uint64_t unit, const struct place *at, uint64_t *ret)
{
	char shown[SHOWN_SIZE];
	json_int_t value = json_integer_value(v);
	snprintf(shown, sizeof(shown), "%" JSON_INTEGER_FORMAT, value);
	if (value < 0)
		return out_of_range(r, f, at, shown, false);
	uint64_t scaled;
	if (__builtin_mul_overflow((uint64_t)value, unit, &scaled))
		return out_of_range(r, f, at, shown, true);
	int rc = check_bounds(r, f, at, scaled, shown);
	if (rc == 0)
		*ret = scaled;
	return rc;
}

/* How the three kinds of measured numbers are read from text. */
static const struct measure {
	int (*parse)(const char *text, uint64_t *ret);
	uint64_t unit; /* of a bare JSON number */
	const char *wanted, *article, *hint;
} measures[KIND_COUNT] = {
	[KIND_SIZE] = { units_parse_size, 1,
		"a size: a whole number of bytes or a string with a unit", "a size",
		"write bytes, or a number and a unit: \"512\", \"64KiB\", \"1.5GiB\"" },
	[KIND_DURATION] = { units_parse_duration, 1000,
		"a duration: a whole number of seconds or a string with a unit", "a duration",
		"write seconds, or numbers and units: \"90\", \"500ms\", \"1h30m\"" },
	[KIND_CPUS] = { units_parse_cpus, 1000, "a number of CPUs", "a number of CPUs",
		"write a number: \"0.5\", \"2\"" },
};

static int read_measure_text(struct reader *r, const struct schema_field *f, const char *text,
	const struct place *at, uint64_t *ret)
{
	const struct measure *m = &measures[f->kind];
	char shown[SHOWN_SIZE];
	reader_show(text, shown);
	uint64_t value;
	int rc = m->parse(text, &value);
	if (rc == -ERANGE)
		return out_of_range(r, f, at, shown, true);
	if (rc < 0) {
		/* "-1s" is wrong because of its sign, and that is what the reader must be told. */
		if (text[0] == '-' && m->parse(text + 1, &value) != -EINVAL)
			return out_of_range(r, f, at, shown, false);
		reader_fail(r, ERR_BAD_VALUE, at, "%s is not %s", shown, m->article);
		err_hint(r->e, "%s", m->hint);
		return -EINVAL;
	}
	rc = check_bounds(r, f, at, value, shown);
	if (rc == 0)
		*ret = value;
	return rc;
}

int schema_read_measure(struct reader *r, const struct schema_field *f, json_t *v, char *base,
	const struct place *at)
{
	const struct measure *m = &measures[f->kind];
	uint64_t *ret = (uint64_t *)(base + f->offset);
	if (json_is_string(v))
		return read_measure_text(r, f, json_string_value(v), at, ret);
	if (json_is_integer(v))
		return read_integer(r, f, v, m->unit, at, ret);
	if (f->kind != KIND_CPUS || !json_is_real(v))
		return reader_wrong_type(r, at, v, m->wanted);
	double value = json_real_value(v) * (double)m->unit;
	char shown[SHOWN_SIZE];
	snprintf(shown, sizeof(shown), "%g", json_real_value(v));
	if (!(value >= (double)f->min))
		return out_of_range(r, f, at, shown, false);
	if (value > (double)f->max)
		return out_of_range(r, f, at, shown, true);
	*ret = (uint64_t)(value + 0.5);
	return 0;
}

int schema_read_uint(struct reader *r, const struct schema_field *f, json_t *v, char *base,
	const struct place *at)
{
	if (!json_is_integer(v))
		return reader_wrong_type(r, at, v, "a whole number");
	uint64_t value;
	int rc = read_integer(r, f, v, 1, at, &value);
	if (rc < 0)
		return rc;
	if (f->offset2)
		*(bool *)(base + f->offset2) = true;
	if (f->kind == KIND_FD)
		*(int64_t *)(base + f->offset) = (int64_t)value;
	else
		*(uint64_t *)(base + f->offset) = value;
	return 0;
}

int schema_read_int(struct reader *r, const struct schema_field *f, json_t *v, char *base,
	const struct place *at)
{
	char shown[SHOWN_SIZE];
	if (!json_is_integer(v))
		return reader_wrong_type(r, at, v, "a whole number");
	int64_t value = json_integer_value(v);
	snprintf(shown, sizeof(shown), "%" PRId64, value);
	if (value < (int64_t)f->min)
		return out_of_range(r, f, at, shown, false);
	if (value > (int64_t)f->max)
		return out_of_range(r, f, at, shown, true);
	*(int64_t *)(base + f->offset) = value;
	return 0;
}

/* Octal text, as chmod takes it: JSON has no octal numbers, and 644 is not 0644. */
int schema_read_mode(struct reader *r, const struct schema_field *f, json_t *v, char *base,
	const struct place *at)
{
	char shown[SHOWN_SIZE];
	uint64_t mode = 0;
	if (!json_is_string(v))
		return reader_wrong_type(r, at, v, "a string of octal digits, such as \"0644\"");
	const char *s = json_string_value(v);
	size_t len = strlen(s);
	if (len < 3 || len > 4 || strspn(s, "01234567") != len) {
		reader_fail(r, ERR_BAD_VALUE, at, "%s is not a mode", reader_show(s, shown));
		err_hint(r->e, "write three or four octal digits: \"0644\", \"755\"");
		return -EINVAL;
	}
	for (; *s; s++)
		mode = mode * 8 + (uint64_t)(*s - '0');
	if (mode < f->min || mode > f->max)
		return reader_fail(r, ERR_OUT_OF_RANGE, at, "%s is not from %04o to %04o",
			reader_show(json_string_value(v), shown), (unsigned)f->min,
			(unsigned)f->max);
	*(uint64_t *)(base + f->offset) = mode;
	return 0;
}

int schema_read_time(struct reader *r, const struct schema_field *f, json_t *v, char *base,
	const struct place *at)
{
	char shown[SHOWN_SIZE];
	if (!json_is_string(v))
		return reader_wrong_type(r, at, v, "a moment as text");
	if (clock_parse_rfc3339(json_string_value(v), (uint64_t *)(base + f->offset)) == 0)
		return 0;
	reader_fail(r, ERR_BAD_VALUE, at, "%s is not a moment",
		reader_show(json_string_value(v), shown));
	err_hint(r->e, "write it as 2026-01-31T09:05:00Z");
	return -EINVAL;
}

int schema_read_bool(struct reader *r, const struct schema_field *f, json_t *v, char *base,
	const struct place *at)
{
	if (!json_is_boolean(v))
		return reader_wrong_type(r, at, v, "true or false");
	*(bool *)(base + f->offset) = json_is_true(v);
	return 0;
}

/* ---- words ------------------------------------------------------------------------------------
 */

static int find_word(struct reader *r, const struct schema_field *f, const json_t *v,
	const struct place *at, int *ret)
{
	const char *names[SCHEMA_NAMES_MAX];
	char list[128] = "", shown[SHOWN_SIZE];
	size_t n = 0;
	if (!json_is_string(v))
		return reader_wrong_type(r, at, v, "a string");
	const char *s = json_string_value(v);
	for (; f->words[n].name; n++) {
		if (!strcmp(f->words[n].name, s)) {
			*ret = f->words[n].value;
			return 0;
		}
		size_t len = strlen(list);
		snprintf(list + len, sizeof(list) - len, "%s%s", n ? ", " : "", f->words[n].name);
		names[n] = f->words[n].name;
	}
	reader_fail(r, ERR_BAD_VALUE, at, "%s is not one of: %s", reader_show(s, shown), list);
	const char *nearest = str_nearest(s, names, n);
	if (nearest)
		err_hint(r->e, "did you mean \"%s\"?", nearest);
	return -EINVAL;
}

int schema_read_word(struct reader *r, const struct schema_field *f, json_t *v, char *base,
	const struct place *at)
{
	return find_word(r, f, v, at, (int *)(base + f->offset));
}

int schema_read_words(struct reader *r, const struct schema_field *f, json_t *v, char *base,
	const struct place *at)
{
	if (!json_is_array(v))
		return reader_wrong_type(r, at, v, "a list of strings");
	uint32_t bits = 0;
	size_t i;
	json_t *entry;
	json_array_foreach (v, i, entry) {
		int value = 0;
		int rc = find_word(r, f, entry, &(struct place){ .up = at, .index = i }, &value);
		if (rc < 0)
			return rc;
		bits |= (uint32_t)value;
	}
	*(uint32_t *)(base + f->offset) = bits;
	return 0;
}
