/*
 * The journal's file: found, locked, read, and made anew. The lock is on the file itself and a new
 * file is locked before it takes the old one's name, so at every moment one daemon at most has the
 * journal of a directory. A file that is not a good journal of ours is renamed out of the way and
 * said so; it never keeps tasks from running.
 */
#ifndef DAYFLY_DAEMON_JOURNAL_FILE_H
#define DAYFLY_DAEMON_JOURNAL_FILE_H

#include "base/buf.h"
#include "base/err.h"
#include "daemon/journal_reader.h"
#include "daemon/journal_record.h"

#include <stdbool.h>
#include <stdint.h>

/* A longer file is not read. */
#define JOURNAL_FILE_MAX (64u << 20)

struct journal_file {
	char *dir;
	int dir_fd;
	char name[32];
	int fd;		 /* -1: there is none, for want of space */
	uint64_t end;	 /* of what is good */
	bool needs_sync; /* not in memory only */
};

/* A file that is being made. */
struct journal_out {
	int fd;
	uint64_t end;
	struct buf block; /* to be written there */
};

/* The directory must be there, and nobody but us and root may write to it. Call
 * journal_file_close() in both cases. */
int journal_file_init(struct journal_file *f, const char *dir, struct err *e);
void journal_file_close(struct journal_file *f);

/*
 * Opens and locks the file, or an empty new one, and adds what it says to *m. Returns 0, -EBUSY
 * when another daemon has it, or -errno.
 */
int journal_file_load(struct journal_file *f, struct journal_image *m, struct err *e);

/*
 * A new file without the name, locked, filled and synced: a descriptor or -errno. fill, which
 * returns 0 or -errno, adds records to out->block and calls journal_out_pass() after each.
 */
typedef int (*journal_fill_fn)(struct journal_out *out, void *arg);
int journal_file_make(const struct journal_file *f, journal_fill_fn fill, void *arg);
/* Writes the block when it is full: it never gets much longer than JOURNAL_BLOCK_BYTES. */
int journal_out_pass(struct journal_out *out);
/* It takes the name, and what was appended to the old one since `from`. Takes the descriptor over
 * also on failure, which leaves the old one as it was. */
int journal_file_adopt(struct journal_file *f, int take_fd, uint64_t from);

/* Returns 0, or -errno: then nothing was appended. */
int journal_file_append(struct journal_file *f, const void *data, size_t len);

/* Removes the file. */
void journal_file_remove(struct journal_file *f);

#endif
