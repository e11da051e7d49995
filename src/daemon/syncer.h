/*
 * Brings to the disk what has to survive the machine's death, not only the daemon's: files that
 * were written on the loop, into the page cache, and the directories that their names stand in. A
 * thread of its own does it, many at once: one that hangs on a disk holds up nobody but those who
 * wait for it. Who must not go on before has a syncer_wait. Everything but the syncs themselves is
 * on the loop's thread.
 */
#ifndef DAYFLY_DAEMON_SYNCER_H
#define DAYFLY_DAEMON_SYNCER_H

#include "base/list.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#define SYNCER_NAME_MAX 96
/* Files for which nobody waits are synced after so long: most events have been taken, and are gone,
 * by then. */
#define SYNCER_LATER_MS 100
/* With more files at once than that their whole file system is synced. */
#define SYNCER_FILES_MAX 256
/* Directories that files are in by their names. */
#define SYNCER_DIRS_MAX 4

struct syncer;

/* Waits for all that was added so far; embedded, zero-initialised before its first use. */
struct syncer_wait {
	struct list link; /* syncer.waits */
	uint64_t upto;
	void (*fn)(struct syncer_wait *w, int errnum); /* 0: it is on the disk */
};

/* Returns 0 or -errno. The thread is made with the first file. */
int syncer_create(uv_loop_t *loop, struct syncer **ret);
/* Syncs what was added. No callback comes. NULL is allowed; *s becomes NULL. */
void syncer_destroy(struct syncer **s);

/*
 * A file of that name in a directory that stays open until syncer_destroy(). One that is not there
 * any more when its turn comes is no failure: it was taken back. s may be NULL: nothing is done.
 */
void syncer_add(struct syncer *s, int dir_fd, const char *name);
/* An open file, and the directory that it is in; -1: that cannot be opened, so all of its file
 * system is synced. Borrows both. */
void syncer_add_file(struct syncer *s, int fd, int dir_fd);

/* Returns whether there is something to wait for; if so fn is called once, unless syncer_forget()
 * comes first. */
bool syncer_wait(struct syncer *s, struct syncer_wait *w);
void syncer_forget(struct syncer_wait *w);

/* Waits until nothing is left; the callbacks come from here. For the end: the loop stands still. */
void syncer_drain(struct syncer *s);

#endif
