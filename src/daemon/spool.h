/*
 * Where the artifacts of a task go that are sent on later: a file without a name in the directory
 * of output files, or a spool of uploads (task/spool_file.h). One without a name is gone with the
 * task or the daemon; one of uploads stays until they are over. Jail init writes it; on the loop it
 * is only opened and closed. How much of the disk they take is bounded, for each user too.
 */
#ifndef DAYFLY_DAEMON_SPOOL_H
#define DAYFLY_DAEMON_SPOOL_H

#include "base/err.h"
#include "base/list.h"

#include <stdint.h>
#include <sys/types.h>

struct server;
struct task;

/* Left free on its file system, for all that must be written there. */
#define SPOOL_RESERVE_BYTES (256ull << 20)
/* With less than that none is made. */
#define SPOOL_LEAST_BYTES (1ull << 20)

/* All but those of uploads, which count their own. */
struct spools {
	struct list users; /* spool_user.link */
	uint64_t promised; /* bytes that jails may still write */
	uint64_t bytes;	   /* with what was written */
};

struct spool_user {
	struct list link;
	uid_t uid;
	uint64_t bytes;
};

void spools_init(struct spools *ss);
void spools_finish(struct spools *ss);

/* *max_bytes: how much the task asks for, and then how much may go there; so much is promised until
 * spool_settle(). Returns a descriptor, or -errno with *e. */
int spool_open(struct server *s, struct task *t, uint64_t *max_bytes, struct err *e);

/* The jail is gone, and more does not come. What was written counts until spool_release(). */
void spool_settle(struct server *s, struct task *t);

/* What task.spool_bytes said was the user's is not there any more. */
void spool_release(struct server *s, uid_t uid, uint64_t bytes);

/* ---- pure ---- */

/* Of so many free bytes, some of them promised: what is left for spools. */
uint64_t spool_left(uint64_t free_bytes, uint64_t promised);
/* Half of what is left, of all and of what one may have who has some already; or what is asked
 * for. */
uint64_t spool_room(uint64_t left, uint64_t own_most, uint64_t own, uint64_t asked);

#endif
