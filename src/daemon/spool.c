/* Files for artifacts: see spool.h. */
#include "daemon/spool.h"

#include "base/fd.h"
#include "daemon/server.h"
#include "task/spool_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/statvfs.h>

uint64_t spool_room(uint64_t free_bytes, uint64_t promised, uint64_t asked)
{
	uint64_t taken = promised + SPOOL_RESERVE_BYTES;
	uint64_t room = taken >= promised && free_bytes > taken ? (free_bytes - taken) / 2 : 0;
	return asked < room ? asked : room;
}

int spool_open(struct server *s, struct task *t, uint64_t *max_bytes)
{
	struct statvfs fs;
	bool has_upload = t->spec->artifacts.has_upload;
	if (has_upload ? !s->start->spool_dir : !s->host.log_dir)
		return -ENOENT;
	/* What is sent has to outlive us, and so has a name. */
	auto_close int fd =
		has_upload ? spool_file_create(s->start->spool_dir, t->id)
			   : open(s->host.log_dir, O_TMPFILE | O_RDWR | O_EXCL | O_CLOEXEC, 0600);
	if (has_upload && fd < 0)
		return fd;
	if (has_upload) {
		uint64_t most = uploads_room(&s->uploads, t->uid);
		*max_bytes = *max_bytes < most ? *max_bytes : most;
	}
	if (fd < 0 || fstatvfs(fd, &fs) < 0)
		return -errno;
	uint64_t room =
		spool_room((uint64_t)fs.f_bavail * fs.f_frsize, s->spool_promised, *max_bytes);
	if (room < SPOOL_LEAST_BYTES && room < *max_bytes)
		return -ENOSPC;
	*max_bytes = t->spool_bytes = room;
	s->spool_promised += room;
	return fd_take(&fd);
}

void spool_settle(struct server *s, struct task *t)
{
	s->spool_promised -= t->spool_bytes;
	t->spool_bytes = 0;
}
