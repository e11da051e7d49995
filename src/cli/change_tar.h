/*
 * Reading the tar of what a task changed (docs/protocol.md): its entries, and where their contents
 * lie. It takes what jail init writes, and the stamp before it, and nothing else, so it is short;
 * whatever else a tar may hold is an error.
 */
#ifndef DAYFLY_CLI_CHANGE_TAR_H
#define DAYFLY_CLI_CHANGE_TAR_H

#include "base/err.h"
#include "cli/change_stamp.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum change_tar_type { CHANGE_TAR_DELETED, CHANGE_TAR_FILE, CHANGE_TAR_LINK, CHANGE_TAR_DIRECTORY };

struct change_tar_entry {
	enum change_tar_type type;
	bool replaces; /* it was there before, as a file or a link, or a directory with another mode
			*/
	unsigned mode; /* the nine bits */
	char *path;    /* relative and clean: beneath.h */
	char *link;    /* CHANGE_TAR_LINK */
	uint64_t bytes; /* CHANGE_TAR_FILE */
	off_t at;	/* of its contents */
	int64_t mtime;	/* seconds */
};

struct change_tar {
	int fd;				  /* borrowed: a regular file */
	struct change_tar_entry *entries; /* in the order of the tar */
	struct change_tar_entry **sorted; /* by path and type */
	size_t n;
	bool has_stamp;
	struct change_stamp stamp;
};

/* Reads all headers. *ret is the caller's to finish. Returns 0 or -errno with *e. */
int change_tar_read(int fd, struct change_tar *ret, struct err *e);
/* Likewise where nothing can be deleted: a name like that of a whiteout is one like others. */
int change_tar_read_plain(int fd, struct change_tar *ret, struct err *e);
void change_tar_finish(struct change_tar *t);

/* The entry of this type with this path, or NULL. */
const struct change_tar_entry *change_tar_find(
	const struct change_tar *t, const char *path, enum change_tar_type type);

/* Whether it lies in a directory ".git", or is one: git's own data, which no patch may touch
 * and nobody writes back. */
bool change_tar_is_git(const struct change_tar_entry *c);

/* Of these, what git writes down by the way and nobody misses: its index, objects that nothing
 * names yet. */
bool change_tar_is_by_the_way(const struct change_tar_entry *c);

#endif
