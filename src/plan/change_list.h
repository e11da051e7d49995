/*
 * What a task changed in a copy-on-write workspace, entry by entry, and the bytes in which the
 * first of them go from jail init to dayflyd. The names are a task's: any bytes but NUL.
 */
#ifndef DAYFLY_PLAN_CHANGE_LIST_H
#define DAYFLY_PLAN_CHANGE_LIST_H

#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>

enum change_kind { CHANGE_ADDED, CHANGE_MODIFIED, CHANGE_DELETED, CHANGE_KIND_COUNT };
enum change_type {
	CHANGE_FILE,
	CHANGE_LINK,
	CHANGE_DIRECTORY,
	CHANGE_SPECIAL, /* a FIFO, a socket, a device: nothing that could be taken along */
	CHANGE_TYPE_COUNT
};
const char *change_kind_name(enum change_kind k); /* "added" "modified" "deleted" */
const char *change_type_name(enum change_type t); /* "file" "symlink" "directory" "special" */

struct change_entry {
	enum change_kind kind;
	enum change_type type;
	uint16_t mode;	  /* permissions, as they are now; of what was deleted: as they were */
	uint64_t bytes;	  /* of a file or a link; likewise */
	const char *path; /* relative to the workspace */
};

/* Appends one. Returns 0, or -ENOBUFS (over the cap of b) or -ENOMEM: then nothing was added. */
int change_list_put(struct buf *b, const struct change_entry *c);

/* Takes the next; c->path is the caller's to free. Returns false at the end, and where the bytes
 * are none of a list: then r->failed is set. */
bool change_list_get(struct buf_reader *r, struct change_entry *ret);

#endif
