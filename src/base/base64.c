/* Base64: see base64.h. */
#include "base/base64.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(const void *data, size_t len, char *out)
{
	const uint8_t *p = data;
	for (; len >= 3; len -= 3, p += 3, out += 4) {
		uint32_t v = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
		out[0] = alphabet[v >> 18];
		out[1] = alphabet[v >> 12 & 63];
		out[2] = alphabet[v >> 6 & 63];
		out[3] = alphabet[v & 63];
	}
	if (!len)
		return;
	uint32_t v = (uint32_t)p[0] << 16 | (len == 2 ? (uint32_t)p[1] << 8 : 0);
	out[0] = alphabet[v >> 18];
	out[1] = alphabet[v >> 12 & 63];
	out[2] = '=';
	out[3] = '=';
	if (len == 2)
		out[2] = alphabet[v >> 6 & 63];
}

/* The six bits of a character, or -1. */
static int char_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

int base64_decode(const char *text, size_t len, void *out, size_t *ret_len)
{
	uint8_t *o = out;
	if (len % 4)
		return -EINVAL;
	for (size_t i = 0; i < len; i += 4) {
		size_t padding = 0;
		if (i + 4 == len && text[i + 3] == '=')
			padding = text[i + 2] == '=' ? 2 : 1;
		uint32_t v = 0;
		for (size_t j = 0; j < 4; j++) {
			int bits = j >= 4 - padding ? 0 : char_value(text[i + j]);
			if (bits < 0)
				return -EINVAL;
			v = v << 6 | (uint32_t)bits;
		}
		/* What the padding cuts off must be zero, or two texts would mean the same bytes.
		 */
		if (v & ((1u << (8 * padding)) - 1))
			return -EINVAL;
		for (size_t j = 0; j < 3 - padding; j++)
			*o++ = (uint8_t)(v >> (16 - 8 * j));
	}
	*ret_len = (size_t)(o - (uint8_t *)out);
	return 0;
}
