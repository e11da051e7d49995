/*
 * Where the history lies: DIR/dayfly-UID.history/history.db. The folder is the daemon's own and
 * nobody else's, so that what SQLite makes beside its file is safe in any state directory, also one
 * that users share. All of it may block: for the history's thread.
 */
#ifndef DAYFLY_HISTORY_PLACE_H
#define DAYFLY_HISTORY_PLACE_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

#define PLACE_FILE "history.db"
/* Files that were set aside: their number is bounded, the last is replaced. */
#define PLACE_ASIDE_MAX 5

struct place {
	char *dir;  /* the state directory; missing parts of a user's own are made */
	char *path; /* of the file */
	bool makes_dirs;
	int dir_fd; /* of the folder; -1: not open */
};

/* makes_dirs: the state directory and those above it are made where they are missing. Returns 0 or
 * -ENOMEM; call place_finish() in both cases. */
int place_init(struct place *p, const char *dir, bool makes_dirs);
void place_finish(struct place *p);

/* Makes the folder if need be, and looks whether it is safe. What has the file's name and is no
 * file of ours is set aside: *ret_aside then says so. Returns 0, or -errno with *e. */
int place_open(struct place *p, char *ret_aside, size_t size, struct err *e);

/* Renames the file and what belongs to it, which nobody has open; `why`: "is damaged". *ret_aside
 * says so. Returns 0, or -errno with *e. */
int place_set_aside(struct place *p, const char *why, char *ret_aside, size_t size, struct err *e);

/* Bytes that are free for us, and how many there are in all. Returns 0 or -errno. */
int place_space(const struct place *p, uint64_t *ret_free, uint64_t *ret_all);

#endif
