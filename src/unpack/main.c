/*
 * dayfly-unpack: makes the files of a tar from its stdin in its current directory. The first
 * process of a jail that is given one, before the task: with the task's ids, limits and filters, so
 * that a hostile archive can do what the task could do itself, and nothing else. libarchive reads
 * it.
 *
 *   dayfly-unpack MAX_BYTES MAX_ENTRIES
 *
 * Exit status: enum unpack_status. What went wrong is one line on stderr.
 */
#include "unpack/entry.h"
#include "unpack/status.h"

#include <archive.h>
#include <archive_entry.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_BYTES (64u << 10)
/* Of behind the end of the archive: who writes it is not to be cut off in its padding. */
#define TAIL_BYTES (16u << 20)
/* The largest window of the usual levels of xz and zstd is 128 MiB. */
#define MEMORY_BYTES (512ull << 20)

struct input {
	char buf[READ_BYTES];
	uint64_t bytes;
	int errnum;
};

static ssize_t read_some(struct input *in)
{
	for (;;) {
		ssize_t n = read(STDIN_FILENO, in->buf, sizeof(in->buf));
		if (n >= 0) {
			in->bytes += (uint64_t)n;
			return n;
		}
		/* Its maker may have made it non-blocking. */
		struct pollfd p = { .fd = STDIN_FILENO, .events = POLLIN };
		if (errno == EAGAIN)
			poll(&p, 1, -1);
		else if (errno != EINTR)
			return -1;
	}
}

static la_ssize_t on_read(struct archive *a, void *data, const void **ret_buf)
{
	struct input *in = data;
	ssize_t n = read_some(in);
	*ret_buf = in->buf;
	if (n < 0) {
		in->errnum = errno;
		archive_set_error(a, errno, "read it: %s", strerror(errno));
	}
	return n;
}

static int fail(enum unpack_status status, const char *path, const char *why)
{
	fprintf(stderr, "%s%s%s\n", path ? path : "", path ? ": " : "", why ? why : "unknown");
	return status;
}

static int fail_write(struct archive *out, const char *path)
{
	int errnum = archive_errno(out);
	enum unpack_status status = UNPACK_REFUSED;
	if (errnum == ENOSPC || errnum == EDQUOT || errnum == EFBIG)
		status = UNPACK_NO_ROOM;
	else if (errnum == EACCES || errnum == EPERM || errnum == EROFS)
		status = UNPACK_NOT_WRITTEN;
	return fail(status, path, archive_error_string(out));
}

static struct archive *open_input(struct input *in)
{
	struct archive *a = archive_read_new();
	if (!a)
		return NULL;
	archive_read_support_filter_gzip(a);
	archive_read_support_filter_bzip2(a);
	archive_read_support_filter_xz(a);
	archive_read_support_filter_zstd(a);
	archive_read_support_format_tar(a);
	/* A name is bytes. */
	archive_read_set_options(a, "hdrcharset=BINARY");
	archive_read_open(a, in, NULL, on_read, NULL);
	return a;
}

static struct archive *open_output(void)
{
	struct archive *a = archive_write_disk_new();
	/* The rules of entry.c once more, by others, and no way through a link. Not: owners, ACLs,
	 * attributes, flags. */
	if (a)
		archive_write_disk_set_options(a, ARCHIVE_EXTRACT_TIME | ARCHIVE_EXTRACT_PERM |
							  ARCHIVE_EXTRACT_SECURE_NODOTDOT |
							  ARCHIVE_EXTRACT_SECURE_SYMLINKS |
							  ARCHIVE_EXTRACT_SECURE_NOABSOLUTEPATHS);
	return a;
}

static int copy_data(struct archive *in, struct archive *out, const char *path, uint64_t size)
{
	const void *data;
	size_t len;
	la_int64_t at;
	int r;
	while ((r = archive_read_data_block(in, &data, &len, &at)) == ARCHIVE_OK) {
		if (at < 0 || (uint64_t)at > size || len > size - (uint64_t)at)
			return fail(UNPACK_REFUSED, path, "it has more bytes than it says");
		if (len && archive_write_data_block(out, data, len, at) < ARCHIVE_WARN)
			return fail_write(out, path);
	}
	return r == ARCHIVE_EOF ? UNPACK_OK : fail(UNPACK_REFUSED, path, archive_error_string(in));
}

static int unpack_entry(
	struct archive *in, struct archive *out, struct archive_entry *ae, struct entry_room *room)
{
	const struct entry en = {
		.path = archive_entry_pathname(ae),
		.hardlink = archive_entry_hardlink(ae),
		.type = archive_entry_filetype(ae),
		.size = archive_entry_size(ae),
	};
	const char *why = entry_refusal(&en, room);
	if (why)
		return fail(UNPACK_REFUSED, en.path, why);
	if (entry_is_top(&en))
		return UNPACK_OK;
	archive_entry_set_perm(ae, archive_entry_perm(ae) & 0777);
	if (archive_write_header(out, ae) < ARCHIVE_WARN)
		return fail_write(out, en.path);
	int r = en.size > 0 ? copy_data(in, out, en.path, (uint64_t)en.size) : UNPACK_OK;
	if (r == UNPACK_OK && archive_write_finish_entry(out) < ARCHIVE_WARN)
		return fail_write(out, en.path);
	return r;
}

static int unpack(
	struct archive *in, struct archive *out, const struct input *input, struct entry_room *room)
{
	struct archive_entry *ae;
	int r;
	while ((r = archive_read_next_header(in, &ae)) >= ARCHIVE_WARN && r != ARCHIVE_EOF) {
		int status = unpack_entry(in, out, ae, room);
		if (status != UNPACK_OK)
			return status;
	}
	if (r != ARCHIVE_EOF && !input->errnum && !input->bytes)
		return fail(UNPACK_REFUSED, NULL, "it is empty: not even the end of an archive");
	if (r != ARCHIVE_EOF)
		return fail(UNPACK_REFUSED, NULL, archive_error_string(in));
	/* Times and modes of directories come last. */
	return archive_write_close(out) < ARCHIVE_WARN ? fail_write(out, NULL) : UNPACK_OK;
}

int main(int argc, char **argv)
{
	static struct input input;
	const struct rlimit memory = { MEMORY_BYTES, MEMORY_BYTES };
	if (argc != 3)
		return fail(UNPACK_NOT_WRITTEN, NULL, "usage: dayfly-unpack MAX_BYTES MAX_ENTRIES");
	struct entry_room room = {
		.bytes = strtoull(argv[1], NULL, 10),
		.entries = strtoull(argv[2], NULL, 10),
	};
	/* It was executed from memory, without a name. */
	prctl(PR_SET_NAME, "dayfly-unpack");
	setrlimit(RLIMIT_AS, &memory);
	struct archive *in = open_input(&input), *out = open_output();
	if (!in || !out)
		return fail(UNPACK_NOT_WRITTEN, NULL, "out of memory");
	int status = unpack(in, out, &input, &room);
	for (size_t tail = 0; status == UNPACK_OK && tail < TAIL_BYTES;) {
		ssize_t n = read_some(&input);
		if (n <= 0)
			break;
		tail += (size_t)n;
	}
	/* What is open of it goes with the process. */
	return status;
}
