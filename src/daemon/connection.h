/*
 * One client. Reads requests (intake.c), gives them to the handlers, sends answers and the output
 * of tasks (stream.c). What a client can make us hold is bounded: one request with its descriptors,
 * one answer buffer; it is not read from while that is full.
 *
 * A connection that fails is only marked; it is destroyed at the end of the loop's turn
 * (server_settle), so nobody loses an object that he is working on.
 */
#ifndef DAYFLY_DAEMON_CONNECTION_H
#define DAYFLY_DAEMON_CONNECTION_H

#include "base/buf.h"
#include "base/limits.h"
#include "base/list.h"
#include "proto/line.h"
#include "proto/request.h"
#include "task/watch.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct server;
struct job;

#define CONNECTION_MAGIC 0x636f6e6eu

/* Output of tasks is added while less than this waits to be sent. */
#define CONNECTION_OUT_LOW (128u << 10)
/* No further request is looked at while more than this waits. */
#define CONNECTION_OUT_HIGH (1u << 20)
/* Nothing fits any more: above CONNECTION_OUT_HIGH and the largest single answer. */
#define CONNECTION_OUT_MAX (32u << 20)

/* An input request that is not through yet: its task's input is full, or its raw bytes are still
 * coming. */
struct feed {
	bool is_active;
	struct job *job;      /* NULL: it is gone or was never there; the bytes are skipped */
	struct list job_link; /* job.feeds */
	char *tag;
	char *data; /* what came inside the request */
	size_t data_len;
	uint64_t raw_left;
	bool eof;
	bool has_failed;
	struct err error;
};

/* An input request that is through, but whose answer waits until the task has room for more: so
 * clients pace themselves. */
struct ack {
	struct list conn_link; /* connection.acks */
	struct list job_link;  /* job.acks */
	struct connection *conn;
	char *tag;
};

struct connection {
	uint32_t magic;
	struct server *server;
	struct list link;      /* server.connections */
	struct list kick_link; /* server.kicked */
	struct list late_link; /* server.tenants.late */
	struct tenant *tenant;
	size_t in_bytes, out_bytes; /* its share in the tenant's */
	uid_t uid;
	gid_t gid;
	pid_t pid; /* for the log */
	int fd;
	struct watch *watch;
	struct alarm *request_alarm; /* an incomplete request is getting old */
	struct alarm *stall_alarm;   /* a task waits for this client to read */
	struct alarm *linger_alarm;  /* the client has had time to see the end */

	/* intake.c */
	struct buf in; /* at most one line */
	struct line_splitter splitter;
	int fds[LIMIT_REQUEST_FDS];
	size_t n_fds;
	bool has_too_many_fds;
	bool has_unclosed_fds; /* of its user wait too many to be closed */
	struct feed feed;
	size_t n_open; /* requests that wait for an answer: streams, subscriptions, acks, lists
			  with usage, questions to the history */
	size_t n_usage_waits; /* the lists with usage among them */
	size_t n_past_waits;  /* the questions to the history among them */
	size_t n_skipped;     /* bytes that came after the end */
	struct buf out;
	struct list streams;	    /* stream.conn_link */
	struct list subscriptions;  /* subscription.conn_link */
	struct list usage_waits;    /* usage_wait.conn_link */
	struct list past_waits;	    /* past_wait.conn_link */
	struct list upload_watches; /* upload_watch.conn_link */
	struct list acks;	    /* ack.conn_link */
	struct list jobs;	    /* job.conn_link: die with the connection */
	bool is_read_closed;	    /* the client has said all that it will say */
	bool is_closing;	    /* ends when everything is sent */
	bool is_leaving;	    /* everything is sent; waits for the client to see it */
	bool is_dead;		    /* ends at the end of the turn */
};

/* Takes the descriptor over, also after a failure. Returns 0 or -errno. */
int connection_create(struct server *server, int take_fd, uid_t uid, gid_t gid, pid_t pid,
	struct connection **ret);
/* Its tasks that die with it are the server's orphans from here on. */
void connection_destroy(struct connection *c);
/* At the end of a turn: ends some of them. */
void connection_end_orphans(struct server *s);

/* To be destroyed at the end of this turn. */
void connection_fail(struct connection *c);

/* Something is to be sent, or a stream may have something: looked at at the end of this turn. */
void connection_kick(struct connection *c);
void connection_settle(struct connection *c);

/* Nothing more is read; what is there is sent, then the connection ends. */
void connection_close_soon(struct connection *c);

/* As if the client had said its last: answers are still sent. */
void connection_finish(struct connection *c);

/* What waits to be sent has changed. */
void connection_count_out(struct connection *c);

/* Whether a request may be looked at now. */
bool connection_may_read(const struct connection *c);

/* Whether its user has some of this turn left. Where the daemon stops, everybody has. */
bool connection_has_time(const struct connection *c);
/* The same for what it is told: what its tasks say, their ends, and lists. Until the loop is at its
 * end: what is left to be said must not keep others' tasks from ending in time. */
bool connection_may_be_told(const struct connection *c);

/* Final events. A buffer that is over its cap ends the connection. */
void connection_send_error(struct connection *c, const char *id, const struct err *e);
void connection_send_result(
	struct connection *c, const char *id, const char *task, json_t *take_result);
/* Checks what an answer_ function returned. Returns whether the connection is alive. */
bool connection_answered(struct connection *c, int r);

/* intake.c */
void intake_init(struct connection *c);
void intake_finish(struct connection *c);
/* Nothing more is read; an input request that is not through is forgotten. */
void intake_stop(struct connection *c);
/* The socket is readable, or what stopped the reading is over. What is more than the uid's part of
 * this turn waits for the next. */
void intake_run(struct connection *c);
/* Begins a turn with those that were late in the one before. */
void intake_run_late(struct server *s);
/* The task's input has room again, or takes no more. */
void intake_on_input_room(struct job *job);

#endif
