/* A line of JSON on the user's terminal: everything but printable ASCII is escaped, since names and
 * labels are of somebody's choosing. */
#ifndef DAYFLY_CLI_JSON_LINE_H
#define DAYFLY_CLI_JSON_LINE_H

#include <jansson.h>
#include <stdio.h>

/* Prints the value and a newline, and flushes. Returns 0 or -errno. */
int json_line_print(const json_t *value, FILE *out);

#endif
