/* The checksum of zlib and Ethernet (CRC-32, reflected, polynomial 0x04c11db7). */
#ifndef DAYFLY_BASE_CRC32_H
#define DAYFLY_BASE_CRC32_H

#include <stddef.h>
#include <stdint.h>

/* Of one piece; give the sum of what came before it, or 0. */
uint32_t crc32_add(uint32_t sum, const void *data, size_t len);

#endif
