/*
 * What was kept of a task's files, one by one, and the bytes in which that goes from jail init to
 * dayflyd. The names are a task's: any bytes but NUL.
 */
#ifndef DAYFLY_PLAN_ARTIFACT_LIST_H
#define DAYFLY_PLAN_ARTIFACT_LIST_H

#include "base/buf.h"
#include "base/sha256.h"

#include <stdbool.h>
#include <stdint.h>

/* Why a file that matches was not kept. */
enum artifact_error {
	ARTIFACT_OK,
	ARTIFACT_NOT_REGULAR, /* a link, a FIFO, a socket, a device */
	ARTIFACT_UNREADABLE,
	ARTIFACT_TOO_LARGE,
	ARTIFACT_CHANGED, /* somebody made it shorter while it was read */
	ARTIFACT_ERROR_COUNT
};
const char *artifact_error_text(enum artifact_error e); /* "not a regular file", ...; NULL: none */

struct artifact_item {
	enum artifact_error error;
	uint16_t mode;	 /* the nine bits */
	uint64_t bytes;	 /* of the file */
	uint64_t offset; /* ARTIFACT_OK: where its content begins in the tar */
	uint8_t sha256[SHA256_SIZE];
	char *path; /* as the pattern: relative, or with a slash before it */
};

/* Appends one. Returns 0, or -ENOBUFS (over the cap of b) or -ENOMEM: then nothing was added. */
int artifact_list_put(struct buf *b, const struct artifact_item *a);

/* Takes the next; ret->path is the caller's to free. Returns false at the end, and where the bytes
 * are none of a list: then r->failed is set. */
bool artifact_list_get(struct buf_reader *r, struct artifact_item *ret);

/* Where a relative path leads to below any directory: without the slash. */
const char *artifact_path_in_tar(const char *path);

#endif
