/*
 * What goes before a tar of changes that dayfly run writes, so that it can be applied later: which
 * directory the task saw, and the moment from which on a change of it is not what the task saw. It
 * is a global comment of pax, as git archive writes one too; other programs pass over it.
 */
#ifndef DAYFLY_CLI_CHANGE_STAMP_H
#define DAYFLY_CLI_CHANGE_STAMP_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/* Of its header and the block behind it. */
#define CHANGE_STAMP_BYTES 1024

struct change_stamp {
	struct timespec base; /* of change_apply_now() */
	uint64_t inode;	      /* of the directory, */
	uint64_t device;      /* which another one of the same inode is not on */
};

/* At the place where fd is. Returns 0 or -errno. */
int change_stamp_write(int fd, const struct change_stamp *s);

/* From what stands behind a header of type "g". Returns whether it is one of ours. */
bool change_stamp_parse(const char *text, struct change_stamp *ret);

#endif
