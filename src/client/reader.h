/*
 * From bytes to events. Fed with whatever arrives, in pieces of any size; gives complete events.
 * Everything is bounded: a line, the bytes of one output event, the nesting. Does no input itself.
 */
#ifndef DAYFLY_CLIENT_READER_H
#define DAYFLY_CLIENT_READER_H

#include "base/buf.h"
#include "base/list.h"

#include <dayfly/client.h>
#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

/* One line; lists of many tasks are the longest. */
#define READER_LINE_MAX (16u << 20)
/* The raw bytes of one output event. */
#define READER_BYTES_MAX (4u << 20)

struct dayfly_event {
	struct list link; /* client.kept */
	enum dayfly_event_type type;
	uint64_t request;
	enum dayfly_stream stream;
	uint64_t seq;
	uint64_t truncated;
	json_t *json; /* the whole line, parsed; strings below are its */
	const char *task;
	const char *state;
	char *line;	   /* the line as it came */
	char *result_text; /* made on demand */
	char *data;
	size_t data_len;
};

struct reader {
	struct buf in;
	size_t scanned;		      /* so much of `in` holds no newline */
	struct dayfly_event *partial; /* an output event whose bytes are not complete */
	size_t missing;		      /* so many */
};

void reader_init(struct reader *r);
void reader_finish(struct reader *r);

/* Where the next bytes are to be put: one or two places, in this order. Returns their number, or
 * -ENOMEM or -EPROTO (line too long). */
int reader_space(struct reader *r, struct iovec iov[2]);

/* So many bytes were put there. */
void reader_commit(struct reader *r, size_t n);

/* Returns 1 with a complete event, 0 when more bytes are needed, or -EPROTO, -ENOMEM with *e
 * filled. */
int reader_next(struct reader *r, struct dayfly_event **ret, struct dayfly_error *e);

/* How much memory an event is charged with when it is kept. */
size_t event_size(const struct dayfly_event *ev);

/* Parses one line into an event; *ret_missing is how many raw bytes follow it. */
int event_parse(const char *line, size_t len, struct dayfly_event **ret, size_t *ret_missing,
	struct dayfly_error *e);

#endif
