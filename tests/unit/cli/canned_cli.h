/*
 * Runs the command line program in a child, against a canned daemon in another: for each line that
 * it sends the daemon says the next reply and remembers the line.
 */
#ifndef TESTS_UNIT_CLI_CANNED_CLI_H
#define TESTS_UNIT_CLI_CANNED_CLI_H

#include <stddef.h>
#include <sys/types.h>

#define CANNED_REPLIES_MAX 8
#define CANNED_TASK	   "t-0123456789abcdef0123456789abcdef"

/* Events as the daemon sends them. */
#define CANNED_ACCEPTED "{\"id\":\"1\",\"event\":\"accepted\",\"task\":\"" CANNED_TASK "\"}\n"
#define CANNED_RUNNING                                                                             \
	"{\"id\":\"1\",\"event\":\"state\",\"task\":\"" CANNED_TASK "\",\"state\":\"running\"}\n"
#define CANNED_OUTPUT(stream, bytes, text)                                                         \
	"{\"id\":\"1\",\"event\":\"output\",\"task\":\"" CANNED_TASK                               \
	"\",\"seq\":1,\"stream\":\"" stream "\",\"bytes\":" #bytes "}\n" text
#define CANNED_RESULT(record)                                                                      \
	"{\"id\":\"1\",\"event\":\"result\",\"task\":\"" CANNED_TASK "\",\"result\":" record "}\n"
#define CANNED_EXIT(code)                                                                          \
	CANNED_RESULT("{\"outcome\":\"failed\",\"cause\":\"exit\",\"exit\":{\"code\":" #code "}}")
#define CANNED_ERROR(members) "{\"id\":\"1\",\"event\":\"error\",\"error\":{" members "}}\n"

struct canned_cli {
	/* In. */
	const char *replies[CANNED_REPLIES_MAX]; /* NULL: nothing is said */
	int closes_after;  /* the daemon leaves after so many replies; 0: when the program does */
	const char *input; /* for its stdin; NULL: none */
	const char
		*signals; /* "INT" and so on, sent one by one after each sent line but the last */
	int stdout_fd;	  /* 0: collected in out */

	/* Out. */
	int status; /* exit status; 256 + n: ended by signal n */
	char out[8192], err[8192];
	char sent[16384]; /* every line that it sent */
};

/* argv[0] is the verb; the word SOCKET stands for the path of the daemon's socket. */
void canned_cli_run(struct canned_cli *c, const char *const *argv);

#endif
