/* A child that takes what comes through a pipe into a file, so that whoever writes there never has
 * to wait for us. */
#ifndef DAYFLY_CLI_PIPE_READER_H
#define DAYFLY_CLI_PIPE_READER_H

#include <sys/types.h>

/* to: borrowed. *ret_end is the end to write to, the caller's. Returns the child's id or -errno. */
pid_t pipe_reader_start(int to, int *ret_end);

/* When every copy of the other end is closed: waits for the child (0 or less: there is none).
 * Returns 0 or -errno: what could not be written. */
int pipe_reader_end(pid_t child);

#endif
