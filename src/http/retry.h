/* When to try again. Pure. */
#ifndef DAYFLY_HTTP_RETRY_H
#define DAYFLY_HTTP_RETRY_H

#include <stdint.h>

#define RETRY_FIRST_MS	 1000ull
#define RETRY_LONGEST_MS (15 * 60 * 1000ull)
/* Of what an answer asks for. */
#define RETRY_AFTER_MAX_MS (3600 * 1000ull)

/*
 * After so many failed attempts (1 or more): twice as long each time, up to the longest; of that,
 * by chance (a random number), between half and all, so that many who failed together do not come
 * back together. Never before what the answer asked for (0: nothing).
 */
uint64_t retry_delay_ms(unsigned attempts, uint64_t random, uint64_t asked_ms);

/* The value of Retry-After, seconds or a date, as time from now (seconds since 1970) on. 0: it says
 * nothing that could be read. */
uint64_t retry_after_ms(const char *value, int64_t now_s);

#endif
