/* Writing a tar: see tar_out.h. */
#include "cli/tar_out.h"

#include "base/fd.h"
#include "base/tar.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static int pad(int to, uint64_t bytes)
{
	static const char zeros[TAR_BLOCK];
	return fd_write_all(to, zeros, (size_t)(TAR_BLOCK - bytes % TAR_BLOCK) % TAR_BLOCK);
}

/* A text that is too long for its field comes before the header, as the contents of an entry. */
static int put_long(int to, char type, const char *text)
{
	struct tar_header h = { .name = "././@LongLink" };
	size_t size = strlen(text) + 1;
	tar_finish_header(&h, type, size);
	int r = fd_write_all(to, &h, sizeof(h));
	if (r == 0)
		r = fd_write_all(to, text, size);
	return r < 0 ? r : pad(to, size);
}

static int put_entry(
	int to, char type, const char *path, const char *link, mode_t mode, uint64_t size)
{
	struct tar_header h = { 0 };
	int r = 0;
	if (strlen(path) > TAR_NAME_SIZE)
		r = put_long(to, 'L', path);
	if (r == 0 && strlen(link) > TAR_NAME_SIZE)
		r = put_long(to, 'K', link);
	if (r < 0)
		return r;
	memcpy(h.name, path, strnlen(path, TAR_NAME_SIZE));
	memcpy(h.link, link, strnlen(link, TAR_NAME_SIZE));
	tar_set_number(h.mode, sizeof(h.mode), mode);
	tar_set_number(h.uid, sizeof(h.uid), 0);
	tar_set_number(h.gid, sizeof(h.gid), 0);
	tar_set_number(h.mtime, sizeof(h.mtime), 0);
	tar_set_number(h.devmajor, sizeof(h.devmajor), 0);
	tar_set_number(h.devminor, sizeof(h.devminor), 0);
	tar_finish_header(&h, type, size);
	return fd_write_all(to, &h, sizeof(h));
}

int tar_out_file(int to, const char *path, const struct place_content *c)
{
	char buffer[65536];
	off_t at = c->at;
	int r = put_entry(to, '0', path, "", c->mode, c->bytes);
	for (uint64_t left = c->bytes; r == 0 && left;) {
		ssize_t n = pread(
			c->fd, buffer, left < sizeof(buffer) ? (size_t)left : sizeof(buffer), at);
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		r = fd_write_all(to, buffer, (size_t)n);
		at += n;
		left -= (uint64_t)n;
	}
	return r < 0 ? r : pad(to, c->bytes);
}

int tar_out_bytes(int to, const char *path, const void *data, size_t len)
{
	int r = put_entry(to, '0', path, "", 0600, len);
	if (r == 0)
		r = fd_write_all(to, data, len);
	return r < 0 ? r : pad(to, len);
}

int tar_out_link(int to, const char *path, const char *link)
{
	return put_entry(to, '2', path, link, 0777, 0);
}

int tar_out_directory(int to, const char *path)
{
	return put_entry(to, '5', path, "", 0700, 0);
}

int tar_out_end(int to)
{
	static const char zeros[2 * TAR_BLOCK];
	return fd_write_all(to, zeros, sizeof(zeros));
}
