/*
 * Patterns for paths. In a part of a path `*` stands for any characters, `?` for one, `[a-z]` and
 * `[!a-z]` for one of these or of all others, `\` takes the next one as it is; a part `**` stands
 * for any number of parts, none too. A dot at the beginning of a part must stand in the pattern:
 * what is hidden is not taken by the way. Paths are any bytes; what is UTF-8 there counts as
 * characters. Pure. Time: at most the product of both lengths.
 */
#ifndef DAYFLY_BASE_GLOB_H
#define DAYFLY_BASE_GLOB_H

#include <stdbool.h>

/* Whether it is a pattern: relative, without empty, "." and ".." parts, every bracket closed. The
 * others take only such. */
bool glob_is_valid(const char *pattern);

bool glob_matches(const char *pattern, const char *path);

/* Whether something below this path may match. */
bool glob_may_lead(const char *pattern, const char *path);

#endif
