/*
 * The last bytes of a stream that has written more than is kept of it: a ring of fixed size in
 * memory, which exists only once something is put into it.
 */
#ifndef DAYFLY_TASK_OUTPUT_TAIL_H
#define DAYFLY_TASK_OUTPUT_TAIL_H

#include <stdbool.h>
#include <stddef.h>

struct output_tail {
	char *data; /* NULL: empty */
	size_t size;
	size_t len;  /* in use */
	size_t next; /* where the next byte goes */
	bool has_lost;
};

void output_tail_init(struct output_tail *t, size_t size);
void output_tail_finish(struct output_tail *t);

/* Keeps the last `size` of all bytes that were ever put. Returns 0 or -ENOMEM. */
int output_tail_put(struct output_tail *t, const char *data, size_t len);

/*
 * Brings what is kept into its order and returns it with its length; it is the tail's, until the
 * next call. Where bytes before it are lost, the rest of a UTF-8 character at its start is lost
 * too.
 */
const char *output_tail_text(struct output_tail *t, size_t *ret_len);

#endif
