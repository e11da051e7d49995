/* What --file and --secret say, and what is behind it. */
#ifndef DAYFLY_CLI_INPUTS_H
#define DAYFLY_CLI_INPUTS_H

#include "base/err.h"

#include <dayfly/client.h>

#include <stdbool.h>

/* Whether it is PATH=FILE, or NAME or NAME=FILE. */
int input_check_file(const char *text, struct err *e);
int input_check_secret(const char *text, struct err *e);

/* Whether it is FILE or DIR=FILE, and whether that is our stdin. */
int input_check_tar(const char *text, struct err *e);
bool input_tar_is_stdin(const char *text);

/* Read the files (or the variable NAME) and add them to the task. Return 0, or -errno with *e. */
int input_add_file(struct dayfly_task *t, const char *text, struct err *e);
int input_add_secret(struct dayfly_task *t, const char *text, struct err *e);
/* Opens the tar, which the daemon's side reads. */
int input_add_tar(struct dayfly_task *t, const char *text, struct err *e);

/* A file of at most max bytes, or a pipe. *ret is the caller's, also after a failure. Returns 0, or
 * -errno with *e. */
int input_read(const char *path, size_t max, char **ret, size_t *ret_len, struct err *e);

#endif
