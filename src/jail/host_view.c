/* What the image `host` is made of: see host_view.h. */
#include "jail/host_view.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const char *const host_view_names[] = { "usr", "etc", "bin", "sbin", "lib", "lib32", "lib64",
	"libx32", NULL };

/* FNV-1a. */
static void add(uint64_t *sum, const void *data, size_t len)
{
	const unsigned char *p = data;
	for (size_t i = 0; i < len; i++)
		*sum = (*sum ^ p[i]) * 0x100000001b3ull;
}

static void add_path(uint64_t *sum, const char *path)
{
	struct statx sx;
	char link[128] = "";
	bool is_there = statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW | AT_STATX_DONT_SYNC,
				STATX_TYPE | STATX_INO | STATX_MODE, &sx) == 0;
	add(sum, &is_there, sizeof(is_there));
	if (!is_there)
		return;
	if (S_ISLNK(sx.stx_mode) && readlink(path, link, sizeof(link) - 1) > 0)
		add(sum, link, sizeof(link));
	add(sum, &sx.stx_dev_major, sizeof(sx.stx_dev_major));
	add(sum, &sx.stx_dev_minor, sizeof(sx.stx_dev_minor));
	add(sum, &sx.stx_ino, sizeof(sx.stx_ino));
	add(sum, &sx.stx_mode, sizeof(sx.stx_mode));
}

uint64_t host_view_sum(void)
{
	uint64_t sum = 0xcbf29ce484222325ull;
	char path[32];
	for (size_t i = 0; host_view_names[i]; i++) {
		snprintf(path, sizeof(path), "/%s", host_view_names[i]);
		add_path(&sum, path);
	}
	return sum;
}
