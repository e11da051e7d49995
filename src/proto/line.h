/*
 * Cuts a stream of bytes into lines of bounded length. Pure: works on a buffer that somebody else
 * fills. Each byte is looked at once, however slowly it comes.
 */
#ifndef DAYFLY_PROTO_LINE_H
#define DAYFLY_PROTO_LINE_H

#include "base/buf.h"

#include <stddef.h>

struct line_splitter {
	size_t max;	/* longest line, with its newline */
	size_t scanned; /* bytes at the front of the buffer that are known to hold no newline */
};

void line_splitter_init(struct line_splitter *s, size_t max);

/*
 * Looks for a whole line at the front of b. Returns 1: *ret_line and *ret_len are the line without
 * its newline, inside the buffer, until it is changed; 0: not whole yet; -EMSGSIZE: the line is
 * longer than max, and no later call will do better.
 */
int line_next(struct line_splitter *s, const struct buf *b, const char **ret_line, size_t *ret_len);

/* Drops the line that line_next() gave (len without the newline) from the buffer. */
void line_consume(struct line_splitter *s, struct buf *b, size_t len);

#endif
