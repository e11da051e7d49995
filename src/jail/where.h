/* Where a walk through directories is. */
#ifndef DAYFLY_JAIL_WHERE_H
#define DAYFLY_JAIL_WHERE_H

#include "base/limits.h"

#include <stdbool.h>
#include <stddef.h>

struct where {
	char path[LIMIT_PATH_BYTES]; /* relative to its beginning, "" there */
	size_t len;
};

/* Goes to `name` in the directory where it is. Returns false where that leads too far. */
bool where_enter(struct where *w, const char *name, size_t *ret_before);
void where_leave(struct where *w, size_t before);

#endif
