/* Writing a tar: see archive.h. */
#include "jail/archive.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/tar.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define END_BLOCKS 2

void archive_begin(struct archive *a, int fd, uint64_t until_ns, uint64_t max_bytes)
{
	memset(a, 0, offsetof(struct archive, buffer));
	a->fd = fd;
	a->until_ns = until_ns;
	a->max_bytes = max_bytes;
	fd_set_nonblock(fd);
}

/* ---- bytes ---- */

/* Until there is room, or our time is over. */
static int wait_for_room(const struct archive *a)
{
	struct pollfd p = { .fd = a->fd, .events = POLLOUT };
	uint64_t now = clock_mono_ns();
	if (now >= a->until_ns)
		return -ETIME;
	uint64_t ms = (a->until_ns - now) / NS_PER_MS + 1;
	return poll(&p, 1, ms < INT_MAX ? (int)ms : INT_MAX) < 0 && errno != EINTR ? -errno : 0;
}

static int flush(struct archive *a)
{
	size_t at = 0;
	while (at < a->len) {
		/* A pipe that the client has made one that waits again is left by a signal: see
		 * collect.c. */
		ssize_t n = clock_mono_ns() < a->until_ns
				    ? write(a->fd, a->buffer + at, a->len - at)
				    : (errno = ETIME, -1);
		if (n >= 0) {
			at += (size_t)n;
			continue;
		}
		int r = errno == EAGAIN || errno == EINTR ? wait_for_room(a) : -errno;
		if (r < 0)
			return r;
	}
	a->bytes += at;
	a->len = 0;
	return 0;
}

static int put(struct archive *a, const void *data, size_t len)
{
	const char *p = data;
	int r = 0;
	while (r == 0 && len) {
		size_t room = sizeof(a->buffer) - a->len, n = len < room ? len : room;
		memcpy(a->buffer + a->len, p, n);
		a->len += n;
		p += n;
		len -= n;
		if (a->len == sizeof(a->buffer))
			r = flush(a);
	}
	return r;
}

static int put_zeros(struct archive *a, uint64_t n)
{
	static const char zeros[TAR_BLOCK];
	int r = 0;
	for (; r == 0 && n; n -= n < TAR_BLOCK ? n : TAR_BLOCK)
		r = put(a, zeros, n < TAR_BLOCK ? (size_t)n : TAR_BLOCK);
	return r;
}

static size_t padding(uint64_t bytes)
{
	return (size_t)(TAR_BLOCK - bytes % TAR_BLOCK) % TAR_BLOCK;
}

/* ---- headers ---- */

static int put_header(struct archive *a, struct tar_header *h, char type, uint64_t size)
{
	tar_finish_header(h, type, size);
	return put(a, h, sizeof(*h));
}

/* A text that is too long for its field comes before the header, as the contents of an entry. */
static int put_long(struct archive *a, char type, const char *text)
{
	struct tar_header h = { .name = "././@LongLink" };
	size_t size = strlen(text) + 1;
	int r = put_header(a, &h, type, size);
	if (r == 0)
		r = put(a, text, size);
	return r < 0 ? r : put_zeros(a, padding(size));
}

struct entry {
	char type;
	const char *path, *link; /* link: "" for none */
	unsigned mode;
	uint64_t size, mtime;
	bool replaces;
};

static int put_entry(struct archive *a, const struct entry *e)
{
	struct tar_header h = { 0 };
	int r = 0;
	if (strlen(e->path) > TAR_NAME_SIZE)
		r = put_long(a, 'L', e->path);
	if (r == 0 && strlen(e->link) > TAR_NAME_SIZE)
		r = put_long(a, 'K', e->link);
	if (r < 0)
		return r;
	memcpy(h.name, e->path, strnlen(e->path, TAR_NAME_SIZE));
	memcpy(h.link, e->link, strnlen(e->link, TAR_NAME_SIZE));
	tar_set_number(h.mode, sizeof(h.mode), e->mode);
	tar_set_number(h.uid, sizeof(h.uid), 0);
	tar_set_number(h.gid, sizeof(h.gid), 0);
	tar_set_number(h.mtime, sizeof(h.mtime), e->mtime);
	tar_set_number(h.devmajor, sizeof(h.devmajor), 0);
	tar_set_number(h.devminor, sizeof(h.devminor), e->replaces);
	return put_header(a, &h, e->type, e->size);
}

/* What an entry takes at most, without its contents. */
static uint64_t entry_bytes(const char *path, const char *link)
{
	return 3 * TAR_BLOCK + strlen(path) + strlen(link) + 4 * TAR_BLOCK;
}

/* ---- changes ---- */

static bool has_room(const struct archive *a, uint64_t bytes)
{
	const uint64_t used = a->bytes + a->len + END_BLOCKS * TAR_BLOCK;
	return used <= a->max_bytes && bytes <= a->max_bytes - used;
}

/* As many bytes of the file as there are, up to `size`, into *ret; hash may be NULL. */
static int put_bytes(struct archive *a, int fd, uint64_t size, struct sha256 *hash, uint64_t *ret)
{
	for (*ret = 0; *ret < size;) {
		size_t room = sizeof(a->buffer) - a->len;
		uint64_t left = size - *ret;
		ssize_t n = read(fd, a->buffer + a->len, left < room ? (size_t)left : room);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		if (hash)
			sha256_update(hash, a->buffer + a->len, (size_t)n);
		a->len += (size_t)n;
		*ret += (uint64_t)n;
		int r = a->len == sizeof(a->buffer) ? flush(a) : 0;
		if (r < 0) {
			a->errnum = -r;
			return r;
		}
	}
	return 0;
}

