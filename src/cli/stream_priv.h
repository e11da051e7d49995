/* What the files of the stream loop share. Each int function: 0, or negative when the loop is to
 * end with s->status. */
#ifndef DAYFLY_CLI_STREAM_PRIV_H
#define DAYFLY_CLI_STREAM_PRIV_H

#include "cli/stream.h"

#include <stdbool.h>
#include <stdint.h>

/* The loop is to end with this exit status. */
int stream_leave(struct stream *s, int status);

/* stream_input.c */
bool stream_input_is_wanted(const struct stream *s);
int stream_input_read(struct stream *s);
/* A request of ours other than the main one was answered. */
void stream_input_answered(struct stream *s, uint64_t request, bool is_error);

/* stream_signals.c */
int stream_signals_open(struct stream *s);
int stream_signals_read(struct stream *s);
void stream_resize(struct stream *s);

#endif
