/* The file of the journal: see journal_file.h. */
#include "daemon/journal_file.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define OPEN_FLAGS (O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)
#define OPEN_TRIES 5
/* A daemon that was just killed may take a moment to be gone: one second in all. */
#define LOCK_TRIES    200
#define LOCK_PAUSE_US 5000
/* Files that were set aside: their number is bounded, the last is replaced. */
#define ASIDE_MAX 5

/* ---- the directory ---- */

static int check_dir(const struct journal_file *f, struct err *e)
{
	struct stat st;
	if (fstat(f->dir_fd, &st) < 0)
		return err_set(e, ERR_INTERNAL, errno, "look at %s", f->dir);
	if (st.st_uid != geteuid() && st.st_uid != 0) {
		err_set(e, ERR_NOT_ALLOWED, EPERM, "directory %s belongs to another user", f->dir);
		err_hint(e, "give a directory of your own with --state-dir");
		return -EPERM;
	}
	if (!(st.st_mode & S_IWOTH) || st.st_mode & S_ISVTX)
		return 0;
	err_set(e, ERR_NOT_ALLOWED, EPERM, "everybody may change files in %s", f->dir);
	err_hint(e, "give a directory of your own with --state-dir");
	return -EPERM;
}

int journal_file_init(struct journal_file *f, const char *dir, struct err *e)
{
	struct statfs fs;
	*f = (struct journal_file){ .dir_fd = -1, .fd = -1, .needs_sync = true };
	/* Daemons of several users may share a directory such as /var/tmp. */
	snprintf(f->name, sizeof(f->name), "dayfly-%u.journal", (unsigned)geteuid());
	f->dir = strdup(dir);
	if (!f->dir)
		return err_set(e, ERR_INTERNAL, ENOMEM, "open the journal");
	f->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (f->dir_fd < 0)
		return err_set(e, ERR_INTERNAL, errno, "open the state directory %s", dir);
	if (fstatfs(f->dir_fd, &fs) == 0 && fs.f_type == TMPFS_MAGIC)
		f->needs_sync = false;
	return check_dir(f, e);
}

void journal_file_close(struct journal_file *f)
{
	fd_close(&f->fd);
	fd_close(&f->dir_fd);
	free(f->dir);
	f->dir = NULL;
}

void journal_file_remove(struct journal_file *f)
{
	unlinkat(f->dir_fd, f->name, 0);
	fd_close(&f->fd);
}

/* ---- finding it ---- */

static int set_aside(const struct journal_file *f, const char *why, struct err *e)
{
	char name[sizeof(f->name) + 16];
	int r = -1;
	for (int i = 1; r < 0 && i <= ASIDE_MAX; i++) {
		snprintf(name, sizeof(name), "%s.bad%d", f->name, i);
		r = renameat2(f->dir_fd, f->name, f->dir_fd, name, RENAME_NOREPLACE);
		if (r < 0 && errno != EEXIST)
			break;
	}
	if (r < 0 && (errno == EEXIST || errno == EINVAL))
		r = renameat(f->dir_fd, f->name, f->dir_fd, name);
	if (r < 0) {
		r = err_set(e, ERR_INTERNAL, errno, "%s/%s %s, and cannot be renamed", f->dir,
			f->name, why);
		err_hint(e, "remove it, or give a directory of your own with --state-dir");
		return r;
	}
	log_warning("%s/%s %s: it is set aside as %s", f->dir, f->name, why, name);
	return 0;
}

static const char *fault_of(int fd)
{
	struct stat st;
	if (fstat(fd, &st) < 0)
		return "cannot be looked at";
	if (!S_ISREG(st.st_mode))
		return "is not a regular file";
	if (st.st_uid != geteuid())
		return "belongs to another user";
	if (st.st_mode & (S_IWGRP | S_IWOTH))
		return "can be written by others";
	if (st.st_nlink > 1)
		return "has a second name";
	if (st.st_size > JOURNAL_FILE_MAX)
		return "is too long for a journal";
	return NULL;
}

static int lock_file(int fd)
{
	for (int i = 0; flock(fd, LOCK_EX | LOCK_NB) < 0; i++) {
		if (errno != EWOULDBLOCK || i == LOCK_TRIES)
			return -errno;
		usleep(LOCK_PAUSE_US);
	}
	return 0;
}

