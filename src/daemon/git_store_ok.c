/* What shows that a tree is whole: see git_store_priv.h. */
#include "daemon/git_store_priv.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/units.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define STAMP_SIZE 256

static int stamp_of(const struct git_store *st, int tree_fd, char out[STAMP_SIZE])
{
	static const char *const names[] = { ".", ".git/HEAD", ".git/index" };
	int n = snprintf(out, STAMP_SIZE, "%s", st->boot);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct stat s;
		if (fstatat(tree_fd, names[i], &s, AT_SYMLINK_NOFOLLOW) < 0)
			return -errno;
		n += snprintf(out + n, STAMP_SIZE - (size_t)n, " %llu:%lld.%09ld",
			(unsigned long long)s.st_ino, (long long)s.st_ctim.tv_sec,
			s.st_ctim.tv_nsec);
	}
	return 0;
}

/* "BYTES SUBMODULES STAMP\n" */
int git_store_write_ok(
	struct git_store *st, const char *path, const struct git_item *item, int tree_fd)
{
	char ok[PATH_SIZE + 4], temp[PATH_SIZE + 8], stamp[STAMP_SIZE], text[STAMP_SIZE + 64];
	int r = stamp_of(st, tree_fd, stamp);
	if (r < 0)
		return r;
	snprintf(ok, sizeof(ok), "%s.ok", path);
	snprintf(temp, sizeof(temp), "%s.tmp", path);
	snprintf(text, sizeof(text), "%llu %llu %s\n", (unsigned long long)item->bytes,
		(unsigned long long)item->submodules, stamp);
	auto_close int fd =
		openat(st->fd, temp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	r = fd_write_all(fd, text, strlen(text));
	if (r == 0 && renameat(st->fd, temp, st->fd, ok) < 0)
		r = -errno;
	return r;
}

/* Up to the next space, which *text then is behind. */
static bool take_number(const char **text, uint64_t *ret)
{
	char digits[24];
	size_t len = strcspn(*text, " ");
	if (len >= sizeof(digits) || (*text)[len] != ' ')
		return false;
	memcpy(digits, *text, len);
	digits[len] = '\0';
	*text += len + 1;
	return units_parse_uint(digits, UINT64_MAX, ret) == 0;
}

bool git_store_check_ok(
	const struct git_store *st, const char *path, struct git_item *item, int *ret_fd)
{
	char ok[PATH_SIZE + 4], stamp[STAMP_SIZE];
	auto_free char *text = NULL;
	auto_close int fd = openat(st->fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	snprintf(ok, sizeof(ok), "%s.ok", path);
	if (fd < 0 || stamp_of(st, fd, stamp) < 0 ||
		fd_read_file(st->fd, ok, STAMP_SIZE + 64, &text) < 0)
		return false;
	const char *at = text;
	size_t n = strlen(stamp);
	if (!take_number(&at, &item->bytes) || !take_number(&at, &item->submodules) ||
		strncmp(at, stamp, n) != 0 || strcmp(at + n, "\n") != 0)
		return false;
	*ret_fd = fd_take(&fd);
	return true;
}
