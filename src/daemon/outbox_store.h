/*
 * A directory of small records that survive the daemon: each a file of its own with a head (JSON),
 * a body and a checksum, which is there whole or not at all. The directory is made with the first
 * record and goes with the last; one daemon has it at a time. Everything here is a few system calls
 * on the loop, into the page cache: it survives the daemon's death. What is to survive the
 * machine's goes to the syncer (syncer.h).
 */
#ifndef DAYFLY_DAEMON_OUTBOX_STORE_H
#define DAYFLY_DAEMON_OUTBOX_STORE_H

#include "base/err.h"
#include "daemon/syncer.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define OUTBOX_NAME_MAX SYNCER_NAME_MAX
#define OUTBOX_HEAD_MAX (64u << 10)
#define OUTBOX_BODY_MAX (256u << 10)
/* What is beyond is not read at the start, and stays. */
#define OUTBOX_FILES_MAX 20000

struct outbox_store {
	char *path; /* NULL: there is none, and nothing is kept */
	int dir_fd; /* -1: not made yet */
	/* There may be secrets in it. The owner sets it after outbox_store_init(). */
	bool has_secrets;
	struct syncer *syncer;
};

/*
 * The one of that kind ("outbox") in this directory (NULL: none). What is there already is opened.
 * Borrows the syncer (NULL: nothing is synced), which goes before the store does. Returns 0 or
 * -errno with *e, and then nothing is kept.
 */
int outbox_store_init(struct outbox_store *s, struct syncer *syncer, const char *parent,
	const char *kind, struct err *e);
/* Makes the directory, if it is not there. Returns 0 or -errno. */
int outbox_store_make_dir(struct outbox_store *s);
/* An empty directory is removed. */
void outbox_store_finish(struct outbox_store *s);

/* Each returns 0 or -errno. name: as str_is_name(). -ENOENT where nothing is kept. */
int outbox_store_write(struct outbox_store *s, const char *name, const json_t *head,
	const char *body, size_t body_len);
/* What was written is brought to the disk; a syncer_wait tells when. */
void outbox_store_sync(struct outbox_store *s, const char *name);
/* *ret_body has a NUL after it; both are the caller's. -EBADMSG: damaged. */
int outbox_store_read(struct outbox_store *s, const char *name, json_t **ret_head, char **ret_body,
	size_t *ret_body_len);
int outbox_store_remove(struct outbox_store *s, const char *name);

/*
 * Calls fn for each record with that ending; damaged ones are renamed to NAME.bad, or removed where
 * there may be secrets in them, and counted in *ret_bad. Returns 0 or -errno.
 */
typedef void (*outbox_record_fn)(
	void *owner, const char *name, const json_t *head, size_t body_len);
int outbox_store_each(struct outbox_store *s, const char *ending, outbox_record_fn fn, void *owner,
	size_t *ret_bad);

#endif
