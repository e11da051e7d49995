/* Patterns for paths: see glob.h. */
#include "base/glob.h"

#include "base/beneath.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Bytes that are no UTF-8 are characters of their own, above all others. */
#define NO_CHARACTER 0x110000u

/* The next character of [*p, end), which is not empty. Overlong forms and the like are bytes too.
 */
static uint32_t next_char(const char **p, const char *end)
{
	static const uint32_t least[] = { 0, 0x80, 0x800, 0x10000 };
	const unsigned char *s = (const unsigned char *)*p;
	unsigned more = s[0] < 0x80 ? 0 : s[0] < 0xc2 ? 4 : s[0] < 0xe0 ? 1 : s[0] < 0xf0 ? 2 : 3;
	uint32_t c = more ? s[0] & (0x3fu >> more) : s[0];
	++*p;
	if (more == 4 || s[0] > 0xf4 || (size_t)(end - *p) < more)
		return NO_CHARACTER + s[0];
	for (unsigned i = 1; i <= more; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return NO_CHARACTER + s[0];
		c = c << 6 | (s[i] & 0x3f);
	}
	if (c < least[more] || c >= NO_CHARACTER)
		return NO_CHARACTER + s[0];
	*p += more;
	return c;
}

/* A character of a pattern, which a backslash may stand before. */
static uint32_t next_literal(const char **p, const char *end)
{
	if (**p == '\\' && *p + 1 < end)
		++*p;
	return next_char(p, end);
}

/* Behind the bracket that *p stands on; NULL: it is not closed. */
static const char *bracket_end(const char *p, const char *end)
{
	p++;
	if (p < end && *p == '!')
		p++;
	for (const char *first = p; p < end; p++) {
		if (*p == ']' && p != first)
			return p + 1;
		if (*p == '\\' && p + 1 < end)
			p++;
	}
	return NULL;
}

static bool bracket_has(const char *p, const char *end, uint32_t c)
{
	bool is_other = *++p == '!', has = false;
	p += is_other;
	/* end is behind the "]", and the first may be one that is meant. */
	for (end--; p < end;) {
		uint32_t low = next_literal(&p, end), high = low;
		if (p + 1 < end && *p == '-') {
			p++;
			high = next_literal(&p, end);
		}
		has = has || (c >= low && c <= high);
	}
	return has != is_other;
}

/* Whether the one character at the pattern's place fits; both move on. */
static bool fits_one(const char **p, const char *p_end, const char **s, const char *s_end)
{
	if (*s == s_end || *p == p_end)
		return false;
	uint32_t c = next_char(s, s_end);
	if (**p == '?') {
		++*p;
		return true;
	}
	if (**p == '[') {
		const char *from = *p;
		*p = bracket_end(from, p_end);
		return bracket_has(from, *p, c);
	}
	return next_literal(p, p_end) == c;
}

/* One part. After a star that fails, only the last star needs another try. */
static bool part_matches(const char *p, size_t p_len, const char *s, size_t s_len)
{
	const char *p_end = p + p_len, *s_end = s + s_len, *star = NULL, *star_s = NULL;
	if (*s == '.' && *p != '.' && !(p_len > 1 && p[0] == '\\' && p[1] == '.'))
		return false;
	for (;;) {
		if (p < p_end && *p == '*') {
			star = ++p;
			star_s = s;
			continue;
		}
		if (p == p_end && s == s_end)
			return true;
		if (fits_one(&p, p_end, &s, s_end))
			continue;
		if (!star || star_s == s_end)
			return false;
		next_char(&star_s, s_end);
		s = star_s;
		p = star;
	}
}

static size_t part_len(const char *p)
{
	return strcspn(p, "/");
}

static bool is_any_depth(const char *p)
{
	return p[0] == '*' && p[1] == '*' && part_len(p) == 2;
}

static const char *next_part(const char *p)
{
	p += part_len(p);
	return *p ? p + 1 : p;
}

static bool part_is_valid(const char *p, const char *end)
{
	while (p && p < end) {
		if (*p == '[')
			p = bracket_end(p, end);
		else
			p += *p == '\\' ? 2 : 1;
	}
	return p == end;
}

bool glob_is_valid(const char *pattern)
{
	if (!beneath_path_is_clean(pattern))
		return false;
	for (const char *p = pattern; *p; p = next_part(p))
		if (!part_is_valid(p, p + part_len(p)))
			return false;
	return true;
}

bool glob_matches(const char *p, const char *s)
{
	const char *star = NULL, *star_s = NULL;
	for (;;) {
		if (*p && is_any_depth(p)) {
			p = star = next_part(p);
			star_s = s;
			continue;
		}
		if (!*p && !*s)
			return true;
		if (*p && *s && part_matches(p, part_len(p), s, part_len(s))) {
			p = next_part(p);
			s = next_part(s);
			continue;
		}
		/* One part more for the last "**", which takes none that is hidden. */
		if (!star || !*star_s || *star_s == '.')
			return false;
		s = star_s = next_part(star_s);
		p = star;
	}
}

/* A part whose pattern may name what is hidden. */
static bool names_hidden(const char *p)
{
	bool has = false;
	for (; *p; p = next_part(p))
		has = has || *p == '.' || *p == '\\';
	return has;
}

static bool is_hidden(const char *s)
{
	bool has = false;
	for (; *s; s = next_part(s))
		has = has || *s == '.';
	return has;
}

bool glob_may_lead(const char *p, const char *s)
{
	for (; *p && *s; p = next_part(p), s = next_part(s)) {
		if (is_any_depth(p))
			return !is_hidden(s) || names_hidden(p);
		if (!part_matches(p, part_len(p), s, part_len(s)))
			return false;
	}
	return *p != '\0';
}
