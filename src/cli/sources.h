/* What --workspace and --mount say. Pure text; nothing is opened here. */
#ifndef DAYFLY_CLI_SOURCES_H
#define DAYFLY_CLI_SOURCES_H

#include "base/err.h"

#include <dayfly/client.h>

struct source_arg {
	char *path;   /* outside */
	char *target; /* inside; NULL: the same */
	enum dayfly_mode mode;
};

/*

 * DIR[:cow|ro|rw], cow when not said. A name with a colon in it needs the mode behind it: "a:b:ro".

 */
int source_parse_workspace(const char *text, struct source_arg *ret, struct err *e);

/* SRC[:DST][:ro|rw], ro when not said; DST is absolute. */
int source_parse_mount(const char *text, struct source_arg *ret, struct err *e);

void source_arg_finish(struct source_arg *s);

/* The same as checks for an option table. */
int source_check_workspace(const char *text, struct err *e);
int source_check_mount(const char *text, struct err *e);

#endif
