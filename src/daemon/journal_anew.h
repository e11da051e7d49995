/*
 * Makes a journal's file anew, a block at a time: at the start from what its last one said, and
 * where it has grown from itself, with no more in memory than an index of its tasks. Each returns
 * the descriptor of a file that is yet to take the name (journal_file_adopt), or -errno.
 */
#ifndef DAYFLY_DAEMON_JOURNAL_ANEW_H
#define DAYFLY_DAEMON_JOURNAL_ANEW_H

#include "daemon/journal_file.h"
#include "daemon/journal_record.h"

#include <stdint.h>

int journal_anew_write(const struct journal_file *f, const struct journal_image *m);

/* From [0, end) of an open journal what it says of the tasks of the index, which was made of the
 * same bytes. */
int journal_anew_copy(
	const struct journal_file *f, int from_fd, uint64_t end, const struct journal_image *index);

#endif
