/*
 * Whether what a parked jail was made from is still the same: a number of it that is another one
 * when it has changed. Of an image that is a directory, all that the steps have looked at before
 * the jail was parked; what a task looks at later it sees as it is then.
 */
#ifndef DAYFLY_JAIL_POOL_STAMP_H
#define DAYFLY_JAIL_POOL_STAMP_H

#include "jail/pool_kinds.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * image_fd: O_PATH, of the kind's image if that is a directory. never_waits: of its filesystem, see
 * below. Never waits for a filesystem: -EAGAIN, where what it needs is not in memory. Returns 0 or
 * -errno.
 */
int pool_stamp(const struct pool_key *key, int image_fd, bool never_waits, uint64_t *ret);

/*
 * The same for a jail that is about to be made. -EBUSY where it has changed this very moment: the
 * filesystem's clock is coarse, and a change of the next moment might show the same time.
 */
int pool_stamp_for_making(
	const struct pool_key *key, int image_fd, bool never_waits, uint64_t *ret);

/* Whether a lookup there can wait for nobody: all of it is in memory. May wait to find out. */
bool pool_stamp_never_waits(int fd);

#endif
