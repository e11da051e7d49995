/* A growable byte buffer: see buf.h. */
#include "base/buf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STR_NULL UINT32_MAX

void buf_init(struct buf *b, size_t max)
{
	memset(b, 0, sizeof(*b));
	b->max = max;
}

static void free_data(struct buf *b)
{
	if (b->is_secret && b->data)
		explicit_bzero(b->data, b->cap);
	free(b->data);
}

void buf_finish(struct buf *b)
{
	free_data(b);
	b->data = NULL;
	b->start = b->end = b->cap = 0;
}

int buf_reserve(struct buf *b, size_t n)
{
	size_t max = b->max ? b->max : BUF_MAX_DEFAULT;
	size_t len = buf_len(b);
	if (n > max || len > max - n)
		return -ENOBUFS;
	if (b->cap - b->end >= n)
		return 0;
	if (b->start && b->cap - len >= n) {
		memmove(b->data, b->data + b->start, len);
		b->start = 0;
		b->end = len;
		return 0;
	}
	size_t cap = b->cap ? b->cap : 256;
	while (cap < len + n)
		cap *= 2;
	char *grown = malloc(cap);
	if (!grown)
		return -ENOMEM;
	if (len)
		memcpy(grown, b->data + b->start, len);
	free_data(b);
	b->data = grown;
	b->cap = cap;
	b->start = 0;
	b->end = len;
	return 0;
}

int buf_add(struct buf *b, const void *data, size_t len)
{
	int r = buf_reserve(b, len);
	if (r < 0)
		return r;
	if (len)
		memcpy(b->data + b->end, data, len);
	b->end += len;
	return 0;
}

int buf_add_str(struct buf *b, const char *s)
{
	return buf_add(b, s, strlen(s));
}

int buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap, again;
	va_start(ap, fmt);
	va_copy(again, ap);
	int n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	int r = n < 0 ? -EINVAL : buf_reserve(b, (size_t)n + 1);
	if (r == 0) {
		vsnprintf(b->data + b->end, (size_t)n + 1, fmt, again);
		b->end += (size_t)n;
	}
	va_end(again);
	return r;
}

void buf_consume(struct buf *b, size_t n)
{
	b->start += n;
	if (b->start == b->end)
		b->start = b->end = 0;
}

void buf_clear(struct buf *b)
{
	b->start = b->end = 0;
}

static int put_int(struct buf *b, uint64_t v, size_t bytes)
{
	uint8_t raw[8];
	for (size_t i = 0; i < bytes; i++)
		raw[i] = (uint8_t)(v >> (8 * i));
	return buf_add(b, raw, bytes);
}

int buf_put_u8(struct buf *b, uint8_t v)
{
	return put_int(b, v, 1);
}

int buf_put_u16(struct buf *b, uint16_t v)
{
	return put_int(b, v, 2);
}

int buf_put_u32(struct buf *b, uint32_t v)
{
	return put_int(b, v, 4);
}

int buf_put_u64(struct buf *b, uint64_t v)
{
	return put_int(b, v, 8);
}

int buf_put_str(struct buf *b, const char *s)
{
	if (!s)
		return buf_put_u32(b, STR_NULL);
	size_t len = strlen(s);
	if (len >= STR_NULL)
		return -ENOBUFS;
	int r = buf_put_u32(b, (uint32_t)len);
	return r < 0 ? r : buf_add(b, s, len);
}

static uint64_t get_int(struct buf_reader *r, size_t bytes)
{
	if (r->failed || r->left < bytes) {
		r->failed = true;
		return 0;
	}
	uint64_t v = 0;
	for (size_t i = 0; i < bytes; i++)
		v |= (uint64_t)r->p[i] << (8 * i);
	r->p += bytes;
	r->left -= bytes;
	return v;
}

uint8_t buf_get_u8(struct buf_reader *r)
{
	return (uint8_t)get_int(r, 1);
}

uint16_t buf_get_u16(struct buf_reader *r)
{
	return (uint16_t)get_int(r, 2);
}

uint32_t buf_get_u32(struct buf_reader *r)
{
	return (uint32_t)get_int(r, 4);
}

uint64_t buf_get_u64(struct buf_reader *r)
{
	return get_int(r, 8);
}

char *buf_get_str(struct buf_reader *r, size_t max)
{
	uint32_t len = buf_get_u32(r);
	if (r->failed || len == STR_NULL)
		return NULL;
	if (len > max || len > r->left || memchr(r->p, '\0', len)) {
		r->failed = true;
		return NULL;
	}
	char *s = malloc((size_t)len + 1);
	if (!s) {
		r->failed = true;
		return NULL;
	}
	memcpy(s, r->p, len);
	s[len] = '\0';
	r->p += len;
	r->left -= len;
	return s;
}
