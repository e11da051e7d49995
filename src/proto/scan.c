/* A first look at a request: see scan.h. */
#include "proto/scan.h"

#include "base/limits.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

/* The place after the string that begins at i, or len. */
static size_t skip_string(const char *line, size_t len, size_t i)
{
	for (i++; i < len; i++) {
		if (line[i] == '\\')
			i++;
		else if (line[i] == '"')
			return i + 1;
	}
	return len;
}

static bool is_word(char c)
{
	return c > ' ' && !strchr("{}[],:\"", c);
}

static int check_start(const char *line, size_t len, struct err *e)
{
	if (len > LIMIT_REQUEST_BYTES)
		return err_set(
			e, ERR_TOO_LARGE, 0, "the request has over %u bytes", LIMIT_REQUEST_BYTES);
	size_t i = 0;
	while (i < len && (line[i] == ' ' || line[i] == '\t' || line[i] == '\r' || line[i] == '\n'))
		i++;
	if (i == len)
		return err_set(e, ERR_PROTOCOL, 0, "an empty line is not a request");
	if (len >= 3 && !memcmp(line, "\xef\xbb\xbf", 3))
		return err_set(e, ERR_PROTOCOL, 0, "the request begins with a byte order mark");
	if (line[i] != '{')
		return err_set(e, ERR_PROTOCOL, 0,
			"a request is a JSON object: expected \"{\" at byte %zu", i);
	return 0;
}

int scan_request(const char *line, size_t len, struct err *e)
{
	size_t depth = 0, values = 0, word = 0;
	int r = check_start(line, len, e);
	if (r < 0)
		return r;
	for (size_t i = 0; i < len;) {
		char c = line[i];
		word = is_word(c) ? word + 1 : 0;
		if (word > SCAN_WORD_MAX)
			return err_set(e, ERR_PROTOCOL, 0,
				"a number of over %d characters at byte %zu", SCAN_WORD_MAX,
				i - word + 1);
		if (c == '"') {
			i = skip_string(line, len, i);
			continue;
		}
		bool is_open = c == '{' || c == '[';
		if (is_open && ++depth > LIMIT_REQUEST_DEPTH)
			return err_set(e, ERR_PROTOCOL, 0, "nested over %d deep at byte %zu",
				LIMIT_REQUEST_DEPTH, i);
		if ((c == '}' || c == ']') && depth)
			depth--;
		if ((c == ',' || is_open) && ++values > SCAN_VALUES_MAX)
			return err_set(e, ERR_TOO_LARGE, 0, "the request has over %d values",
				SCAN_VALUES_MAX);
		i++;
	}
	return 0;
}
