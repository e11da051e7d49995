/* Base64 of RFC 4648 section 4, with padding. Decoding is strict: one text for one sequence of
 * bytes. */
#ifndef DAYFLY_BASE_BASE64_H
#define DAYFLY_BASE_BASE64_H

#include <stddef.h>

/* Length of the text for n bytes, without a NUL. */
static inline size_t base64_encoded_size(size_t n)
{
	return (n + 2) / 3 * 4;
}

/* Writes base64_encoded_size(len) characters and no NUL. */
void base64_encode(const void *data, size_t len, char *out);

/* The most bytes that a text of n characters can stand for. */
static inline size_t base64_decoded_max(size_t n)
{
	return n / 4 * 3;
}

/*
 * Decodes into out, which has room for base64_decoded_max(len) bytes. Refused: a length that is no
 * multiple of 4, spaces and line ends, other alphabets, padding inside, and bits set beyond the
 * last byte. Returns 0 or -EINVAL.
 */
int base64_decode(const char *text, size_t len, void *out, size_t *ret_len);

#endif
