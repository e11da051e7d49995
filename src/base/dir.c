/* Listing and making directories: see dir.h. */
#include "base/dir.h"

#include "base/cleanup.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

int dir_open(int dirfd, const char *name)
{
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

DIR *dir_list(int dirfd)
{
	/* Opened anew: a duplicate would share the position with the original. */
	auto_close int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	if (d)
		fd_take(&fd);
	return d;
}

struct dirent *dir_next(DIR *d)
{
	struct dirent *entry;
	do
		entry = readdir(d);
	while (entry && (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")));
	return entry;
}

void dir_make_all(const char *path)
{
	auto_free char *copy = strdup(path);
	for (char *p = copy; p && *p;) {
		p += strspn(p, "/");
		p += strcspn(p, "/");
		char c = *p;
		*p = '\0';
		mkdir(copy, 0700);
		*p = c;
	}
}
