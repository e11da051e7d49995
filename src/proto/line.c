/* Lines out of a stream: see line.h. */
#include "proto/line.h"

#include <errno.h>
#include <string.h>

void line_splitter_init(struct line_splitter *s, size_t max)
{
	s->max = max;
	s->scanned = 0;
}

int line_next(struct line_splitter *s, const struct buf *b, const char **ret_line, size_t *ret_len)
{
	size_t len = buf_len(b);
	size_t end = len < s->max ? len : s->max;
	if (s->scanned < end) {
		const char *data = buf_data(b);
		const char *newline = memchr(data + s->scanned, '\n', end - s->scanned);
		if (newline) {
			*ret_line = data;
			*ret_len = (size_t)(newline - data);
			/* Asked again before the line is consumed, the answer is the same. */
			s->scanned = *ret_len;
			return 1;
		}
		s->scanned = end;
	}
	return len >= s->max ? -EMSGSIZE : 0;
}

void line_consume(struct line_splitter *s, struct buf *b, size_t len)
{
	buf_consume(b, len + 1);
	s->scanned = 0;
}
