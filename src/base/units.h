/*
 * Sizes, durations, counts and shares as people write them, read strictly: no sign, no space, no
 * nonsense, no overflow.
 *
 *   size      "512", "64k", "64KiB", "2GiB", "1.5g"   bytes; k m g t and KiB MiB GiB TiB are
 *                                                     powers of 1024, kB MB GB TB of 1000
 *   duration  "10s", "1h30m", "500ms", "90"           a bare number is seconds
 *   cpus      "0.5", "2"                              thousandths of a CPU
 */
#ifndef DAYFLY_BASE_UNITS_H
#define DAYFLY_BASE_UNITS_H

#include <stddef.h>
#include <stdint.h>

/* Each returns 0, -EINVAL (not such a text) or -ERANGE (does not fit). *ret is set only on success.
 */
int units_parse_size(const char *text, uint64_t *ret_bytes);
int units_parse_duration(const char *text, uint64_t *ret_ms);
int units_parse_cpus(const char *text, uint64_t *ret_millicpus);
int units_parse_uint(const char *text, uint64_t max, uint64_t *ret);

#define UNITS_TEXT_SIZE 32
/* "412 MiB", "1.5 GiB", "17 B" and "8.2 s", "350 ms", "1 h 5 min": for people, not for parsers. */
void units_format_size(uint64_t bytes, char out[UNITS_TEXT_SIZE]);
void units_format_duration(uint64_t ns, char out[UNITS_TEXT_SIZE]);

#endif
