/*
 * Signatures of Standard Webhooks (https://www.standardwebhooks.com): HMAC-SHA256 over id, time and
 * body. The keys come from a file of the administrator's and are in no log and no answer.
 */
#ifndef DAYFLY_HTTP_SIGNATURE_H
#define DAYFLY_HTTP_SIGNATURE_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

#define SIGNATURE_KEYS_MAX  4
#define SIGNATURE_KEY_MIN   24
#define SIGNATURE_KEY_MAX   64
#define SIGNATURE_TEXT_SIZE (SIGNATURE_KEYS_MAX * 48 + 1)

/* While a key is replaced by another there are two: each signs. */
struct signature_keys {
	uint8_t key[SIGNATURE_KEYS_MAX][SIGNATURE_KEY_MAX];
	size_t len[SIGNATURE_KEYS_MAX];
	size_t n;
};

/* Lines of "whsec_" and base64; empty ones and those that begin with # do not count. Returns 0 or
 * -errno with *e, which holds nothing of the text. */
int signature_parse(const char *text, size_t len, struct signature_keys *ret, struct err *e);

/* A regular file of root's or owner's that others may not read. Returns as signature_parse(). */
int signature_read_file(
	const char *path, unsigned owner, struct signature_keys *ret, struct err *e);

void signature_wipe(struct signature_keys *k);

/* The value of webhook-signature: "v1,..." of each key, with spaces between. Returns 0 or -errno.
 */
int signature_make(const struct signature_keys *k, const char *id, int64_t at_s, const char *body,
	size_t body_len, char out[SIGNATURE_TEXT_SIZE]);

#endif
