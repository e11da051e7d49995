/* Files for artifacts: see spool.h. */
#include "daemon/spool.h"

#include "base/fd.h"
#include "base/units.h"
#include "daemon/server.h"
#include "task/spool_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

/* ---- how much ---- */

uint64_t spool_left(uint64_t free_bytes, uint64_t promised)
{
	uint64_t taken = promised + SPOOL_RESERVE_BYTES;
	return taken >= promised && free_bytes > taken ? free_bytes - taken : 0;
}

uint64_t spool_room(uint64_t left, uint64_t own_most, uint64_t own, uint64_t asked)
{
	uint64_t own_left = own < own_most ? own_most - own : 0;
	uint64_t room = (left < own_left ? left : own_left) / 2;
	return asked < room ? asked : room;
}

static struct spool_user *find_user(const struct spools *ss, uid_t uid)
{
	list_for_each (pos, &ss->users) {
		struct spool_user *w = list_entry(pos, struct spool_user, link);
		if (w->uid == uid)
			return w;
	}
	return NULL;
}

/* Returns 0 or -errno. */
static int count(struct spools *ss, uid_t uid, uint64_t bytes)
{
	struct spool_user *w = find_user(ss, uid);
	if (!w) {
		w = calloc(1, sizeof(*w));
		if (!w)
			return -ENOMEM;
		w->uid = uid;
		list_append(&ss->users, &w->link);
	}
	w->bytes += bytes;
	ss->bytes += bytes;
	return 0;
}

void spool_release(struct server *s, uid_t uid, uint64_t bytes)
{
	struct spool_user *w = bytes ? find_user(&s->spools, uid) : NULL;
	if (!w)
		return;
	s->spools.bytes -= bytes;
	w->bytes -= bytes;
	if (w->bytes)
		return;
	list_remove(&w->link);
	free(w);
}

static uint64_t bytes_of(const struct server *s, uid_t uid)
{
	const struct spool_user *w = find_user(&s->spools, uid);
	return (w ? w->bytes : 0) + uploads_bytes(&s->uploads, uid);
}

/* What one user may have. left: see spool_left(). */
static uint64_t most_of_user(const struct server *s, uint64_t left)
{
	if (s->options->max_spool_uid)
		return s->options->max_spool_uid;
	return options_has_others(s->options) ? (left + s->spools.bytes + s->uploads.bytes) / 2
					      : UINT64_MAX;
}

/* ---- one ---- */

static int refuse(struct err *e, int errnum)
{
	err_set(e, errnum == ENOSPC ? ERR_NO_SPACE : ERR_INTERNAL, errnum,
		"make the file that the artifacts go to first");
	err_hint(e, "give the daemon more room in its state directory, or have them sent to a "
		    "descriptor");
	return -errnum;
}

static int refuse_user(struct err *e, uint64_t own, uint64_t most)
{
	char has[UNITS_TEXT_SIZE], may[UNITS_TEXT_SIZE];
	units_format_size(own, has);
	units_format_size(most, may);
	err_set_field(e, ERR_NO_SPACE, "task.artifacts",
		"%s of artifacts of this user lie in the state directory or may still come "
		"there, of %s that he may have",
		has, may);
	err_hint(e, "fetch or send what is there (dayfly uploads), ask for less "
		    "(limits.artifacts), or raise max_spool_per_user in [daemon] of dayflyd.conf");
	return -ENOSPC;
}

static int open_file(struct server *s, struct task *t)
{
	bool has_upload = t->spec->artifacts.has_upload;
	if (has_upload ? !s->start->spool_dir : !s->host.log_dir)
		return -ENOENT;
	/* What is sent has to outlive us, and so has a name. */
	if (has_upload)
		return spool_file_create(s->start->spool_dir, t->id);
	int fd = open(s->host.log_dir, O_TMPFILE | O_RDWR | O_EXCL | O_CLOEXEC, 0600);
	return fd < 0 ? -errno : fd;
}

/* Returns 0 or -errno with *e. */
static int promise(struct server *s, struct task *t, int fd, uint64_t *max_bytes, struct err *e)
{
	struct statvfs fs;
	if (fstatvfs(fd, &fs) < 0)
		return refuse(e, errno);
	uint64_t left = spool_left((uint64_t)fs.f_bavail * fs.f_frsize, s->spools.promised);
	uint64_t own = bytes_of(s, t->uid), most = most_of_user(s, left);
	uint64_t room = spool_room(left, most, own, *max_bytes);
	if (room < SPOOL_LEAST_BYTES && room < *max_bytes)
		return room < left / 2 ? refuse_user(e, own, most) : refuse(e, ENOSPC);
	int r = count(&s->spools, t->uid, room);
	if (r < 0)
		return refuse(e, -r);
	*max_bytes = t->spool_bytes = room;
	s->spools.promised += room;
	return 0;
}

int spool_open(struct server *s, struct task *t, uint64_t *max_bytes, struct err *e)
{
	auto_close int fd = open_file(s, t);
	if (fd < 0)
		return refuse(e, -fd);
	if (t->spec->artifacts.has_upload) {
		uint64_t most = uploads_room(&s->uploads, t->uid);
		*max_bytes = *max_bytes < most ? *max_bytes : most;
	}
	int r = promise(s, t, fd, max_bytes, e);
	if (r == 0)
		return fd_take(&fd);
	if (t->spec->artifacts.has_upload)
		spool_file_remove(s->start->spool_dir, t->id);
	return r;
}

void spool_settle(struct server *s, struct task *t)
{
	struct stat st;
	uint64_t promised = t->spool_bytes, written = 0;
	bool is_ours = t->spool_fd >= 0 && !t->spec->artifacts.has_upload;
	if (is_ours && fstat(t->spool_fd, &st) == 0)
		written = (uint64_t)st.st_size < promised ? (uint64_t)st.st_size : promised;
	s->spools.promised -= promised;
	spool_release(s, t->uid, promised - written);
	t->spool_bytes = written;
}

/* ---- life ---- */

void spools_init(struct spools *ss)
{
	*ss = (struct spools){ 0 };
	list_init(&ss->users);
}

void spools_finish(struct spools *ss)
{
	list_for_each_safe (pos, &ss->users)
		free(list_entry(pos, struct spool_user, link));
	list_init(&ss->users);
}
