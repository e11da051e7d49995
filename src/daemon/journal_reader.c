/* Records of a journal's file, one after the other: see journal_reader.h. */
#include "daemon/journal_reader.h"

#include "base/crc32.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int journal_reader_init(struct journal_reader *r, int fd, uint64_t len)
{
	*r = (struct journal_reader){ .fd = fd, .end = len, .size = JOURNAL_BLOCK_BYTES };
	/* Not a byte more than there are: a sanitizer sees a step beyond them. */
	if (len < r->size)
		r->size = (size_t)len;
	r->block = malloc(r->size ? r->size : 1);
	r->here.p = r->block;
	return r->block ? 0 : -ENOMEM;
}

void journal_reader_finish(struct journal_reader *r)
{
	free(r->block);
	r->block = NULL;
}

/* How much of the file was not gone through yet. */
static uint64_t rest_of(const struct journal_reader *r)
{
	return r->end - r->at + r->here.left;
}

/* Has so many bytes in the block, or all that are left. Moves those that are there. */
static int fill(struct journal_reader *r, size_t want)
{
	if (r->here.left >= want || r->at == r->end)
		return 0;
	memmove(r->block, r->here.p, r->here.left);
	r->here.p = r->block;
	while (r->here.left < r->size && r->at < r->end) {
		size_t room = r->size - r->here.left;
		if (room > r->end - r->at)
			room = (size_t)(r->end - r->at);
		ssize_t n = pread(r->fd, r->block + r->here.left, room, (off_t)r->at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		r->here.left += (size_t)n;
		r->at += (uint64_t)n;
	}
	return 0;
}

static enum journal_end read_head(struct journal_reader *r)
{
	struct buf_reader *h = &r->here;
	size_t n = strlen(JOURNAL_MAGIC);
	if (!h->left)
		return JOURNAL_WHOLE; /* was just made */
	if (h->left < JOURNAL_HEAD_BYTES)
		return memcmp(h->p, JOURNAL_MAGIC, h->left < n ? h->left : n) ? JOURNAL_NONE
									      : JOURNAL_TORN;
	if (memcmp(h->p, JOURNAL_MAGIC, n))
		return JOURNAL_NONE;
	h->p += n;
	h->left -= n;
	r->version = buf_get_u32(h);
	buf_get_u32(h);
	return r->version == JOURNAL_VERSION ? JOURNAL_WHOLE : JOURNAL_OTHER;
}

/* Returns false at what is no record. */
static bool next_record(struct buf_reader *r, struct journal_view *ret)
{
	struct buf_reader at = *r;
	uint32_t len = buf_get_u32(&at), sum = buf_get_u32(&at);
	if (at.failed || !len || len > JOURNAL_RECORD_BYTES || len > at.left ||
		crc32_add(0, at.p, len) != sum)
		return false;
	ret->bytes = r->p;
	ret->len = JOURNAL_FRAME_BYTES + len;
	ret->record = (struct buf_reader){ .p = at.p, .left = len };
	r->p += ret->len;
	r->left -= ret->len;
	return true;
}

/* To the end of the file. */
static int skip_zeros(struct journal_reader *r)
{
	struct buf_reader *h = &r->here;
	while (rest_of(r)) {
		int e = fill(r, 1);
		if (e < 0)
			return e;
		if (*h->p)
			return JOURNAL_CORRUPT;
		h->p++;
		h->left--;
	}
	return JOURNAL_TORN;
}

/*
 * Whether what is left looks like a write that was cut short: less than the record that it begins
 * with, or the zeros that a file system leaves where data never came; or one whole record, the
 * last, not all of whose bytes came.
 */
static int end_at_none(struct journal_reader *r)
{
	struct buf_reader at = r->here;
	uint32_t len = buf_get_u32(&at);
	buf_get_u32(&at);
	if (at.failed ||
		(len && len <= JOURNAL_RECORD_BYTES && len >= rest_of(r) - JOURNAL_FRAME_BYTES))
		return JOURNAL_TORN;
	return skip_zeros(r);
}

int journal_reader_next(struct journal_reader *r, struct journal_view *ret_view)
{
	r->good = r->end - rest_of(r);
	int e = fill(r, JOURNAL_RECORD_BYTES + JOURNAL_FRAME_BYTES);
	if (e < 0)
		return e;
	if (!r->good) {
		e = read_head(r);
		if (e != JOURNAL_WHOLE)
			return e;
		r->good = r->end - rest_of(r);
	}
	if (!r->here.left)
		return JOURNAL_WHOLE;
	return next_record(&r->here, ret_view) ? JOURNAL_MORE : end_at_none(r);
}

int journal_read(
	int fd, uint64_t len, struct journal_image *m, uint64_t *ret_good, uint32_t *ret_version)
{
	struct journal_reader r;
	struct journal_view view;
	int end = journal_reader_init(&r, fd, len);
	if (end == 0)
		end = journal_reader_next(&r, &view);
	while (end == JOURNAL_MORE)
		end = journal_image_add(m, view.record) ? journal_reader_next(&r, &view)
							: JOURNAL_CORRUPT;
	*ret_good = r.good;
	*ret_version = r.version;
	journal_reader_finish(&r);
	return end;
}
