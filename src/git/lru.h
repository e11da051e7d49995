/* What goes first when the cache is too large. Pure. */
#ifndef DAYFLY_GIT_LRU_H
#define DAYFLY_GIT_LRU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct git_lru_item {
	uint32_t uid;
	uint64_t bytes;
	uint64_t used_ns; /* the lower, the longer ago */
	bool is_in_use;	  /* it stays */
};

/*
 * The item that is to go next: while a user has more than max_uid, the one that he has not used
 * for longest; while all have more than max, that of the user who has most. n: nothing has to go,
 * or what would has to stay. 0 is no bound.
 */
size_t git_lru_choose(const struct git_lru_item *items, size_t n, uint64_t max, uint64_t max_uid);

#endif