/* So many bytes of the file are promised: they come, or the archive ends here. */
static int put_contents(struct archive *a, int fd, uint64_t size)
{
	uint64_t n;
	int r = put_bytes(a, fd, size, NULL, &n);
	return r < 0 ? r : put_zeros(a, padding(size));
}

static uint64_t mtime_of(const struct stat *st)
{
	return st->st_mtime > 0 ? (uint64_t)st->st_mtime : 0;
}

/* Each of these returns 0 or -errno, which ends the archive; -ENODATA: this one is left out. */

static int add_file(struct archive *a, const struct change *c)
{
	struct stat st;
	auto_close int fd = changes_open_file(c->dirfd, c->name);
	if (fd < 0 || fstat(fd, &st) < 0 || st.st_size < 0 ||
		!has_room(a, entry_bytes(c->entry.path, "") + (uint64_t)st.st_size))
		return -ENODATA;
	const struct entry e = { '0', c->entry.path, "", st.st_mode & 0777, (uint64_t)st.st_size,
		mtime_of(&st), c->entry.kind == CHANGE_MODIFIED };
	int r = put_entry(a, &e);
	return r < 0 ? r : put_contents(a, fd, (uint64_t)st.st_size);
}

static int add_link(struct archive *a, const struct change *c)
{
	char to[PATH_MAX];
	struct stat st;
	ssize_t n = readlinkat(c->dirfd, c->name, to, sizeof(to) - 1);
	if (n < 0 || fstatat(c->dirfd, c->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -ENODATA;
	to[n] = '\0';
	const struct entry e = { '2', c->entry.path, to, 0777, 0, mtime_of(&st),
		c->entry.kind == CHANGE_MODIFIED };
	return has_room(a, entry_bytes(c->entry.path, to)) ? put_entry(a, &e) : -ENODATA;
}

static int add_directory(struct archive *a, const struct change *c)
{
	char path[LIMIT_PATH_BYTES + 1];
	struct stat st;
	if (fstatat(c->dirfd, c->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -ENODATA;
	snprintf(path, sizeof(path), "%s/", c->entry.path);
	const struct entry e = { '5', path, "", st.st_mode & 0777, 0, mtime_of(&st),
		c->entry.kind == CHANGE_MODIFIED };
	return has_room(a, entry_bytes(path, "")) ? put_entry(a, &e) : -ENODATA;
}

static int add_whiteout(struct archive *a, const struct change *c)
{
	char path[LIMIT_PATH_BYTES + sizeof(TAR_WHITEOUT)];
	const char *slash = strrchr(c->entry.path, '/');
	int dir = slash ? (int)(slash + 1 - c->entry.path) : 0;
	snprintf(path, sizeof(path), "%.*s" TAR_WHITEOUT "%s", dir, c->entry.path,
		c->entry.path + dir);
	const struct entry e = { '0', path, "", 0, 0, 0, false };
	return has_room(a, entry_bytes(path, "")) ? put_entry(a, &e) : -ENODATA;
}

/* A name that reads as something deleted. */
static bool is_ambiguous(const char *path)
{
	return !strncmp(path, TAR_WHITEOUT, strlen(TAR_WHITEOUT)) || strstr(path, "/" TAR_WHITEOUT);
}

int archive_add(void *owner, const struct change *c)
{
	struct archive *a = owner;
	int r = -ENODATA;
	if (a->errnum)
		return 0;
	if (is_ambiguous(c->entry.path))
		r = -ENODATA;
	else if (c->entry.kind == CHANGE_DELETED)
		r = add_whiteout(a, c);
	else if (c->entry.type == CHANGE_FILE)
		r = add_file(a, c);
	else if (c->entry.type == CHANGE_LINK)
		r = add_link(a, c);
	else if (c->entry.type == CHANGE_DIRECTORY)
		r = add_directory(a, c);
	if (r == -ENODATA)
		a->left_out++;
	else
		a->errnum = -r;
	return 0;
}

static int put_file(struct archive *a, struct archive_file *f)
{
	const struct entry e = { '0', f->path, "", f->mode & 0777, f->size, f->mtime, false };
	struct sha256 hash;
	uint64_t n = 0;
	sha256_init(&hash);
	int r = put_entry(a, &e);
	if (r < 0)
		return r;
	f->offset = a->bytes + a->len;
	r = put_bytes(a, f->fd, f->size, &hash, &n);
	if (a->errnum)
		return r;
	f->is_whole = r == 0;
	sha256_finish(&hash, f->sha256);
	/* The header has been written: what it promises has to come, or nothing that follows could
	 * be read. */
	r = n < f->size ? put_zeros(a, f->size - n) : 0;
	return r < 0 ? r : put_zeros(a, padding(f->size));
}

int archive_add_file(struct archive *a, struct archive_file *f)
{
	if (a->errnum)
		return -a->errnum;
	if (f->size > a->max_bytes || !has_room(a, entry_bytes(f->path, "") + f->size))
		return -ENODATA;
	int r = put_file(a, f);
	a->errnum = -r;
	return r;
}

int archive_finish(struct archive *a)
{
	int r = -a->errnum;
	if (r == 0)
		r = put_zeros(a, END_BLOCKS * TAR_BLOCK);
	if (r == 0)
		r = flush(a);
	a->errnum = -r;
	return r;
}
