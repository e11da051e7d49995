/*
 * Closing what came from a client. close(2) of a descriptor may sleep for as long as its owner
 * likes: a TCP socket with unsent data lingers, a file on FUSE asks its server, a Unix socket takes
 * along what was sent over it and not read, a pipe waits for whoever holds its lock. So the loop
 * never closes such a one itself: threads that do nothing else have them.
 *
 * A close that is stuck for a second gets another thread beside it, up to CLOSER_THREADS; closes of
 * one user have CLOSER_THREADS_UID of them at most, so that others go on. What finds no thread
 * waits in a queue. The end of the process waits
 * for no thread that is stuck.
 */
#ifndef DAYFLY_TASK_CLOSER_H
#define DAYFLY_TASK_CLOSER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define CLOSER_THREADS	   32
#define CLOSER_THREADS_UID 2
/* Of a client whose uid is not known. */
#define CLOSER_NOBODY ((uid_t)-1)

/* Starts the first threads: a failure is better told at the start. Returns 0 or -errno. */
int closer_start(void);

/* Closes each of n descriptors that is one, some time; they are -1 at once. uid: who sent them.
 * Keeps errno. */
void close_foreign(uid_t uid, int *fds, size_t n);

/* A Unix socket to a client: closed at once where nothing unread is in it, else like the rest. */
void close_client(uid_t uid, int *fd);

/* How many descriptors are not closed yet, those included that are being closed. */
size_t closer_waiting(void);

/* Whether of this user more than max wait. Full: since one is stuck; behind: they will be closed
 * in a moment. */
bool closer_is_full(uid_t uid, size_t max);
bool closer_is_behind(uid_t uid, size_t max);

#endif
