/*
 * Spools: the files in which the artifacts of tasks lie until they have gone where they go, one of
 * each task: DIR/TASK.spool, mode 0600, on the disk of the state directory. The directory is made
 * with the first and goes with the last.
 */
#ifndef DAYFLY_TASK_SPOOL_FILE_H
#define DAYFLY_TASK_SPOOL_FILE_H

#include <stdbool.h>

/* A new one, to be read and written. Returns a descriptor or -errno. */
int spool_file_create(const char *dir, const char *task);
/* The directory. Returns a descriptor or -errno. */
int spool_file_open_dir(const char *dir);
/* Returns a descriptor for reading, or -errno. */
int spool_file_open(const char *dir, const char *task);
void spool_file_remove(const char *dir, const char *task);

/* Removes those that nobody owns. Returns 0 or -errno. */
int spool_file_sweep(const char *dir, bool (*is_owned)(void *owner, const char *task), void *owner);

#endif
