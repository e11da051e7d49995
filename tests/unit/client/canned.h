/* Bytes that a daemon could have sent, for the tests of the library. */
#ifndef TESTS_UNIT_CLIENT_CANNED_H
#define TESTS_UNIT_CLIENT_CANNED_H

#include <dayfly/client.h>

#define CANNED_TASK "t-0123456789abcdef0123456789abcdef"

/* A client whose daemon is the other end of a socket pair, in *ret_peer. */
struct dayfly_client *canned_client(int *ret_peer);

/* Sends text to the client. */
void canned_say(int peer, const char *text);

/* Reads what the client sent until now, NUL-terminated, and the descriptors that came with it. */
void canned_hear(int peer, char *buf, size_t size, int *ret_fds, size_t *ret_n_fds);

/* An event made from one line, without its newline. */
struct dayfly_event *canned_event(const char *line);

/* A result event of a task with this record. */
struct dayfly_event *canned_result(const char *record);

#endif
