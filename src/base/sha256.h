/*
 * SHA-256 (FIPS 180-4), for jail init, which is a copy of the warden and links no library for it.
 * Pure.
 */
#ifndef DAYFLY_BASE_SHA256_H
#define DAYFLY_BASE_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define SHA256_SIZE	32
#define SHA256_BLOCK	64
#define SHA256_HEX_SIZE (2 * SHA256_SIZE + 1)

struct sha256 {
	uint32_t state[8];
	uint64_t bytes;
	uint8_t block[SHA256_BLOCK]; /* bytes % SHA256_BLOCK of them wait */
};

void sha256_init(struct sha256 *s);
void sha256_update(struct sha256 *s, const void *data, size_t len);
/* *s is used up. */
void sha256_finish(struct sha256 *s, uint8_t ret[SHA256_SIZE]);

/* As 64 lower-case digits. */
void sha256_to_hex(const uint8_t digest[SHA256_SIZE], char ret[SHA256_HEX_SIZE]);

#endif
