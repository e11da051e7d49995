/* Spools: see spool_file.h. */
#include "task/spool_file.h"

#include "base/cleanup.h"
#include "base/dir.h"
#include "base/fd.h"
#include "base/id.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ENDING	  ".spool"
#define NAME_SIZE (ID_TASK_SIZE + sizeof(ENDING))

/* Ours alone. Returns a descriptor or -errno. */
int spool_file_open_dir(const char *dir)
{
	struct stat st;
	auto_close int fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (st.st_uid != geteuid() || (st.st_mode & 077))
		return -EPERM;
	return fd_take(&fd);
}

static int set_name(const char *task, char out[NAME_SIZE])
{
	if (!id_is_task(task))
		return -EINVAL;
	snprintf(out, NAME_SIZE, "%s" ENDING, task);
	return 0;
}

int spool_file_create(const char *dir, const char *task)
{
	char name[NAME_SIZE];
	int r = set_name(task, name);
	if (r == 0 && mkdir(dir, 0700) < 0 && errno != EEXIST)
		r = -errno;
	auto_close int at = r < 0 ? r : spool_file_open_dir(dir);
	if (at < 0)
		return at;
	int fd = openat(at, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	return fd < 0 ? -errno : fd;
}

int spool_file_open(const char *dir, const char *task)
{
	char name[NAME_SIZE];
	struct stat st;
	int r = set_name(task, name);
	auto_close int at = r < 0 ? r : spool_file_open_dir(dir);
	if (at < 0)
		return at;
	/* Not blocked by what else might stand there. */
	auto_close int fd = openat(at, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	return S_ISREG(st.st_mode) ? fd_take(&fd) : -EBADMSG;
}

void spool_file_remove(const char *dir, const char *task)
{
	char name[NAME_SIZE];
	if (set_name(task, name) < 0)
		return;
	auto_close int at = spool_file_open_dir(dir);
	if (at >= 0 && unlinkat(at, name, 0) == 0)
		rmdir(dir); /* with another in it this fails, as it should */
}

int spool_file_sweep(const char *dir, bool (*is_owned)(void *owner, const char *task), void *owner)
{
	struct dirent *entry;
	auto_close int at = spool_file_open_dir(dir);
	if (at < 0)
		return at == -ENOENT ? 0 : at;
	auto_closedir DIR *d = dir_list(at);
	if (!d)
		return -errno;
	while ((entry = dir_next(d))) {
		char task[ID_TASK_SIZE];
		size_t len = strlen(entry->d_name), ending = strlen(ENDING);
		if (len <= ending || len - ending >= sizeof(task) ||
			strcmp(entry->d_name + len - ending, ENDING) != 0)
			continue;
		memcpy(task, entry->d_name, len - ending);
		task[len - ending] = '\0';
		if (id_is_task(task) && !is_owned(owner, task))
			unlinkat(at, entry->d_name, 0);
	}
	rmdir(dir);
	return 0;
}
