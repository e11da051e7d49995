/* Rows for the tests of the history. */
#ifndef TESTS_UNIT_HISTORY_ROWS_H
#define TESTS_UNIT_HISTORY_ROWS_H

#include "history/row.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROWS_SECOND 1000000000ull

/* Task number i of that uid, accepted i seconds after 1970; done unless result is NULL. */
static inline struct history_row *rows_make(unsigned i, uid_t uid, const char *result)
{
	struct history_row *r = history_row_create();
	snprintf(r->id, sizeof(r->id), "t-%032x", i);
	r->uid = uid;
	r->created_ns = i * ROWS_SECOND;
	r->started_ns = r->created_ns + 1;
	r->argv = strdup("[\"true\"]");
	r->request = strdup("{\"argv\":[\"true\"]}");
	if (!result)
		return r;
	r->finished_ns = r->created_ns + 2;
	r->result = strdup(result);
	snprintf(r->outcome, sizeof(r->outcome), "ok");
	snprintf(r->cause, sizeof(r->cause), "exit");
	r->has_code = true;
	return r;
}

#endif
