/* Id maps for mounts: see idmap.h. */
#include "jail/idmap.h"
#include "jail/sys.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define RANGE 65536u

static size_t add_extent(char *out, size_t len, uint32_t disk_id, uint32_t seen_id, uint32_t count)
{
	if (!count)
		return len;
	int n = snprintf(out + len, IDMAP_TEXT_SIZE - len, "%u %u %u\n", disk_id, seen_id, count);
	return n > 0 && (size_t)n < IDMAP_TEXT_SIZE - len ? len + (size_t)n : len;
}

void idmap_text_single(char out[IDMAP_TEXT_SIZE], uint32_t disk_id, uint32_t seen_id)
{
	add_extent(out, 0, disk_id, seen_id, 1);
}

void idmap_text_swap(char out[IDMAP_TEXT_SIZE], uint32_t base, uint32_t disk_id, uint32_t inside)
{
	uint32_t low = disk_id < inside ? disk_id : inside,
		 high = disk_id < inside ? inside : disk_id;
	size_t len = 0;
	out[0] = '\0';
	if (disk_id == inside) {
		add_extent(out, 0, 0, base, RANGE);
		return;
	}
	len = add_extent(out, len, 0, base, low < RANGE ? low : RANGE);
	len = add_extent(out, len, disk_id, base + inside, 1);
	if (disk_id < RANGE)
		len = add_extent(out, len, inside, base + disk_id, 1);
	if (high < RANGE) {
		len = add_extent(out, len, low + 1, base + low + 1, high - low - 1);
		add_extent(out, len, high + 1, base + high + 1, RANGE - high - 1);
	} else {
		add_extent(out, len, low + 1, base + low + 1, RANGE - low - 1);
	}
}

void idmap_text_groups(
	char out[IDMAP_TEXT_SIZE], uint32_t base, uint32_t inside, const struct peer *p)
{
	size_t len = add_extent(out, 0, p->gid, base + inside, 1);
	for (size_t i = 0; i < p->n_groups && i < 64; i++) {
		gid_t g = p->groups[i];
		bool taken = g == p->gid || g == inside || g >= RANGE;
		for (size_t k = 0; k < i; k++)
			taken |= p->groups[k] == g;
		if (!taken)
			len = add_extent(out, len, g, base + g, 1);
	}
}

int idmap_apply(int tree_fd, int ns_fd, bool recursive)
{
	struct sys_mount_attr attr = { .attr_set = SYS_MOUNT_ATTR_IDMAP,
		.userns_fd = (uint64_t)ns_fd };
	return sys_mount_setattr(tree_fd, &attr, recursive ? AT_RECURSIVE : 0);
}
