/*
 * A tar of what a task changed, written to a pipe or socket of the client's by jail init. It is a
 * layer as container images have them: what was deleted is an empty file with ".wh." before its
 * name. Written here and not by a library, since jail init is a copy of the warden, which links
 * none for it; it is only ever written, never read.
 *
 * The format is GNU tar's. Owners are 0, permissions are the nine usual bits. Of a file or link
 * that replaces another, "devminor", which means nothing for these, is 1.
 */
#ifndef DAYFLY_JAIL_ARCHIVE_H
#define DAYFLY_JAIL_ARCHIVE_H

#include "base/sha256.h"
#include "jail/changes.h"

#include <stddef.h>
#include <stdint.h>

#define ARCHIVE_BUFFER (64u << 10)

struct archive {
	int fd;		    /* borrowed */
	uint64_t until_ns;  /* CLOCK_MONOTONIC */
	uint64_t max_bytes; /* of all that is written */
	uint64_t bytes;	    /* written so far */
	uint64_t left_out;  /* changes that are not in it */
	int errnum;	    /* why it ended early, or 0: then nothing more is written */
	size_t len;
	char buffer[ARCHIVE_BUFFER];
};

/* Sets it up; fd no longer waits. */
void archive_begin(struct archive *a, int fd, uint64_t until_ns, uint64_t max_bytes);
/* A change_fn: always returns 0, a failure is in a->errnum. */
int archive_add(void *owner, const struct change *c);
/* A file of its own accord, which is open. */
struct archive_file {
	int fd;		  /* borrowed: a regular file, read from its beginning */
	const char *path; /* in the tar */
	unsigned mode;	  /* the nine bits count */
	uint64_t size;	  /* of its beginning: so much is promised */
	uint64_t mtime;
	/* Filled: where its bytes begin, what they are; whether all of them were there. What was
	 * not is zeros. */
	uint64_t offset;
	uint8_t sha256[SHA256_SIZE];
	bool is_whole;
};
/* Returns 0; -ENODATA: there is no room for it, and nothing was written; or -a->errnum. */
int archive_add_file(struct archive *a, struct archive_file *f);

/* Writes its end. Returns 0, or -a->errnum. */
int archive_finish(struct archive *a);

#endif
