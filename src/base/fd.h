/*
 * File descriptors. Every one is born CLOEXEC; -1 means absent; closing resets the variable and
 * keeps errno.
 */
#ifndef DAYFLY_BASE_FD_H
#define DAYFLY_BASE_FD_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Closes *fd if it is one, sets it to -1, keeps errno. */
void fd_close(int *fd);

/* Closes each of n descriptors. */
void fd_close_many(int *fds, size_t n);

/* Moves a descriptor out of a variable, which is left -1. */
static inline int fd_take(int *fd)
{
	int taken = *fd;
	*fd = -1;
	return taken;
}

#define auto_close __attribute__((cleanup(fd_close)))

/* Each returns 0 or -errno. */
int fd_set_nonblock(int fd);
int fd_set_cloexec(int fd, int on);
int fd_pipe(int ret_pipe[2]); /* [0] read end, [1] write end */

/* Opens /dev/null on any of 0, 1, 2 that is closed, before anything else can land there. Returns 0
 * or -errno. */
int fd_reserve_stdio(void);

/* Reads or writes everything, over EINTR and short counts. Return 0 or -errno; fd_read_all: -EPIPE
 * on early end of file. */
int fd_write_all(int fd, const void *data, size_t len);
int fd_read_all(int fd, void *data, size_t len);

/* Writes everything at an offset, likewise. Returns 0 or -errno; -ENOSPC where the system takes no
 * byte. */
int fd_write_at(int fd, const void *data, size_t len, uint64_t at);

/* Reads a whole small file, at most max bytes, NUL-terminated. *ret_data is the caller's. Returns
 * the length or -errno. */
ssize_t fd_read_file(int dirfd, const char *path, size_t max, char **ret_data);

/* Writes a string to an existing file in one write. Returns 0 or -errno. */
int fd_write_file(int dirfd, const char *path, const char *text);

/* As many open files as this process may have. Descriptors on their way through sockets count for
 * the user: the limit is also how many of those there may be before no more are passed on. */
void fd_raise_limit(void);

#define FD_PASS_MAX 64
/* More than the kernel sends along with one message (SCM_MAX_FD). */
#define FD_RECV_MAX 256

/*
 * One message over a Unix socket with descriptors attached. Send: borrows the descriptors. Returns
 * the byte count or -errno. Receive: descriptors arrive CLOEXEC in ret_fds (at most FD_PASS_MAX),
 * their number in *ret_n; those over the room are closed and *ret_n is what was kept. Returns the
 * byte count, 0 at end of file, or -errno (-EMSGSIZE: data or descriptors were cut off; all
 * descriptors of that message have been closed).
 */
ssize_t fd_send(int sock, const void *data, size_t len, const int *fds, size_t n_fds);
ssize_t fd_recv(int sock, void *data, size_t len, int *ret_fds, size_t *ret_n);

/* Likewise, for whom closing is no small matter: all that arrive are in ret_fds (room for
 * FD_RECV_MAX), also with -EMSGSIZE, and none is closed. *ret_n is always set. */
ssize_t fd_recv_all(int sock, void *data, size_t len, int *ret_fds, size_t *ret_n);

/* An anonymous file with these bytes, sealed against any change. Returns the descriptor or -errno.
 */
int fd_sealed_memfd(const char *name, const void *data, size_t len);

#endif
