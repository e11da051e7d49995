/* What each operation does: one function per op, in one table. Reading and checking is done before,
 * in request_parse(). */
#ifndef DAYFLY_DAEMON_HANDLERS_H
#define DAYFLY_DAEMON_HANDLERS_H

#include "base/err.h"
#include "daemon/connection.h"
#include "proto/request.h"

#include <stddef.h>

/*
 * Does a request other than input (intake.c has that one): either its answer is sent or a stream
 * will send it, or a negative errno is returned with *e, and the caller sends the error. line_len
 * is charged to the client for as long as the request is kept.
 */
int handle_request(struct connection *c, struct request *rq, size_t line_len, struct err *e);

/* Of the whole daemon, not of one user's tasks: root and the daemon's own user may. Returns 0, or
 * -errno with *e. */
int handlers_check_owner(const struct connection *c, struct err *e);

#endif
