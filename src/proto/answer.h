/*
 * Answer lines, written straight into a buffer: one JSON object and a newline each
 * (docs/protocol.md has their fields). Used by the daemon's loop. Every function returns 0,
 * -ENOBUFS (over the buffer's cap) or -ENOMEM, and on failure has added nothing.
 *
 * id is the client's tag. Text in arguments may hold any bytes: what is not UTF-8 is shown as
 * U+FFFD, except in output events, which send it as base64.
 */
#ifndef DAYFLY_PROTO_ANSWER_H
#define DAYFLY_PROTO_ANSWER_H

#include "base/buf.h"
#include "base/err.h"

#include <jansson.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* is_duplicate: it is the answer to an earlier request too. */
int answer_accepted(struct buf *b, const char *id, const char *task, bool is_duplicate);
int answer_state(struct buf *b, const char *id, const char *task, const char *state);

/* The state of a task that waits behind so many others, for about so long; wait_ms 0: not known.
 * source: what is being fetched for it; or NULL. */
int answer_waiting(struct buf *b, const char *id, const char *task, const char *state,
	const char *source, uint64_t position, uint64_t wait_ms);

/* An event with the members of an object (borrowed; none of those that every event has). */
int answer_members(
	struct buf *b, const char *id, const char *event, const char *task, const json_t *members);

/* So many events of a subscription were left out here. */
int answer_missed(struct buf *b, const char *id, uint64_t missed);

/* Which output an event belongs to. */
struct answer_chunk {
	const char *id;
	const char *task;
	uint64_t seq;
	const char *stream; /* "stdout" or "stderr" */
};

/*
 * Output as text when it is UTF-8, else as base64. A character that the end of data cuts off is
 * held back unless is_final: *ret_used says how many bytes the event covers, and the caller puts
 * the rest before the next bytes of that stream. With 0 nothing was added: not even one whole
 * character is there.
 */
int answer_output(struct buf *b, const struct answer_chunk *chunk, const char *data, size_t len,
	bool is_final, size_t *ret_used);

/*
 * How many leading bytes can be sent without cutting a character: len, or up to 3 less. For a
 * caller that cuts output into chunks before it knows who will read them.
 */
size_t answer_whole_chars(const char *data, size_t len);

/* Raw framing: the line that says that so many bytes follow. The caller adds the bytes. */
int answer_output_header(struct buf *b, const struct answer_chunk *chunk, size_t bytes);

/* So many bytes of the stream are missing here; is_bound: at most. */
int answer_truncated(
	struct buf *b, const struct answer_chunk *chunk, uint64_t bytes, bool is_bound);

/* The end of a request. task may be NULL; result is borrowed. */
int answer_result(struct buf *b, const char *id, const char *task, const json_t *result);

/* The same with a result that is JSON already, on one line. */
int answer_result_text(
	struct buf *b, const char *id, const char *task, const char *json, size_t len);

/* The output of a task is not kept any more: why. Its result follows. */
int answer_gone(struct buf *b, const char *id, const char *task, const struct err *why);

/* The end of a request that failed. id may be NULL: the tag could not be read. */
int answer_error(struct buf *b, const char *id, const struct err *e);

/* The same error as a JSON value ("error" in a result record): only the members that are set. NULL
 * when memory is short. */
json_t *answer_error_json(const struct err *e);

#endif
