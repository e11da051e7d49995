/* Time: see clock.h. */
#include "base/clock.h"

#include <stdio.h>
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
