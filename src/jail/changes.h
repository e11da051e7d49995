/* What a task changed in a copy-on-write workspace, read from the overlay's layers after the task
 * is dead. */
#ifndef DAYFLY_JAIL_CHANGES_H
#define DAYFLY_JAIL_CHANGES_H

#include <stdint.h>

struct changes {
	uint64_t added, modified, deleted; /* files and symlinks, not directories */
};

/*
 * Counts. upper_fd and lower_fd are directories, borrowed. Never follows a symlink, holds a bounded
 * number of descriptors. Returns 0 or -errno (-ELOOP: deeper than is counted; -E2BIG: too many
 * entries; -ETIME: it is past until_ns, CLOCK_MONOTONIC).
 */
int changes_count(int upper_fd, int lower_fd, uint64_t until_ns, struct changes *ret);

#endif
