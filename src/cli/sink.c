/* Writing without waiting: see sink.h. */
#include "cli/sink.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

void sink_init(struct sink *s, int fd)
{
	*s = (struct sink){ .fd = fd, .own_fd = -1 };
}

void sink_finish(struct sink *s)
{
	fd_close(&s->own_fd);
}

/* Where a second opening is not possible (no /proc, a terminal of another user) writes may wait;
 * that is all. */
static int look_at(struct sink *s)
{
	struct stat st;
	char path[32];
	s->is_known = true;
	if (fstat(s->fd, &st) < 0)
		return -errno;
	s->is_socket = S_ISSOCK(st.st_mode);
	if (!S_ISFIFO(st.st_mode) && !(S_ISCHR(st.st_mode) && isatty(s->fd)))
		return 0;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", s->fd);
	s->own_fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	if (s->own_fd < 0) {
		s->own_fd = -1;
		/* A pipe that nobody reads cannot be opened. */
		if (S_ISFIFO(st.st_mode) && errno == ENXIO)
			return -EPIPE;
	}
	return 0;
}

int sink_poll_fd(const struct sink *s)
{
	return s->own_fd >= 0 ? s->own_fd : s->fd;
}

int sink_flush(struct sink *s)
{
	while (s->left) {
		ssize_t n;
		if (s->is_socket)
			n = send(s->fd, s->data, s->left, MSG_DONTWAIT | MSG_NOSIGNAL);
		else
			n = write(sink_poll_fd(s), s->data, s->left);
		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			s->data += n;
			s->left -= (size_t)n;
		}
	}
	return 1;
}

int sink_write(struct sink *s, const void *data, size_t len)
{
	int r = s->is_known ? 0 : look_at(s);
	if (r < 0)
		return r;
	s->data = data;
	s->left = len;
	return sink_flush(s);
}
