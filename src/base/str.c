/* Small helpers on strings: see str.h. */
#include "base/str.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DISTANCE_MAX_LEN 64

static size_t min3(size_t a, size_t b, size_t c)
{
	size_t m = a < b ? a : b;
	return m < c ? m : c;
}

size_t str_distance(const char *a, const char *b)
{
	size_t la = strlen(a), lb = strlen(b);
	if (la > DISTANCE_MAX_LEN || lb > DISTANCE_MAX_LEN)
		return SIZE_MAX;
	size_t rows[3][DISTANCE_MAX_LEN + 1];
	for (size_t j = 0; j <= lb; j++)
		rows[0][j] = j;
	for (size_t i = 1; i <= la; i++) {
		size_t *cur = rows[i % 3], *up = rows[(i + 2) % 3], *up2 = rows[(i + 1) % 3];
		cur[0] = i;
		for (size_t j = 1; j <= lb; j++) {
			cur[j] =
				min3(up[j] + 1, cur[j - 1] + 1, up[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
				up2[j - 2] + 1 < cur[j])
				cur[j] = up2[j - 2] + 1;
		}
	}
	return rows[la % 3][lb];
}

const char *str_nearest(const char *word, const char *const *names, size_t n)
{
	const char *best = NULL;
	size_t best_distance = SIZE_MAX;
	for (size_t i = 0; i < n; i++) {
		size_t d = str_distance(word, names[i]);
		if (d < best_distance) {
			best_distance = d;
			best = names[i];
		}
	}
	size_t allowed = strlen(word) <= 4 ? 1 : strlen(word) <= 8 ? 2 : 3;
	return best_distance <= allowed ? best : NULL;
}

/* Length of the well-formed character at p, 0 if ill-formed, or -1 if it is a good start cut off by
 * the end. */
static int utf8_char(const uint8_t *p, size_t left)
{
	uint8_t c = p[0];
	if (c < 0x80)
		return 1;
	int len = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
	if (c < 0xc2 || c > 0xf4)
		return 0;
	for (int i = 1; i < len; i++) {
		if ((size_t)i >= left)
			return -1;
		uint8_t low = 0x80, high = 0xbf;
		if (i == 1) {
			/* Overlong forms, surrogates and values above U+10FFFF show in the second
			 * byte. */
			if (c == 0xe0)
				low = 0xa0;
			else if (c == 0xed)
				high = 0x9f;
			else if (c == 0xf0)
				low = 0x90;
			else if (c == 0xf4)
				high = 0x8f;
		}
		if (p[i] < low || p[i] > high)
			return 0;
	}
	return len;
}

size_t str_utf8_prefix(const char *data, size_t len)
{
	const uint8_t *p = (const uint8_t *)data;
	size_t i = 0;
	while (i < len) {
		uint64_t eight;
		/* Most text is plain: eight bytes at a time. */
		while (len - i >= sizeof(eight)) {
			memcpy(&eight, p + i, sizeof(eight));
			if (eight & 0x8080808080808080)
				break;
			i += sizeof(eight);
		}
		if (i == len)
			break;
		int n = utf8_char(p + i, len - i);
		if (n == 0)
			return SIZE_MAX;
		if (n < 0)
			break;
		i += (size_t)n;
	}
	return i;
}

bool str_is_utf8(const char *data, size_t len)
{
	return str_utf8_prefix(data, len) == len;
}

bool str_starts(const char *s, const char *prefix)
{
	return !strncmp(s, prefix, strlen(prefix));
}

bool str_is_name(const char *s, size_t max)
{
	static const char first[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
	static const char rest[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
	size_t len = strlen(s);
	return len >= 1 && len <= max && strchr(first, s[0]) && strspn(s, rest) == len;
}

/*
 * Whether a character is more than its picture to a terminal or a reader: control characters, those
 * of C1 too (U+009B is ESC [ to many terminals), line separators, and what turns the direction of
 * writing.
 */
static bool is_control(const uint8_t *p, int len)
{
	if (len == 1)
		return p[0] < 0x20 || p[0] == 0x7f;
	if (len == 2)
		return p[0] == 0xc2 && p[1] < 0xa0;
	if (len != 3 || p[0] != 0xe2)
		return false;
	/* U+2028 to U+202E, U+2066 to U+2069 */
	return (p[1] == 0x80 && p[2] >= 0xa8 && p[2] <= 0xae) ||
	       (p[1] == 0x81 && p[2] >= 0xa6 && p[2] <= 0xa9);
}

void str_escape(const char *s, size_t len, char *out, size_t out_size)
{
	const uint8_t *p = (const uint8_t *)s;
	size_t o = 0;
	for (size_t i = 0; i < len;) {
		int n = utf8_char(p + i, len - i);
		bool is_escaped = n <= 0 || is_control(p + i, n) || p[i] == '\\';
		size_t bytes = n <= 0 ? 1 : (size_t)n, room = is_escaped ? 4 * bytes : 4;
		if (o + room + 4 > out_size) {
			snprintf(out + o, out_size - o, "...");
			return;
		}
		for (size_t end = i + bytes; i < end; i++) {
			if (is_escaped)
				o += (size_t)snprintf(out + o, out_size - o, "\\x%02x", p[i]);
			else
				out[o++] = (char)p[i];
		}
	}
	if (out_size)
		out[o] = '\0';
}

char *str_escape_json(const char *json)
{
	const uint8_t *p = (const uint8_t *)json;
	size_t len = strlen(json), o = 0;
	/* At worst one byte (DEL) becomes six. */
	char *out = len < SIZE_MAX / 6 ? malloc(6 * len + 1) : NULL;
	for (size_t i = 0; out && i < len;) {
		int n = utf8_char(p + i, len - i);
		if (n <= 0 || p[i] < 0x20 || !is_control(p + i, n)) {
			size_t bytes = n <= 0 ? 1 : (size_t)n;
			memcpy(out + o, p + i, bytes);
			o += bytes;
			i += bytes;
			continue;
		}
		unsigned c = n == 1   ? p[i]
			     : n == 2 ? (p[i] & 0x1fu) << 6 | (p[i + 1] & 0x3fu)
				      : (p[i] & 0x0fu) << 12 | (p[i + 1] & 0x3fu) << 6 |
						(p[i + 2] & 0x3fu);
		o += (size_t)snprintf(out + o, 7, "\\u%04X", c);
		i += (size_t)n;
	}
	if (out)
		out[o] = '\0';
	return out;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

const char *str_next_line(const char **text, size_t *len, size_t *ret_len)
{
	const char *s = *text;
	if (!*len)
		return NULL;
	const char *end = memchr(s, '\n', *len);
	size_t n = end ? (size_t)(end - s) : *len;
	*text += n + (end != NULL);
	*len -= n + (end != NULL);
	while (n && is_blank(s[n - 1]))
		n--;
	while (n && is_blank(*s)) {
		s++;
		n--;
	}
	*ret_len = n;
	return s;
}

void strv_free(char **v)
{
	if (!v)
		return;
	for (char **p = v; *p; p++)
		free(*p);
	free(v);
}

size_t strv_len(char *const *v)
{
	size_t n = 0;
	while (v && v[n])
		n++;
	return n;
}

int strv_add(char ***v, const char *s)
{
	size_t n = strv_len(*v);
	char *copy = strdup(s);
	char **grown = copy ? realloc(*v, (n + 2) * sizeof(char *)) : NULL;
	if (!grown) {
		free(copy);
		return -ENOMEM;
	}
	grown[n] = copy;
	grown[n + 1] = NULL;
	*v = grown;
	return 0;
}

char **strv_copy(char *const *v)
{
	size_t n = strv_len(v);
	char **copy = calloc(n + 1, sizeof(char *));
	for (size_t i = 0; copy && i < n; i++) {
		copy[i] = strdup(v[i]);
		if (!copy[i]) {
			strv_free(copy);
			return NULL;
		}
	}
	return copy;
}