/* Whether the name still leads to what is open: another daemon may have put a new file there while
 * we waited for the lock of the old one. */
static bool has_name(const struct journal_file *f, int fd)
{
	struct stat st, named;
	return fstat(fd, &st) == 0 &&
	       fstatat(f->dir_fd, f->name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
	       st.st_dev == named.st_dev && st.st_ino == named.st_ino;
}

static int busy(const struct journal_file *f, struct err *e)
{
	err_set(e, ERR_BUSY, EBUSY, "lock %s/%s", f->dir, f->name);
	err_hint(e, "another dayflyd has this state directory: stop it, or give another "
		    "--state-dir");
	return -EBUSY;
}

static const char *fault_of_errno(int errnum)
{
	switch (errnum) {
	case ELOOP:
		return "is a symbolic link";
	case EISDIR:
		return "is a directory";
	case ENXIO:
		return "is not a regular file";
	case EACCES:
		return "belongs to another user";
	default:
		return NULL;
	}
}

/* Opens what there is or makes an empty file. Returns a descriptor, or -errno; -EAGAIN: look
 * again. */
static int open_file(const struct journal_file *f, struct err *e)
{
	auto_close int fd = openat(f->dir_fd, f->name, OPEN_FLAGS);
	int errnum = errno;
	if (fd < 0 && errnum == ENOENT) {
		fd = openat(f->dir_fd, f->name, OPEN_FLAGS | O_CREAT | O_EXCL, 0600);
		if (fd >= 0 || errno == EEXIST)
			return fd >= 0 ? fd_take(&fd) : -EAGAIN;
		return err_set(e, ERR_INTERNAL, errno, "make %s/%s", f->dir, f->name);
	}
	const char *fault = fd >= 0 ? fault_of(fd) : fault_of_errno(errnum);
	if (fault) {
		int r = set_aside(f, fault, e);
		return r < 0 ? r : -EAGAIN;
	}
	return fd < 0 ? err_set(e, ERR_INTERNAL, errnum, "open %s/%s", f->dir, f->name)
		      : fd_take(&fd);
}

/* A good or an empty file, locked, in f->fd. */
static int find_file(struct journal_file *f, struct err *e)
{
	for (int i = 0; i < OPEN_TRIES; i++) {
		auto_close int fd = open_file(f, e);
		if (fd == -EAGAIN)
			continue;
		if (fd < 0)
			return fd;
		int r = lock_file(fd);
		if (r == -EWOULDBLOCK)
			return busy(f, e);
		if (r < 0)
			return err_set(e, ERR_INTERNAL, -r, "lock %s/%s", f->dir, f->name);
		if (has_name(f, fd)) {
			f->fd = fd_take(&fd);
			f->end = 0;
			return 0;
		}
	}
	return busy(f, e);
}

/* Another takes its place. */
static int drop_file(struct journal_file *f, const char *why, struct err *e)
{
	fd_close(&f->fd);
	int r = set_aside(f, why, e);
	return r < 0 ? r : find_file(f, e);
}

static int cut_tail(struct journal_file *f, uint64_t size)
{
	log_warning("%s/%s: its last %llu bytes are no whole record and are cut off", f->dir,
		f->name, (unsigned long long)(size - f->end));
	return ftruncate(f->fd, (off_t)f->end) < 0 ? -errno : 0;
}

int journal_file_load(struct journal_file *f, struct journal_image *m, struct err *e)
{
	struct stat st;
	uint64_t good = 0;
	uint32_t version = 0;
	char why[64];
	int r = find_file(f, e);
	if (r < 0)
		return r;
	r = fstat(f->fd, &st) < 0 ? -errno : 0;
	if (r == 0)
		r = journal_read(f->fd, (uint64_t)st.st_size, m, &good, &version);
	f->end = good;
	switch (r) {
	case JOURNAL_TORN:
		r = cut_tail(f, (uint64_t)st.st_size);
		break;
	case JOURNAL_CORRUPT:
		/* What stands before that is good. */
		snprintf(why, sizeof(why), "is damaged after byte %llu", (unsigned long long)good);
		return drop_file(f, why, e);
	case JOURNAL_NONE:
		return drop_file(f, "is not a journal", e);
	case JOURNAL_OTHER:
		snprintf(why, sizeof(why), "is of version %u, not %d", version, JOURNAL_VERSION);
		return drop_file(f, why, e);
	default:
		break;
	}
	return r < 0 ? err_set(e, ERR_INTERNAL, -r, "read %s/%s", f->dir, f->name) : 0;
}

/* ---- writing ---- */

int journal_file_append(struct journal_file *f, const void *data, size_t len)
{
	int r = fd_write_at(f->fd, data, len, f->end);
	if (r == 0)
		f->end += len;
	else if (ftruncate(f->fd, (off_t)f->end) < 0)
		log_warning("%s/%s: cut it to %llu bytes: %s", f->dir, f->name,
			(unsigned long long)f->end, strerror(errno));
	return r;
}

static void new_name(const struct journal_file *f, char *out, size_t size)
{
	snprintf(out, size, "%s.new", f->name);
}

static int write_block(struct journal_out *out)
{
	size_t len = buf_len(&out->block);
	/* The next daemon would not read it. */
	if (out->end + len > JOURNAL_FILE_MAX)
		return -EFBIG;
	int r = len ? fd_write_at(out->fd, buf_data(&out->block), len, out->end) : 0;
	if (r < 0)
		return r;
	out->end += len;
	buf_clear(&out->block);
	return 0;
}

int journal_out_pass(struct journal_out *out)
{
	return buf_len(&out->block) < JOURNAL_BLOCK_BYTES ? 0 : write_block(out);
}

static int fill_file(int fd, journal_fill_fn fill, void *arg)
{
	struct journal_out out = { .fd = fd };
	buf_init(&out.block, 0);
	int r = journal_put_head(&out.block);
	if (r == 0)
		r = fill(&out, arg);
	if (r == 0)
		r = write_block(&out);
	buf_finish(&out.block);
	return r;
}

int journal_file_make(const struct journal_file *f, journal_fill_fn fill, void *arg)
{
	char name[sizeof(f->name) + 8];
	new_name(f, name, sizeof(name));
	unlinkat(f->dir_fd, name, 0);
	auto_close int fd = openat(f->dir_fd, name, OPEN_FLAGS | O_CREAT | O_EXCL, 0600);
	if (fd < 0)
		return -errno;
	int r = flock(fd, LOCK_EX | LOCK_NB) < 0 ? -errno : 0;
	if (r == 0)
		r = fill_file(fd, fill, arg);
	if (r == 0 && f->needs_sync && fdatasync(fd) < 0)
		r = -errno;
	if (r < 0) {
		unlinkat(f->dir_fd, name, 0);
		return r;
	}
	return fd_take(&fd);
}

/* What came to the old file in the meantime: little. */
static int copy_rest(const struct journal_file *f, int to, uint64_t from, uint64_t *end)
{
	char data[4096];
	while (from < f->end) {
		size_t want = f->end - from < sizeof(data) ? (size_t)(f->end - from) : sizeof(data);
		ssize_t n = pread(f->fd, data, want, (off_t)from);
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		int r = fd_write_at(to, data, (size_t)n, *end);
		if (r < 0)
			return r;
		from += (uint64_t)n;
		*end += (uint64_t)n;
	}
	return 0;
}

int journal_file_adopt(struct journal_file *f, int take_fd, uint64_t from)
{
	auto_close int fd = take_fd;
	char name[sizeof(f->name) + 8];
	struct stat st;
	new_name(f, name, sizeof(name));
	if (fstat(fd, &st) < 0)
		return -errno;
	uint64_t end = (uint64_t)st.st_size;
	int r = f->fd < 0 ? 0 : copy_rest(f, fd, from, &end);
	if (r == 0 && renameat(f->dir_fd, name, f->dir_fd, f->name) < 0)
		r = -errno;
	if (r < 0) {
		unlinkat(f->dir_fd, name, 0);
		return r;
	}
	fd_close(&f->fd);
	f->fd = fd_take(&fd);
	f->end = end;
	return 0;
}
