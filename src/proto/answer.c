/* Answer lines: see answer.h. */
#include "proto/answer.h"

#include "base/base64.h"
#include "base/str.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* U+FFFD, the mark for bytes that are no character. */
#define REPLACEMENT "\xef\xbf\xbd"

/*
 * A line under construction. The first failure is kept and everything after it does nothing;
 * line_end() takes back what was added.
 */
struct line {
	struct buf *b;
	size_t len_before;
	int failure;
};

static struct line line_begin(struct buf *b)
{
	return (struct line){ .b = b, .len_before = buf_len(b) };
}

static void add(struct line *l, const char *data, size_t len)
{
	if (l->failure == 0)
		l->failure = buf_add(l->b, data, len);
}

static void add_str(struct line *l, const char *s)
{
	add(l, s, strlen(s));
}

static int line_end(struct line *l)
{
	add(l, "}\n", 2);
	if (l->failure < 0)
		l->b->end = l->b->start + l->len_before;
	return l->failure;
}

static void add_uint(struct line *l, const char *key, uint64_t v)
{
	if (l->failure == 0)
		l->failure = buf_printf(l->b, ",\"%s\":%" PRIu64, key, v);
}

static void add_escape(struct line *l, unsigned char c)
{
	static const char digits[] = "0123456789abcdef";
	switch (c) {
	case '"':
		add(l, "\\\"", 2);
		break;
	case '\\':
		add(l, "\\\\", 2);
		break;
	case '\n':
		add(l, "\\n", 2);
		break;
	case '\t':
		add(l, "\\t", 2);
		break;
	case '\r':
		add(l, "\\r", 2);
		break;
	default:
		add(l, (char[]){ '\\', 'u', '0', '0', digits[c >> 4], digits[c & 15] }, 6);
		break;
	}
}

/* DEL is legal in JSON, but would reach terminals that show the line. */
static bool needs_escape(unsigned char c)
{
	return c < 0x20 || c == '"' || c == '\\' || c == 0x7f;
}

#define EACH_BYTE(c) (0x0101010101010101 * (uint64_t)(c))

/* Whether one of eight bytes is zero. */
static bool has_zero(uint64_t v)
{
	return (v - EACH_BYTE(1)) & ~v & EACH_BYTE(0x80);
}

/* needs_escape() of eight bytes at once. */
static bool any_needs_escape(const char *data)
{
	uint64_t v;
	memcpy(&v, data, sizeof(v));
	bool has_control = (v - EACH_BYTE(0x20)) & ~v & EACH_BYTE(0x80);
	return has_control || has_zero(v ^ EACH_BYTE('"')) || has_zero(v ^ EACH_BYTE('\\')) ||
	       has_zero(v ^ EACH_BYTE(0x7f));
}

/* Text that is known to be UTF-8, quoted. Runs without anything to escape are copied whole. */
static void add_utf8(struct line *l, const char *data, size_t len)
{
	add(l, "\"", 1);
	size_t run = 0;
	for (size_t i = 0; i < len; i++) {
		while (len - i >= sizeof(uint64_t) && !any_needs_escape(data + i))
			i += sizeof(uint64_t);
		if (i == len)
			break;
		unsigned char c = (unsigned char)data[i];
		if (!needs_escape(c))
			continue;
		add(l, data + run, i - run);
		add_escape(l, c);
		run = i + 1;
	}
	add(l, data + run, len - run);
	add(l, "\"", 1);
}

/* A copy of any bytes as UTF-8: each that is part of no character is replaced. */
static int clean_text(const char *s, size_t len, struct buf *out)
{
	int r = 0;
	for (size_t i = 0; i < len && r == 0;) {
		size_t n = len - i < 4 ? len - i : 4;
		while (n && !str_is_utf8(s + i, n))
			n--;
		r = n ? buf_add(out, s + i, n) : buf_add_str(out, REPLACEMENT);
		i += n ? n : 1;
	}
	return r;
}

