/* From bytes to events: see reader.h. */
#include "client/reader.h"

#include "base/cleanup.h"
#include "client/error.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/*
 * Small on purpose: in a stream of output most bytes then land in the event that they belong to,
 * not here first. It grows for a line that is longer.
 */
#define LINE_ROOM 16384u

void reader_init(struct reader *r)
{
	memset(r, 0, sizeof(*r));
	buf_init(&r->in, READER_LINE_MAX);
}

void reader_finish(struct reader *r)
{
	buf_finish(&r->in);
	dayfly_event_free(r->partial);
	r->partial = NULL;
}

int reader_space(struct reader *r, struct iovec iov[2])
{
	int n = 0;
	if (r->partial)
		iov[n++] = (struct iovec){
			.iov_base = r->partial->data + r->partial->data_len - r->missing,
			.iov_len = r->missing,
		};
	/* A long line is read in growing steps, so that it is not moved once for every few
	 * kilobytes. */
	size_t room = buf_len(&r->in) > LINE_ROOM ? buf_len(&r->in) : LINE_ROOM;
	if (room > READER_LINE_MAX - buf_len(&r->in))
		room = READER_LINE_MAX - buf_len(&r->in);
	if (!room)
		return -EPROTO;
	int e = buf_reserve(&r->in, room);
	if (e < 0)
		return e;
	iov[n++] = (struct iovec){ .iov_base = r->in.data + r->in.end, .iov_len = room };
	return n;
}

void reader_commit(struct reader *r, size_t n)
{
	if (r->partial) {
		size_t part = n < r->missing ? n : r->missing;
		r->missing -= part;
		n -= part;
	}
	r->in.end += n;
}

/* Moves the first raw bytes of an output event out of the buffer, where they came in behind its
 * line. */
static void take_bytes(struct reader *r)
{
	size_t n = buf_len(&r->in) < r->missing ? buf_len(&r->in) : r->missing;
	if (!n)
		return;
	memcpy(r->partial->data + r->partial->data_len - r->missing, buf_data(&r->in), n);
	r->missing -= n;
	buf_consume(&r->in, n);
}

int reader_next(struct reader *r, struct dayfly_event **ret, struct dayfly_error *e)
{
	if (!r->partial) {
		char *start = buf_len(&r->in) ? buf_data(&r->in) : NULL;
		char *end = start ? memchr(start + r->scanned, '\n', buf_len(&r->in) - r->scanned)
				  : NULL;
		if (!end) {
			r->scanned = buf_len(&r->in);
			return 0;
		}
		struct dayfly_event *ev = NULL;
		size_t missing = 0;
		int n = event_parse(start, (size_t)(end - start), &ev, &missing, e);
		if (n < 0)
			return n;
		r->scanned = 0;
		buf_consume(&r->in, (size_t)(end - start) + 1);
		r->partial = ev;
		r->missing = missing;
	}
	take_bytes(r);
	if (r->missing)
		return 0;
	*ret = take_ptr(r->partial);
	return 1;
}
