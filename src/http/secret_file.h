/* Files that hold what nobody else may know. */
#ifndef DAYFLY_HTTP_SECRET_FILE_H
#define DAYFLY_HTTP_SECRET_FILE_H

#include "base/err.h"

#include <stddef.h>

#define SECRET_FILE_MAX 4096

/*
 * Reads a regular file of root's or owner's that others may not read, with a NUL after it. The
 * caller wipes what it gets. Returns 0 or -errno with *e, which holds nothing of the text.
 */
int secret_file_read(const char *path, unsigned owner, char out[SECRET_FILE_MAX + 1],
	size_t *ret_len, struct err *e);

#endif
