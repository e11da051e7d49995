/*
 * What uploads.c and its parts share. The rule of the names: uploads_*.c have the state, and see
 * this; upload_*.c are told all they need (a target, a request, a part to hash) and see none of it.
 */
#ifndef DAYFLY_DAEMON_UPLOADS_PRIV_H
#define DAYFLY_DAEMON_UPLOADS_PRIV_H

#include "daemon/upload_hash.h"
#include "daemon/upload_request.h"
#include "daemon/uploads.h"

enum upload_state { UPLOAD_QUEUED, UPLOAD_SENDING, UPLOAD_DONE, UPLOAD_FAILED };
const char *upload_state_name(enum upload_state state);

#define UPLOAD_CAUSE_SIZE 200
/* Those who watch are told so often. */
#define UPLOADS_TELL_MS 200

struct upload {
	struct upload_batch *batch;
	struct list link; /* upload_batch.uploads */
	unsigned number;
	bool is_stored; /* its record is there */
	char *path;
	char *target; /* NULL: url */
	char *key;
	char *url;    /* may hold a signature: for no log */
	char *origin; /* of it, or of the target's */
	uint64_t offset, bytes;
	char sha256[65];
	enum upload_state state;
	char cause[UPLOAD_CAUSE_SIZE]; /* of the last failure; "" */
	unsigned attempts;	       /* failed in a row */
	uint64_t next_ns;	       /* CLOCK_BOOTTIME: not before */
	uint64_t version;	       /* rises with each change that is to be told */

	/* Multipart. */
	char *upload_id; /* NULL: not begun */
	uint64_t part_bytes;
	char **etags; /* of the parts that are there (strv) */
	unsigned restarts;
	bool is_aborting; /* it is over, but for taking back what is there */

	/* The attempt that is under way. */
	enum upload_step step;
	struct http_call *call;
	struct upload_hash *hash;
	char *body;
};

/* One user: is there as long as something of his is. */
struct upload_owner {
	struct list link; /* uploads.owners */
	uid_t uid;
	size_t n_batches;
	size_t n_waiting, n_calls, n_finished; /* uploads */
	uint64_t bytes;			       /* of his spools */
};

struct upload_batch {
	struct uploads *uploads;
	struct upload_owner *owner;
	struct list link; /* uploads.batches or uploads.finished */
	struct list list; /* upload.link */
	char task[ID_TASK_SIZE];
	int spool;	      /* -1: not open */
	uint64_t created_ns;  /* CLOCK_REALTIME: the deadline counts on after a restart */
	uint64_t finished_ns; /* CLOCK_BOOTTIME; 0: something waits */
	uint64_t bytes;	      /* of its files */
	size_t n;
	/* What it is signed with came with the request; after a restart it may be gone. */
	bool needs_secret, has_secret;
	struct upload_secret secret;
	/* Until it is on the disk nothing is sent and nobody is told of it. */
	bool is_kept;
	struct syncer_wait wait;
	struct task *task_waits; /* its end is told then */
};

struct upload_watch {
	struct list link;      /* uploads.watches */
	struct list conn_link; /* connection.upload_watches */
	struct connection *conn;
	char *tag;
	char task[ID_TASK_SIZE];
	uint64_t told; /* highest version that was told */
};

/* uploads.c */
/* In all sums. */
void upload_count(struct upload *up, int n);
void upload_count_bytes(struct upload_batch *b, uint64_t bytes);
struct upload_batch *upload_batch_create(
	struct uploads *u, const char *task, uid_t uid, uint64_t created_ns);
struct upload *upload_create(struct upload_batch *b, unsigned number, const char *path);
/* Takes back what is under way, and what is counted of it. The owner goes with his last batch. */
void upload_free(struct upload *up);
void upload_batch_free(struct upload_batch *b);
/* NULL: nothing of his is there. */
struct upload_owner *upload_owner_find(const struct uploads *u, uid_t uid);
/* Of those that are kept; NULL: there is none. */
struct upload_batch *uploads_find(const struct uploads *u, uid_t uid, const char *task);
/* Something about it has changed that is to be told. */
void upload_touch(struct upload *up);
/* The only place that writes the state. */
void upload_set_state(struct upload *up, enum upload_state state);
/* For good. What lies at the server already is taken back. */
void upload_fail(struct upload *up, const char *cause);
bool upload_is_over(const struct upload *up);
/* It, or the whole batch, may be over now. The batch may be in the list of finished ones after. */
void upload_batch_settle(struct upload_batch *b);

/* uploads_add.c */
/* It is on the disk: it may be sent from now on. */
void upload_batch_start(struct upload_batch *b);
/* As if it had never been, on the disk too. */
void upload_batch_drop(struct upload_batch *b);
json_t *upload_failed_json(const struct err *e);

/* uploads_check.c */
/* Whether the policy lets an address be. Returns 0 or -errno with *e. */
int upload_judge_url(const struct uploads *u, const char *text, bool *ret_private, struct err *e);
/* Whether it still does so with the credentials of a request for that host. */
bool upload_judge_credentials(const struct uploads *u, const char *target, const char *url);

/* uploads_json.c */
uint64_t upload_sent(const struct upload *up);
json_t *upload_to_json(const struct upload *up);

/* uploads_credentials.c: credentials of requests. */
/* Takes what the request brought, if it did; where policy says so it is kept on the disk. Returns 0
 * or -errno with *e. */
int upload_batch_take_credentials(
	struct upload_batch *b, const struct spec_upload *spec, struct err *e);
/* After a restart. */
void upload_batch_load_credentials(struct upload_batch *b);
void upload_batch_forget_credentials(struct upload_batch *b);
/* Removes those of batches that are not there. */
void uploads_sweep_credentials(struct uploads *u);

/* uploads_store.c: each returns 0 or -errno */
int upload_store(struct upload *up);
int upload_forget(struct upload *up);
void uploads_take_in(struct uploads *u);

/* uploads_send.c */
void uploads_run(struct uploads *u);
/* Takes back the attempt that is under way. */
void upload_stop(struct upload *up);

/* uploads_watch.c */
void uploads_tell(struct uploads *u);

#endif
