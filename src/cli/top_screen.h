/*
 * dayfly top on a terminal: the alternate screen, drawn anew at every look and when its size
 * changes; keys and signals. However it ends, the terminal is as it was.
 */
#ifndef DAYFLY_CLI_TOP_SCREEN_H
#define DAYFLY_CLI_TOP_SCREEN_H

#include "cli/options.h"
#include "cli/top_model.h"

#include <dayfly/client.h>
#include <stdbool.h>
#include <stdint.h>

/* Until q or a signal. Returns the exit status. */
int top_screen_run(const struct command *cmd, struct dayfly_client *c, struct top_model *m,
	uint64_t interval_ms, bool all, const char *label);

/* The time of day, for the first line. */
#define TOP_CLOCK_SIZE 16
void top_clock(char out[TOP_CLOCK_SIZE]);

#endif
