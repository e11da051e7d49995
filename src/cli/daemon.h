/* What the verbs that ask the daemon something have in common. */
#ifndef DAYFLY_CLI_DAEMON_H
#define DAYFLY_CLI_DAEMON_H

#include "cli/options.h"

#include <dayfly/client.h>
#include <jansson.h>
#include <stdint.h>

/* For questions that a daemon answers at once. */
#define DAEMON_ANSWER_MS 30000

/* Connects, or says why not. NULL on failure. */
struct dayfly_client *daemon_connect(const struct command *cmd, const char *socket, unsigned flags);

/* Waits for the answer to a request that was just made with the result `made`; says what went
 * wrong. NULL on failure. */
struct dayfly_event *daemon_answer(const struct command *cmd, struct dayfly_client *c, int made,
	uint64_t request, struct dayfly_error *e);

/* The same where the answer was waited for already: `answered` is what dayfly_await() returned. */
void daemon_report(const struct command *cmd, const struct dayfly_client *c, int answered,
	const struct dayfly_error *e);

/* Prints JSON or a word and a newline on stdout, nothing of which means anything to a terminal, and
 * flushes. Returns the exit status: 0, or that of output_end(). */
int daemon_print(const struct command *cmd, const char *text);

/* The table entry of --socket, for a struct with a member `socket`. */
#define OPTION_SOCKET(type)                                                                        \
	{                                                                                          \
		OPTION_TEXT, 0, "socket", "PATH", offsetof(type, socket), NULL, NULL,              \
			"where the daemon listens"                                                 \
	}

#endif
