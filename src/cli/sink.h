/*
 * Writing to stdout and stderr without ever waiting in write(): a reader that stands still must not
 * keep the program from seeing a signal. The descriptors are shared with other programs, so their
 * own flags are left alone; pipes and terminals are opened a second time.
 */
#ifndef DAYFLY_CLI_SINK_H
#define DAYFLY_CLI_SINK_H

#include <stdbool.h>
#include <stddef.h>

struct sink {
	int fd;	       /* 1 or 2; not ours */
	int own_fd;    /* the second opening, or -1 */
	bool is_known; /* what kind of file it is has been looked at */
	bool is_socket;
	const char *data; /* not written yet; the caller's */
	size_t left;
};

void sink_init(struct sink *s, int fd);
void sink_finish(struct sink *s);

/* Begins to write. The data must stay until all is written. Returns as sink_flush(). */
int sink_write(struct sink *s, const void *data, size_t len);

/* Goes on. Returns 1 when all is written, 0 when it must wait for sink_poll_fd() to take more,
 * -EPIPE or another -errno. */
int sink_flush(struct sink *s);

int sink_poll_fd(const struct sink *s);

#endif
