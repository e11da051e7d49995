/*
 * Requests for events (`events`): each change of state of the tasks that one of them asks for is a
 * line for its connection. There is no queue: a line goes into the connection's buffer, and where
 * that is full it is left out and counted. So a subscriber that does not read costs no memory.
 *
 * A snapshot goes through the tasks by their numbers, as far as there is room; a task that it has
 * not come to yet is not told of before.
 */
#ifndef DAYFLY_DAEMON_SUBSCRIPTION_H
#define DAYFLY_DAEMON_SUBSCRIPTION_H

#include "base/err.h"
#include "base/id.h"
#include "base/list.h"
#include "daemon/connection.h"
#include "daemon/jobs.h"
#include "proto/request.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct server;

/* Above this no event is added. More than output may fill, so that a flood of it on the same
 * connection does not push out the events. */
#define SUBSCRIPTION_OUT_MAX (2 * CONNECTION_OUT_LOW)

struct subscription {
	struct list conn_link; /* connection.subscriptions */
	struct list link;      /* server.subscriptions */
	struct connection *conn;
	char *tag;
	char *label;		 /* NULL: any */
	char task[ID_TASK_SIZE]; /* "": any */
	bool is_all;		 /* of every uid */
	bool is_told;		 /* that it has begun */
	bool is_over;		 /* its one task is done */
	uint64_t next, end;	 /* numbers of the jobs that the snapshot has still to show */
	uint64_t n_shown;
	uint64_t missed; /* since the last one that was told */
	uint64_t n_missed;
};

/* only: the one task it is about, or NULL. Returns 0, or -errno with *e. */
int subscription_create(
	struct connection *c, const struct request *rq, const struct job *only, struct err *e);

/* Ends the one with that tag: its last answer is sent. Returns 0, or -ENOENT with *e. */
int subscription_end(struct connection *c, const char *tag, struct err *e);

/* Whether a task is one that it asks for. */
bool subscription_wants(const struct subscription *sub, const struct task *t);

/* A job has come into its state; when it is done, with its result. */
void subscription_on_state(struct server *s, struct job *j);

/* Adds what there is while the connection has room. Returns whether anything was added. */
bool subscription_fill(struct connection *c);
void subscription_finish_all(struct connection *c);

/* The daemon stops, and has no task any more: every subscription ends with that error. */
void subscription_end_all(struct server *s);

#endif
