/* A journal of any bytes, read as from a file. */
#ifndef TESTS_UNIT_JOURNAL_BYTES_H
#define TESTS_UNIT_JOURNAL_BYTES_H

#include "harness.h"

#include "base/fd.h"
#include "daemon/journal_reader.h"

#include <sys/mman.h>

static inline int journal_bytes_file(const struct buf *bytes)
{
	int fd = memfd_create("journal", MFD_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(fd_write_at(fd, buf_data(bytes), buf_len(bytes), 0), 0);
	return fd;
}

/* The first len of them. What the image had is dropped. */
static inline int journal_bytes_read(
	struct journal_image *m, const struct buf *bytes, size_t len, uint64_t *ret_good)
{
	uint32_t version;
	auto_close int fd = journal_bytes_file(bytes);
	journal_image_finish(m);
	return journal_read(fd, len, m, ret_good, &version);
}

#endif
