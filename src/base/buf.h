/*
 * A growable byte buffer with a hard cap. Invariants: data is NULL or holds cap bytes; len <= cap
 * <= max. Consumed bytes are dropped from the front lazily, so a buffer also serves as a queue.
 */
#ifndef DAYFLY_BASE_BUF_H
#define DAYFLY_BASE_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
	char *data;
	size_t start; /* first byte not consumed */
	size_t end;   /* one past the last byte */
	size_t cap;
	size_t max;	/* most bytes it may hold; 0 = BUF_MAX_DEFAULT */
	bool is_secret; /* its memory is wiped before it is freed */
};

#define BUF_MAX_DEFAULT (64u << 20)

void buf_init(struct buf *b, size_t max);
void buf_finish(struct buf *b);

static inline size_t buf_len(const struct buf *b)
{
	return b->end - b->start;
}

static inline char *buf_data(const struct buf *b)
{
	return b->data + b->start;
}

/* Makes room for n more bytes at the end. Returns 0, -ENOBUFS (over the cap) or -ENOMEM. */
int buf_reserve(struct buf *b, size_t n);

/* Appends. Same errors as buf_reserve; on failure nothing was added. */
int buf_add(struct buf *b, const void *data, size_t len);
int buf_add_str(struct buf *b, const char *s);
int buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Drops n bytes (n <= buf_len) from the front. */
void buf_consume(struct buf *b, size_t n);
void buf_clear(struct buf *b);

/* Fixed-width little-endian integers and length-prefixed bytes, for binary records. */
int buf_put_u8(struct buf *b, uint8_t v);
int buf_put_u16(struct buf *b, uint16_t v);
int buf_put_u32(struct buf *b, uint32_t v);
int buf_put_u64(struct buf *b, uint64_t v);
int buf_put_str(struct buf *b, const char *s); /* NULL is kept apart from "" */

/*
 * A bounds-checked reader of such records. After the first short read `failed` is set, every
 * further get returns 0 or NULL, and the caller checks once at the end.
 */
struct buf_reader {
	const uint8_t *p;
	size_t left;
	bool failed;
};

uint8_t buf_get_u8(struct buf_reader *r);
uint16_t buf_get_u16(struct buf_reader *r);
uint32_t buf_get_u32(struct buf_reader *r);
uint64_t buf_get_u64(struct buf_reader *r);
/* A copy (the caller's), or NULL for a NULL string or a failure. Longer than max, or with a NUL
 * inside: failure. */
char *buf_get_str(struct buf_reader *r, size_t max);

#endif
