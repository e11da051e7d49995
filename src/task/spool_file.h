/*
 * Spools: the files in which the artifacts of tasks lie until they have gone where they go, one of
 * each task: DIR/TASK.spool, mode 0600, on the disk of the state directory. The directory is made
 * with the first and goes with the last.
 */
#ifndef DAYFLY_TASK_SPOOL_FILE_H
#define DAYFLY_TASK_SPOOL_FILE_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

/* So much of the file system is left to others; of a small one half of what is free. */
#define SPOOL_LEAVE_BYTES (64ull << 20)

/*
 * A new one, to be read and written. *ret_bytes: how many bytes it may have, at most want_bytes, by
 * what is free. Returns 0 or -errno with *e.
 */
int spool_file_create(const char *dir, const char *task, uint64_t want_bytes, int *ret_fd,
	uint64_t *ret_bytes, struct err *e);
/* Returns a descriptor for reading, or -errno. */
int spool_file_open(const char *dir, const char *task);
void spool_file_remove(const char *dir, const char *task);

/* Removes those that nobody owns. Returns 0 or -errno. */
int spool_file_sweep(const char *dir, bool (*is_owned)(void *owner, const char *task), void *owner);

#endif
