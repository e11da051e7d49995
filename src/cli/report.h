/* What is said at the end of a task. */
#ifndef DAYFLY_CLI_REPORT_H
#define DAYFLY_CLI_REPORT_H

#include "cli/options.h"

#include <dayfly/client.h>
#include <stdbool.h>
#include <stddef.h>

#define REPORT_LINE_SIZE 256

/* "exit 1 · 8.2 s · peak 412 MiB · 3 files changed": what is known of it. */
void report_line(const struct dayfly_event *result, bool is_utf8, char *out, size_t size);

/*
 * On stderr: why the task did not run to its own end, if so; and on a terminal the line above.
 * Returns the exit status of the program.
 */
int report_end(const struct command *cmd, const struct dayfly_event *last, bool is_quiet);

/* Checks the FILE of --result. Returns 0 or -errno with *e. */
int report_check_file(const char *text, struct err *e);

/*
 * Writes the result record to a file: a new one put in its place at once, so that a reader sees the
 * old or the new. What is no plain file (a pipe, a device) is written to. Returns 0 or -errno.
 */
int report_write(const char *path, const char *json);

#endif
