/* What --file and --secret say, and what is behind it. */
#ifndef DAYFLY_CLI_INPUTS_H
#define DAYFLY_CLI_INPUTS_H

#include "base/err.h"

#include <dayfly/client.h>

/* Whether it is PATH=FILE, or NAME or NAME=FILE. */
int input_check_file(const char *text, struct err *e);
int input_check_secret(const char *text, struct err *e);

/* Read the files (or the variable NAME) and add them to the task. Return 0, or -errno with *e. */
int input_add_file(struct dayfly_task *t, const char *text, struct err *e);
int input_add_secret(struct dayfly_task *t, const char *text, struct err *e);

#endif