static void add_any_text(struct line *l, const char *s)
{
	size_t len = strlen(s);
	if (str_is_utf8(s, len)) {
		add_utf8(l, s, len);
		return;
	}
	struct buf clean;
	buf_init(&clean, 0);
	int r = clean_text(s, len, &clean);
	if (l->failure == 0)
		l->failure = r;
	add_utf8(l, clean.data, buf_len(&clean));
	buf_finish(&clean);
}

static void add_text(struct line *l, const char *key, const char *s)
{
	add(l, ",\"", 2);
	add_str(l, key);
	add(l, "\":", 2);
	add_any_text(l, s);
}

static struct line event_begin(struct buf *b, const char *id, const char *event, const char *task)
{
	struct line l = line_begin(b);
	add_str(&l, "{\"id\":");
	if (id)
		add_any_text(&l, id);
	else
		add_str(&l, "null");
	add_text(&l, "event", event);
	if (task)
		add_text(&l, "task", task);
	return l;
}

int answer_accepted(struct buf *b, const char *id, const char *task, bool is_duplicate)
{
	struct line l = event_begin(b, id, "accepted", task);
	if (is_duplicate)
		add_str(&l, ",\"duplicate\":true");
	return line_end(&l);
}

int answer_state(struct buf *b, const char *id, const char *task, const char *state)
{
	struct line l = event_begin(b, id, "state", task);
	add_text(&l, "state", state);
	return line_end(&l);
}

int answer_waiting(struct buf *b, const char *id, const char *task, const char *state,
	const char *source, uint64_t position, uint64_t wait_ms)
{
	struct line l = event_begin(b, id, "state", task);
	add_text(&l, "state", state);
	add_uint(&l, "position", position);
	if (wait_ms)
		add_uint(&l, "wait_ms", wait_ms);
	if (source) {
		add_text(&l, "reason", "source");
		add_text(&l, "source", source);
	}
	return line_end(&l);
}

static struct line output_begin(struct buf *b, const struct answer_chunk *chunk)
{
	struct line l = event_begin(b, chunk->id, "output", chunk->task);
	add_uint(&l, "seq", chunk->seq);
	add_text(&l, "stream", chunk->stream);
	return l;
}

static void add_base64(struct line *l, const char *data, size_t len)
{
	add_str(l, ",\"base64\":\"");
	size_t size = base64_encoded_size(len);
	if (l->failure == 0)
		l->failure = buf_reserve(l->b, size);
	if (l->failure == 0) {
		base64_encode(data, len, l->b->data + l->b->end);
		l->b->end += size;
	}
	add(l, "\"", 1);
}

int answer_output(struct buf *b, const struct answer_chunk *chunk, const char *data, size_t len,
	bool is_final, size_t *ret_used)
{
	size_t whole = str_utf8_prefix(data, len);
	bool is_text = whole == len || (whole != SIZE_MAX && !is_final);
	size_t used = is_text ? whole : len;
	if (used) {
		struct line l = output_begin(b, chunk);
		if (is_text) {
			add_str(&l, ",\"text\":");
			add_utf8(&l, data, used);
		} else {
			add_base64(&l, data, used);
		}
		int r = line_end(&l);
		if (r < 0)
			return r;
	}
	*ret_used = used;
	return 0;
}

size_t answer_whole_chars(const char *data, size_t len)
{
	/* Only the last three bytes can be the start of a character that goes on. */
	for (size_t back = 1; back <= 3 && back <= len; back++) {
		unsigned char c = (unsigned char)data[len - back];
		if ((c & 0xc0) == 0x80)
			continue;
		return str_utf8_prefix(data + len - back, back) == 0 ? len - back : len;
	}
	return len;
}

int answer_output_header(struct buf *b, const struct answer_chunk *chunk, size_t bytes)
{
	struct line l = output_begin(b, chunk);
	add_uint(&l, "bytes", bytes);
	return line_end(&l);
}

int answer_truncated(struct buf *b, const struct answer_chunk *chunk, uint64_t bytes, bool is_bound)
{
	struct line l = output_begin(b, chunk);
	add_uint(&l, "truncated", bytes);
	if (is_bound)
		add_str(&l, ",\"at_most\":true");
	return line_end(&l);
}

