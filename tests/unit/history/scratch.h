/* A directory for one test. */
#ifndef TESTS_UNIT_HISTORY_SCRATCH_H
#define TESTS_UNIT_HISTORY_SCRATCH_H

#include "harness.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct scratch {
	char dir[40];
	char folder[96]; /* as the history makes it */
	char file[128];
};

static inline void scratch_init(struct scratch *s)
{
	snprintf(s->dir, sizeof(s->dir), "/tmp/dayfly-unit-XXXXXX");
	assert_non_null(mkdtemp(s->dir));
	snprintf(s->folder, sizeof(s->folder), "%s/dayfly-%u.history", s->dir, (unsigned)geteuid());
	snprintf(s->file, sizeof(s->file), "%s/history.db", s->folder);
}

static inline int scratch_remove(const char *path, const struct stat *st, int flag, struct FTW *f)
{
	return remove(path);
}

static inline void scratch_finish(struct scratch *s)
{
	nftw(s->dir, scratch_remove, 8, FTW_DEPTH | FTW_PHYS);
}

#endif
