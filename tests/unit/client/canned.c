#include "client/canned.h"

#include "harness.h"

#include "base/fd.h"
#include "client/reader.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

struct dayfly_client *canned_client(int *ret_peer)
{
	int pair[2];
	struct dayfly_client *c = NULL;
	struct dayfly_error e;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(dayfly_connect_fd(pair[0], &c, &e), 0);
	*ret_peer = pair[1];
	return c;
}

void canned_say(int peer, const char *text)
{
	assert_int_equal(fd_write_all(peer, text, strlen(text)), 0);
}

void canned_hear(int peer, char *buf, size_t size, int *ret_fds, size_t *ret_n_fds)
{
	int fds[FD_PASS_MAX];
	size_t n_fds = 0;
	ssize_t n = fd_recv(peer, buf, size - 1, fds, &n_fds);
	assert_true(n >= 0);
	buf[n] = '\0';
	if (ret_fds) {
		memcpy(ret_fds, fds, n_fds * sizeof(*fds));
		*ret_n_fds = n_fds;
	} else {
		fd_close_many(fds, n_fds);
	}
}

struct dayfly_event *canned_event(const char *line)
{
	struct dayfly_event *ev = NULL;
	struct dayfly_error e;
	size_t missing = 0;
	assert_int_equal(event_parse(line, strlen(line), &ev, &missing, &e), 0);
	return ev;
}

struct dayfly_event *canned_result(const char *record)
{
	char line[2048];
	snprintf(line, sizeof(line),
		"{\"id\":\"1\",\"event\":\"result\",\"task\":\"%s\",\"result\":%s}", CANNED_TASK,
		record);
	return canned_event(line);
}
