/*
 * Goes through the records (journal_record.h) of a journal's file, a block at a time: no more of it
 * is in memory, however long it is. Any thread; it only reads.
 */
#ifndef DAYFLY_DAEMON_JOURNAL_READER_H
#define DAYFLY_DAEMON_JOURNAL_READER_H

#include "base/buf.h"
#include "daemon/journal_record.h"

#include <stddef.h>
#include <stdint.h>

/* More than a record with its frame. */
#define JOURNAL_BLOCK_BYTES (64u << 10)

enum journal_end {
	JOURNAL_WHOLE,	 /* to its last byte */
	JOURNAL_TORN,	 /* the last record was being written: cut it off */
	JOURNAL_CORRUPT, /* something else than a record, with more after it */
	JOURNAL_NONE,	 /* not a journal */
	JOURNAL_OTHER,	 /* of another version */
	JOURNAL_MORE,	 /* not the end: there is a record */
};

struct journal_reader {
	int fd; /* borrowed */
	size_t size;
	uint8_t *block;		/* has room for size bytes */
	struct buf_reader here; /* of the block: what was not gone through yet */
	uint64_t at, end;	/* in the file: behind the block, and where to stop */
	uint64_t good;		/* where the records before the last one that was given end */
	uint32_t version;	/* that of the head; 0: there is none */
};

/* A record, as long as no other is asked for. */
struct journal_view {
	const uint8_t *bytes; /* with its frame */
	size_t len;
	struct buf_reader record; /* without */
};

/* Of [0, len) of an open file. Returns 0 or -ENOMEM. */
int journal_reader_init(struct journal_reader *r, int fd, uint64_t len);
void journal_reader_finish(struct journal_reader *r);

/* Asking for the next says that the last one was good. Returns an enum journal_end, or -errno. */
int journal_reader_next(struct journal_reader *r, struct journal_view *ret_view);

/*
 * Adds to *m what [0, len) of an open file says, as far as its records are good; *ret_good is where
 * they end. Returns an enum journal_end, or -errno; both outputs are set also then.
 */
int journal_read(
	int fd, uint64_t len, struct journal_image *m, uint64_t *ret_good, uint32_t *ret_version);

#endif
