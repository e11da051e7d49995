/*
 * Files that a task leaves and that are to be kept, found by their patterns and written as a tar.
 * Runs in jail init with the rights of the task, when every other process of the jail is dead. A
 * directory of the client's that the task could write to others may change meanwhile; so nothing is
 * opened but directories and regular files, each by its name in the one before, no link is
 * followed, and what counts is what was read.
 */
#ifndef DAYFLY_JAIL_ARTIFACTS_H
#define DAYFLY_JAIL_ARTIFACTS_H

#include "base/buf.h"
#include "jail/archive.h"
#include "plan/plan.h"

struct artifacts_walk {
	const struct plan *plan;
	const char *cwd;	 /* where relative patterns begin, in the jail */
	int root_fd;		 /* the jail's root */
	struct archive *archive; /* begun */
	uint64_t until_ns;	 /* CLOCK_MONOTONIC */
};

struct artifacts {
	struct buf list; /* artifact_list.h */
	uint32_t count;	 /* taken */
	uint64_t bytes;	 /* of these */
	uint32_t unmet;	 /* bits by pattern: nothing was taken, or not all that is there */
	bool is_cut;	 /* there is more than may be taken */
};

void artifacts_init(struct artifacts *a);
void artifacts_finish(struct artifacts *a);

/* Returns 0 or -errno: what was found until then is in *a, and a->unmet is right in any case. */
int artifacts_collect(const struct artifacts_walk *in, struct artifacts *a);

#endif
