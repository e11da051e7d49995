/* Sizes and durations: see units.h. */
#include "base/units.h"

#include "base/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Reads digits[.digits] as a fixed-point number with three decimals. Moves *p past it. */
static int parse_fixed(const char **p, uint64_t *ret_milli)
{
	const char *s = *p;
	if (*s < '0' || *s > '9')
		return -EINVAL;
	uint64_t whole = 0;
	for (; *s >= '0' && *s <= '9'; s++) {
		if (__builtin_mul_overflow(whole, 10, &whole) ||
			__builtin_add_overflow(whole, (uint64_t)(*s - '0'), &whole))
			return -ERANGE;
	}
	uint64_t milli = 0;
	if (*s == '.') {
		s++;
		if (*s < '0' || *s > '9')
			return -EINVAL;
		uint64_t weight = 100;
		for (; *s >= '0' && *s <= '9'; s++, weight /= 10)
			milli += (uint64_t)(*s - '0') * weight;
	}
	if (__builtin_mul_overflow(whole, 1000, &whole) ||
		__builtin_add_overflow(whole, milli, &whole))
		return -ERANGE;
	*p = s;
	*ret_milli = whole;
	return 0;
}

static int scale_milli(uint64_t milli, uint64_t unit, uint64_t *ret)
{
	unsigned __int128 v = (unsigned __int128)milli * unit / 1000;
	if (v > INT64_MAX)
		return -ERANGE;
	*ret = (uint64_t)v;
	return 0;
}

int units_parse_size(const char *text, uint64_t *ret_bytes)
{
	static const struct {
		const char *name;
		uint64_t unit;
	} suffixes[] = {
		{ "", 1 },
		{ "b", 1 },
		{ "k", 1ull << 10 },
		{ "kib", 1ull << 10 },
		{ "kb", 1000ull },
		{ "m", 1ull << 20 },
		{ "mib", 1ull << 20 },
		{ "mb", 1000000ull },
		{ "g", 1ull << 30 },
		{ "gib", 1ull << 30 },
		{ "gb", 1000000000ull },
		{ "t", 1ull << 40 },
		{ "tib", 1ull << 40 },
		{ "tb", 1000000000000ull },
	};
	uint64_t milli;
	int r = parse_fixed(&text, &milli);
	if (r < 0)
		return r;
	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++)
		if (!strcasecmp(text, suffixes[i].name))
			return scale_milli(milli, suffixes[i].unit, ret_bytes);
	return -EINVAL;
}

/* The unit at *p in milliseconds, 0 if there is none such. Moves *p past it. */
static uint64_t duration_unit(const char **p)
{
	static const struct {
		const char *name;
		uint64_t ms;
	} names[] = { { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 },
		{ "d", 86400000 } };
	size_t len = strspn(*p, "abcdefghijklmnopqrstuvwxyz");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strlen(names[i].name) == len && !strncmp(*p, names[i].name, len)) {
			*p += len;
			return names[i].ms;
		}
	}
	return 0;
}

int units_parse_duration(const char *text, uint64_t *ret_ms)
{
	uint64_t total = 0, last_unit = UINT64_MAX;
	const char *p = text;
	do {
		uint64_t milli, part;
		int r = parse_fixed(&p, &milli);
		if (r < 0)
			return r;
		/* A bare number is seconds, and then stands alone. */
		uint64_t unit =
			*p ? duration_unit(&p) : (p == text || last_unit != UINT64_MAX ? 0 : 1000);
		if (!unit || unit >= last_unit)
			return -EINVAL;
		last_unit = unit;
		r = scale_milli(milli, unit, &part);
		if (r < 0)
			return r;
		if (__builtin_add_overflow(total, part, &total) || total > INT64_MAX)
			return -ERANGE;
	} while (*p);
	*ret_ms = total;
	return 0;
}

int units_parse_cpus(const char *text, uint64_t *ret_millicpus)
{
	uint64_t milli;
	int r = parse_fixed(&text, &milli);
	if (r < 0)
		return r;
	if (*text)
		return -EINVAL;
	*ret_millicpus = milli;
	return 0;
}

int units_parse_uint(const char *text, uint64_t max, uint64_t *ret)
{
	if (!*text || strspn(text, "0123456789") != strlen(text))
		return -EINVAL;
	uint64_t v = 0;
	for (; *text; text++)
		if (__builtin_mul_overflow(v, 10, &v) ||
			__builtin_add_overflow(v, (uint64_t)(*text - '0'), &v))
			return -ERANGE;
	if (v > max)
		return -ERANGE;
	*ret = v;
	return 0;
}

void units_format_size(uint64_t bytes, char out[UNITS_TEXT_SIZE])
{
	static const char *const names[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	size_t i = 0;
	double v = (double)bytes;
	for (; v >= 1024 && i + 1 < sizeof(names) / sizeof(names[0]); i++)
		v /= 1024;
	if (i == 0 || v >= 100)
		snprintf(out, UNITS_TEXT_SIZE, "%.0f %s", v, names[i]);
	else
		snprintf(out, UNITS_TEXT_SIZE, "%.1f %s", v, names[i]);
}

void units_format_duration(uint64_t ns, char out[UNITS_TEXT_SIZE])
{
	uint64_t s = ns / NS_PER_S;
	if (s >= 3600)
		snprintf(out, UNITS_TEXT_SIZE, "%" PRIu64 " h %" PRIu64 " min", s / 3600,
			s % 3600 / 60);
	else if (s >= 60)
		snprintf(out, UNITS_TEXT_SIZE, "%" PRIu64 " min %" PRIu64 " s", s / 60, s % 60);
	else if (s >= 1)
		snprintf(out, UNITS_TEXT_SIZE, "%.1f s", (double)ns / 1e9);
	else if (ns >= NS_PER_MS)
		snprintf(out, UNITS_TEXT_SIZE, "%.0f ms", (double)ns / 1e6);
	else
		snprintf(out, UNITS_TEXT_SIZE, "%.0f us", (double)ns / 1e3);
}
