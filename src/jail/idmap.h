/* How the owners of files on disk appear inside a jail in root mode: the texts of id maps, and
 * putting them on mounts. */
#ifndef DAYFLY_JAIL_IDMAP_H
#define DAYFLY_JAIL_IDMAP_H

#include "base/err.h"
#include "jail/peer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IDMAP_TEXT_SIZE 2048

/* "on-disk seen 1": one id and nothing else. */
void idmap_text_single(char out[IDMAP_TEXT_SIZE], uint32_t disk_id, uint32_t seen_id);

/* Ids 0 to 65535 keep their place in the range at base, but disk_id is seen as base + inside, and
 * the other way round. */
void idmap_text_swap(char out[IDMAP_TEXT_SIZE], uint32_t base, uint32_t disk_id, uint32_t inside);

/* The client's primary group is seen as base + inside; its other groups below 65536 keep their
 * number. */
void idmap_text_groups(
	char out[IDMAP_TEXT_SIZE], uint32_t base, uint32_t inside, const struct peer *p);

/* Puts a map (a user namespace) on a detached mount and, if recursive, on all below. Returns 0 or
 * -errno. */
int idmap_apply(int tree_fd, int ns_fd, bool recursive);

#endif
