/*
 * Where the artifacts of a task go that are sent on later: a file without a name in the directory
 * of output files. It is gone with the task, or with the daemon. Jail init writes it; on the loop
 * it is only opened and closed.
 */
#ifndef DAYFLY_DAEMON_SPOOL_H
#define DAYFLY_DAEMON_SPOOL_H

#include <stdint.h>

struct server;
struct task;

/* Left free on its file system, for all that must be written there. */
#define SPOOL_RESERVE_BYTES (256ull << 20)
/* With less than that none is made. */
#define SPOOL_LEAST_BYTES (1ull << 20)

/* *max_bytes: how much the task asks for, and then how much may go there; so much is promised until
 * spool_settle(). Returns a descriptor, or -errno: -ENOSPC, -ENOENT (there is no directory). */
int spool_open(struct server *s, struct task *t, uint64_t *max_bytes);

/* The jail is gone: what it has written is known to the file system, and more does not come. */
void spool_settle(struct server *s, struct task *t);

/* Of so many free bytes, some of them promised: half of what is left, or what is asked for. */
uint64_t spool_room(uint64_t free_bytes, uint64_t promised, uint64_t asked);

#endif
