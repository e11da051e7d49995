/* Paths as text: what stands between their slashes. Nothing is looked up. */
#ifndef DAYFLY_BASE_PATH_H
#define DAYFLY_BASE_PATH_H

#include <stdbool.h>
#include <stddef.h>

typedef bool path_part_fn(const char *part, size_t len);

/* Whether all parts of the path, of len bytes, are so. Empty ones count: before a slash at the
 * beginning, behind one at the end, between two; of an empty path there is one. */
bool path_parts_are(const char *path, size_t len, path_part_fn *is_so);

/* Whether a part is not empty, "." or "..". */
bool path_part_is_name(const char *part, size_t len);

#endif
