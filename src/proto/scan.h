/*
 * A first look at the bytes of a request, before any memory is spent on them: what is cheap to send
 * but dear to parse is refused here, in one pass and with its position.
 */
#ifndef DAYFLY_PROTO_SCAN_H
#define DAYFLY_PROTO_SCAN_H

#include "base/err.h"

#include <stddef.h>

/* Most values in one request: an argv and an env of full length and everything else. */
#define SCAN_VALUES_MAX (LIMIT_ARGV_COUNT + LIMIT_ENV_COUNT + 1024)
/* Longest number or bare word. */
#define SCAN_WORD_MAX 64

/*
 * Checks nesting, the number of values and the length of numbers. Whether it is JSON is not its
 * business. Returns 0, or -EINVAL with *e filled.
 */
int scan_request(const char *line, size_t len, struct err *e);

#endif
