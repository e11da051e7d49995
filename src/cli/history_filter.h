/* From the options of `dayfly history` to the filters of dayfly_history(), and what its table
 * shows beside what other lists do. Pure, but for the clock and the names of users. */
#ifndef DAYFLY_CLI_HISTORY_FILTER_H
#define DAYFLY_CLI_HISTORY_FILTER_H

#include "base/err.h"
#include "base/units.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct history_wish {
	const char *outcome, *cause, *state, *label, *name;
	const char *since, *until; /* as history_time() takes them */
	const char *user;	   /* a name or a number */
	bool all;
};

/* A moment as text of RFC 3339, a day ("2026-01-31": its local midnight), or how long before now_ns
 * ("2h"). Returns 0 or -EINVAL. */
int history_time(const char *text, uint64_t now_ns, uint64_t *ret_real_ns);

/* Checks for the table of options. */
int history_check_time(const char *text, struct err *e);
int history_check_user(const char *text, struct err *e);

/* A list (strv) of "name=value"; before: NULL: the newest; task: NULL: a list. NULL: no memory. */
char **history_filters(
	const struct history_wish *w, uint64_t limit, const char *before, const char *task);

/* The name of a task's user, or its number. */
void history_user_name(const json_t *task, char *out, size_t size);
/* From its start to its end; "" if it is not known. */
void history_took(const json_t *task, char out[UNITS_TEXT_SIZE]);

#endif
