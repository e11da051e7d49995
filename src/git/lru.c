/* What goes first: see lru.h. */
#include "git/lru.h"

static uint64_t sum_of(const struct git_lru_item *items, size_t n, const uint32_t *uid)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < n; i++)
		if (!uid || items[i].uid == *uid)
			sum += items[i].bytes;
	return sum;
}

static size_t oldest_of(const struct git_lru_item *items, size_t n, uint32_t uid)
{
	size_t found = n;
	for (size_t i = 0; i < n; i++)
		if (items[i].uid == uid && !items[i].is_in_use &&
			(found == n || items[i].used_ns < items[found].used_ns))
			found = i;
	return found;
}

size_t git_lru_choose(const struct git_lru_item *items, size_t n, uint64_t max, uint64_t max_uid)
{
	size_t found = n;
	uint64_t most = 0;
	bool is_over = max && sum_of(items, n, NULL) > max;
	for (size_t i = 0; i < n; i++) {
		uint64_t has = sum_of(items, n, &items[i].uid);
		if (has <= most || (!is_over && !(max_uid && has > max_uid)))
			continue;
		size_t oldest = oldest_of(items, n, items[i].uid);
		if (oldest == n)
			continue;
		found = oldest;
		most = has;
	}
	return found;
}
