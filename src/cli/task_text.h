/* What a task of a `list` looks like to people. Nothing here is escaped: that is for whoever prints
 * it. */
#ifndef DAYFLY_CLI_TASK_TEXT_H
#define DAYFLY_CLI_TASK_TEXT_H

#include "base/units.h"

#include <jansson.h>
#include <stddef.h>

/* "t-" and the first digits: enough to name a task by. */
#define TASK_TEXT_SHORT_ID 14

/* A text member; "" if there is none. */
const char *task_text_of(const json_t *task, const char *key);

/* The time between a stamp of RFC 3339 and now; "" if it is none. */
void task_text_age(const char *stamp, char out[UNITS_TEXT_SIZE]);

/* The command in one line. */
void task_text_command(const json_t *task, char *out, size_t size);

/* The state; of a finished task how it ended. */
void task_text_state(const json_t *task, char *out, size_t size);

/* The ids of a list on stdout, a line each. Returns the exit status: 0, or that of output_end(). */
int task_text_print_ids(const json_t *tasks, int failure_status);

#endif
