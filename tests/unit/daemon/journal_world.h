/* For tests of a journal's records: bytes that are written, and the image that is read of them. */
#ifndef TESTS_UNIT_DAEMON_JOURNAL_WORLD_H
#define TESTS_UNIT_DAEMON_JOURNAL_WORLD_H

#include "journal_bytes.h"

#include <stdlib.h>

#define ID_A "t-0123456789abcdef0123456789abcdef"
#define ID_B "t-fedcba9876543210fedcba9876543210"

struct world {
	struct buf bytes;
	struct journal_image image;
};

static inline int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	buf_init(&w->bytes, 0);
	journal_image_init(&w->image);
	*state = w;
	return 0;
}

static inline int teardown(void **state)
{
	struct world *w = *state;
	buf_finish(&w->bytes);
	journal_image_finish(&w->image);
	free(w);
	return 0;
}

#endif