static int dump_into(const char *data, size_t len, void *opaque)
{
	struct line *l = opaque;
	add(l, data, len);
	return l->failure;
}

int answer_result(struct buf *b, const char *id, const char *task, const json_t *result)
{
	struct line l = event_begin(b, id, "result", task);
	add_str(&l, ",\"result\":");
	if (l.failure == 0 && json_dump_callback(result, dump_into, &l, JSON_COMPACT) < 0 &&
		l.failure == 0)
		l.failure = -ENOMEM;
	return line_end(&l);
}

int answer_result_text(
	struct buf *b, const char *id, const char *task, const char *json, size_t len)
{
	struct line l = event_begin(b, id, "result", task);
	add_str(&l, ",\"result\":");
	add(&l, json, len);
	return line_end(&l);
}

int answer_members(
	struct buf *b, const char *id, const char *event, const char *task, const json_t *members)
{
	struct line l = event_begin(b, id, event, task);
	if (json_object_size(members))
		add_str(&l, ",");
	if (l.failure == 0 &&
		json_dump_callback(members, dump_into, &l, JSON_COMPACT | JSON_EMBED) < 0 &&
		l.failure == 0)
		l.failure = -ENOMEM;
	return line_end(&l);
}

int answer_missed(struct buf *b, const char *id, uint64_t missed)
{
	struct line l = event_begin(b, id, "missed", NULL);
	add_uint(&l, "missed", missed);
	return line_end(&l);
}

static void add_error(struct line *l, const struct err *e)
{
	add_str(l, ",\"error\":{\"code\":");
	add_any_text(l, err_code_name(e->code));
	add_text(l, "message", e->msg);
	if (e->field[0])
		add_text(l, "field", e->field);
	if (e->errnum)
		add_uint(l, "errno", (uint64_t)e->errnum);
	if (e->depth)
		add_uint(l, "depth", e->depth);
	if (e->retry_ms)
		add_uint(l, "retry_after_ms", e->retry_ms);
	if (e->step[0])
		add_text(l, "step", e->step);
	if (e->hint[0])
		add_text(l, "hint", e->hint);
	add(l, "}", 1);
}

int answer_error(struct buf *b, const char *id, const struct err *e)
{
	struct line l = event_begin(b, id, "error", NULL);
	add_error(&l, e);
	return line_end(&l);
}

int answer_gone(struct buf *b, const char *id, const char *task, const struct err *why)
{
	struct line l = event_begin(b, id, "gone", task);
	add_error(&l, why);
	return line_end(&l);
}

static int set_text(json_t *object, const char *key, const char *s)
{
	struct buf clean;
	buf_init(&clean, 0);
	int r = clean_text(s, strlen(s), &clean);
	if (r == 0)
		r = json_object_set_new_nocheck(object, key,
			json_stringn_nocheck(clean.data ? clean.data : "", buf_len(&clean)));
	buf_finish(&clean);
	return r;
}

json_t *answer_error_json(const struct err *e)
{
	json_t *object = json_object();
	int r = object ? set_text(object, "code", err_code_name(e->code)) : -1;
	if (r == 0)
		r = set_text(object, "message", e->msg);
	if (r == 0 && e->field[0])
		r = set_text(object, "field", e->field);
	if (r == 0 && e->errnum)
		r = json_object_set_new(object, "errno", json_integer(e->errnum));
	if (r == 0 && e->depth)
		r = json_object_set_new(object, "depth", json_integer(e->depth));
	if (r == 0 && e->retry_ms)
		r = json_object_set_new(object, "retry_after_ms", json_integer(e->retry_ms));
	if (r == 0 && e->step[0])
		r = set_text(object, "step", e->step);
	if (r == 0 && e->hint[0])
		r = set_text(object, "hint", e->hint);
	if (r == 0)
		return object;
	json_decref(object);
	return NULL;
}
