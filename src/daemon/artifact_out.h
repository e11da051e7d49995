/*
 * Sending the artifacts of a task as events, from the file that they were put into
 * (daemon/spool.h): one piece at a time, read by a thread of the pool, when the connection has
 * room.
 */
#ifndef DAYFLY_DAEMON_ARTIFACT_OUT_H
#define DAYFLY_DAEMON_ARTIFACT_OUT_H

#include "daemon/connection.h"
#include "proto/request.h"
#include "task/task.h"

struct artifact_out;

/* Takes the file of the task over, whose list must stay as long as this. The connection is kicked
 * when a piece has been read. NULL: no memory. */
struct artifact_out *artifact_out_create(struct connection *c, struct task *t);

/* A read that is under way ends by itself. */
void artifact_out_destroy(struct artifact_out *o);

enum artifact_out_step { ARTIFACT_OUT_ADDED, ARTIFACT_OUT_WAITS, ARTIFACT_OUT_END };

/* At most one event. Returns an enum artifact_out_step, or -errno. */
int artifact_out_step(struct artifact_out *o, const char *tag, enum framing framing);

#endif
