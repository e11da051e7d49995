/* When to try again: see retry.h. */
#include "http/retry.h"

#include "base/units.h"
#include "http/curl.h"

uint64_t retry_delay_ms(unsigned attempts, uint64_t random, uint64_t asked_ms)
{
	uint64_t ms = RETRY_FIRST_MS;
	for (unsigned i = 1; i < attempts && ms < RETRY_LONGEST_MS; i++)
		ms *= 2;
	if (ms > RETRY_LONGEST_MS)
		ms = RETRY_LONGEST_MS;
	ms = ms / 2 + random % (ms / 2 + 1);
	if (asked_ms > RETRY_AFTER_MAX_MS)
		asked_ms = RETRY_AFTER_MAX_MS;
	return ms > asked_ms ? ms : asked_ms;
}

uint64_t retry_after_ms(const char *value, int64_t now_s)
{
	uint64_t seconds;
	if (units_parse_uint(value, UINT32_MAX, &seconds) == 0)
		return seconds * 1000;
	const struct curl *curl = curl_load();
	/* Always of GMT. */
	int64_t at = curl ? curl->getdate(value, NULL) : -1;
	return at > now_s ? (uint64_t)(at - now_s) * 1000 : 0;
}
