/* What the files of libdayfly share. */
#ifndef DAYFLY_CLIENT_CLIENT_PRIV_H
#define DAYFLY_CLIENT_CLIENT_PRIV_H

#include "base/limits.h"
#include "base/list.h"
#include "client/reader.h"

#include <dayfly/client.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Most bytes that wait to be sent before a request gets -EAGAIN. One request is always taken. */
#define CLIENT_OUT_MAX (4u << 20)
/* Most bytes of events kept aside by dayfly_await(). */
#define CLIENT_KEPT_MAX (64u << 20)

/* One request on its way out. Its descriptors go with its first byte. */
struct message {
	struct list link; /* client.out */
	bool is_queued;
	char *data;
	size_t len, sent;
	int fds[LIMIT_REQUEST_FDS]; /* ours: copies of the task's */
	size_t n_fds;
};

struct dayfly_client {
	int fd;
	char *path;
	enum dayfly_framing framing;
	uint64_t last_request;
	struct reader reader;
	struct list out; /* message.link */
	size_t out_bytes;
	struct list kept; /* dayfly_event.link: set aside by dayfly_await() */
	size_t kept_bytes;
	bool is_closed_out; /* nothing more can be sent; what the daemon said may still be read */
	bool is_dead;	    /* a failure was reported: nothing more goes in or out */
};

/* A directory or file that the task is to see. */
struct source {
	int fd;
	char *path;   /* where it was when it was opened; NULL: unknown */
	char *target; /* NULL: the same path */
	enum dayfly_mode mode;
};

struct dayfly_task {
	json_t *spec; /* the members of "task" but the workspace and the mounts */
	bool has_workspace;
	char **hidden; /* of the workspace */
	size_t n_hidden, hidden_bytes;
	struct source workspace;
	struct source mounts[LIMIT_MOUNTS];
	size_t n_mounts;
	struct source tars[LIMIT_TARS]; /* fd -1: what comes on stdin */
	size_t n_tars;
	int git_agent_fd; /* -1: none, as those below */
	int changes_fd;
	json_t *changes;   /* the other members of "changes" */
	json_t *artifacts; /* "files" of "artifacts"; NULL: none */
	int artifacts_fd;
	json_t *upload; /* of artifacts; NULL: none */
	int upload_credentials_fd;
	char *artifacts_timeout;
};

/*
 * send.c: queues one request line (and payload after it), with copies of the descriptors, and sends
 * what the socket takes. The line's "id" is set here. Takes the request object.
 */
int send_request(struct dayfly_client *c, json_t *take_request, const void *payload,
	size_t payload_len, const int *fds, size_t n_fds, uint64_t *ret_request,
	struct dayfly_error *e);

/* Sends what waits, as far as the socket takes it. */
void send_pending(struct dayfly_client *c);
void send_discard(struct dayfly_client *c);

/*
 * task.c: the "task" object, with the descriptors that belong to it (borrowed) in fds. *ret is the
 * caller's.
 */
int task_to_json(const struct dayfly_task *t, json_t **ret, int fds[LIMIT_REQUEST_FDS],
	size_t *ret_n_fds, struct dayfly_error *e);

/* -EINVAL: NULL; -EILSEQ: not UTF-8. */
int check_text(const char *text);
/* A member of an object. Each returns 0 or -errno. */
int member_set(json_t *object, const char *key, json_t *take_value);
int member_set_text(json_t *object, const char *key, const char *text);
/* By its number among the descriptors of the request, which it is put behind. */
int member_set_fd(
	json_t *object, const char *key, int fd, int fds[LIMIT_REQUEST_FDS], size_t *n_fds);

/* What these know of the task, for its object. Each returns 0 or -errno. */
/* task_sources.c */
int task_describe_sources(
	const struct dayfly_task *t, json_t *task, int fds[LIMIT_REQUEST_FDS], size_t *n_fds);
void task_finish_sources(struct dayfly_task *t);
/* task_taken.c */
int task_describe_taken(
	const struct dayfly_task *t, json_t *task, int fds[LIMIT_REQUEST_FDS], size_t *n_fds);
void task_finish_taken(struct dayfly_task *t);
/* task_git.c */
int task_describe_git_agent(
	const struct dayfly_task *t, json_t *task, int fds[LIMIT_REQUEST_FDS], size_t *n_fds);

#endif
