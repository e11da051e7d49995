/* Time: see clock.h. */
#include "base/clock.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static uint64_t now_ns(clockid_t id)
{
	struct timespec ts;
	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

uint64_t clock_mono_ns(void)
{
	return now_ns(CLOCK_MONOTONIC);
}

uint64_t clock_boot_ns(void)
{
	return now_ns(CLOCK_BOOTTIME);
}

uint64_t clock_real_ns(void)
{
	return now_ns(CLOCK_REALTIME);
}

void clock_format_rfc3339(uint64_t real_ns, char out[CLOCK_RFC3339_SIZE])
{
	time_t s = (time_t)(real_ns / NS_PER_S);
	struct tm tm;
	gmtime_r(&s, &tm);
	char date[24];
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(out, CLOCK_RFC3339_SIZE, "%s.%06uZ", date, (unsigned)(real_ns % NS_PER_S / 1000));
}

/* So many digits. Returns the number, or -1. */
static int digits(const char **p, int count)
{
	int v = 0;
	for (int i = 0; i < count; i++, (*p)++) {
		if (**p < '0' || **p > '9')
			return -1;
		v = v * 10 + **p - '0';
	}
	return v;
}

static bool skip(const char **p, char c)
{
	if (**p != c)
		return false;
	(*p)++;
	return true;
}

/* ".123": the digits after the ninth are left out. */
static uint64_t fraction(const char **p)
{
	uint64_t ns = 0, weight = NS_PER_S / 10;
	for (; **p >= '0' && **p <= '9'; (*p)++, weight /= 10)
		ns += (uint64_t)(**p - '0') * weight;
	return ns;
}

/* "Z" or "+01:00", in seconds. Returns whether it is one. */
static bool offset(const char **p, int *ret)
{
	*ret = 0;
	if (skip(p, 'Z') || skip(p, 'z'))
		return true;
	int sign = **p == '-' ? -1 : 1;
	if (!skip(p, '+') && !skip(p, '-'))
		return false;
	int hours = digits(p, 2);
	int minutes = skip(p, ':') ? digits(p, 2) : -1;
	*ret = sign * (hours * 3600 + minutes * 60);
	return hours >= 0 && hours < 24 && minutes >= 0 && minutes < 60;
}

int clock_parse_rfc3339(const char *text, uint64_t *ret_real_ns)
{
	static const char between[] = "--T::";
	int v[6] = { 0 }, shift = 0;
	const char *p = text;
	for (int i = 0; i < 6; i++) {
		v[i] = digits(&p, i ? 2 : 4);
		if (v[i] < 0 || (i < 5 && !skip(&p, between[i]) && !(i == 2 && skip(&p, ' '))))
			return -EINVAL;
	}
	uint64_t ns = skip(&p, '.') ? fraction(&p) : 0;
	if (!offset(&p, &shift) || *p)
		return -EINVAL;
	struct tm tm = { .tm_year = v[0] - 1900,
		.tm_mon = v[1] - 1,
		.tm_mday = v[2],
		.tm_hour = v[3],
		.tm_min = v[4],
		.tm_sec = v[5] };
	time_t s = timegm(&tm);
	/* A date that is none became another. */
	if (tm.tm_mon != v[1] - 1 || tm.tm_mday != v[2] || tm.tm_hour != v[3] ||
		tm.tm_min != v[4] || s < 0)
		return -EINVAL;
	s -= shift;
	if (s < 0 || (uint64_t)s > INT64_MAX / NS_PER_S - 1)
		return -EINVAL;
	*ret_real_ns = (uint64_t)s * NS_PER_S + ns;
	return 0;
}
