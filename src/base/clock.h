/* Time. Deadlines count CLOCK_BOOTTIME (a suspended machine does not lengthen a limit), durations
 * CLOCK_MONOTONIC. */
#ifndef DAYFLY_BASE_CLOCK_H
#define DAYFLY_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

#define NS_PER_US 1000ull
#define NS_PER_MS 1000000ull
#define NS_PER_S  1000000000ull

uint64_t clock_mono_ns(void);
uint64_t clock_boot_ns(void);
uint64_t clock_real_ns(void);

#define CLOCK_RFC3339_SIZE 32
/* "2026-01-31T09:05:00.123456Z" */
void clock_format_rfc3339(uint64_t real_ns, char out[CLOCK_RFC3339_SIZE]);
/* Reads "2026-01-31T09:05:00Z", also with a fraction, or an offset such as +01:00 in place of the
 * Z. Returns 0 or -EINVAL. */
int clock_parse_rfc3339(const char *text, uint64_t *ret_real_ns);

#endif
