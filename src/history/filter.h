/*
 * Which tasks of the history are asked for, and that as SQL: a text made of constant parts alone,
 * with what came from outside as bound parameters. Pure.
 */
#ifndef DAYFLY_HISTORY_FILTER_H
#define DAYFLY_HISTORY_FILTER_H

#include "base/limits.h"
#include "history/row.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Tasks in one answer. */
#define HISTORY_LIMIT_MAX     1000
#define HISTORY_LIMIT_DEFAULT 100

#define HISTORY_LABEL_SIZE  (LIMIT_NAME_BYTES + 1 + LIMIT_LABEL_BYTES + 1)
#define HISTORY_CURSOR_SIZE 48

enum history_state { HISTORY_ANY, HISTORY_DONE, HISTORY_ACTIVE };

/* The place of a task in an answer: those after it are older. */
struct history_cursor {
	int64_t created_ns, n;
};

struct history_filter {
	bool has_uid;
	uid_t uid;
	int state;			    /* enum history_state */
	char outcome[HISTORY_OUTCOME_SIZE]; /* "": any */
	char cause[HISTORY_CAUSE_SIZE];	    /* likewise */
	char name[LIMIT_NAME_BYTES + 1];    /* likewise */
	char label[HISTORY_LABEL_SIZE];	    /* "key" or "key=value"; likewise */
	uint64_t since_ns, until_ns;	    /* accepted then; 0: any time */
	bool has_before;
	struct history_cursor before;
	size_t limit; /* 1 to HISTORY_LIMIT_MAX */
};

struct history_param {
	const char *text; /* points into the filter; NULL: a number */
	size_t len;
	int64_t number;
};

#define HISTORY_PARAMS_MAX 12

struct history_sql {
	char text[1024];
	struct history_param params[HISTORY_PARAMS_MAX];
	size_t n_params;
};

/* What comes after "SELECT ... FROM task": the newest first, and one more than the limit, so that
 * the reader knows whether there are others. */
void history_filter_sql(const struct history_filter *f, struct history_sql *ret);

/* "1790000000000000000.17": a cursor for a client to keep. */
void history_cursor_format(const struct history_cursor *c, char out[HISTORY_CURSOR_SIZE]);
/* Returns 0 or -EINVAL. */
int history_cursor_parse(const char *text, struct history_cursor *ret);

#endif
