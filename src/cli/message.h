/* What dayfly itself has to say: on stderr, one line each, "dayfly: " first; why and fix below.
 * Text from elsewhere is escaped. */
#ifndef DAYFLY_CLI_MESSAGE_H
#define DAYFLY_CLI_MESSAGE_H

#include "cli/options.h"

#include <dayfly/client.h>
#include <stdbool.h>
#include <stdio.h>

/* "dayfly: ..." */
void message_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* "  fix: ..."; nothing for an empty text. Lines of the text that begin with "why: " or "fix: "
 * keep their word. */
void message_detail(const char *word, const char *text);

/* An error of the library or the daemon. cmd, if not NULL, tells by which option a field of the
 * request was filled. */
void message_report(const struct command *cmd, const struct dayfly_error *e);

/* A line without "dayfly: ": the one at the end of a task. */
void message_plain(const char *text);

/* While the terminal is in raw mode a new line needs a carriage return too. */
void message_set_raw(bool is_raw);

/* Whether colours are wanted on this stream: it is a terminal, and the environment does not say
 * no. */
bool message_wants_colour(FILE *out);

/* Whether the terminal is likely to show characters outside ASCII. */
bool message_is_utf8(void);

#endif
