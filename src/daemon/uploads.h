/*
 * Artifacts on their way to where they are kept: files of tasks that are done, sent by HTTP or to
 * S3, one upload for each. They wait in the task's spool (task/spool_file.h), and each has a record
 * on the disk (outbox_store.h) from before the task's result goes out until its task's uploads are
 * all over: so they outlive the daemon and the machine, and of a multipart upload only what is
 * missing is sent again. A task waits for the disk, never for a server.
 *
 *   queued ──due, room──▶ sending ──2xx──▶ done
 *      ▲──────backoff────────┘ └─refused, deadline──▶ failed
 *
 * A batch is what one task has. Its spool goes when nothing of it waits any more; what became of it
 * is known for a while. Bounded: uploads and bytes of each user and of all, attempts at one time of
 * each user and of all. Who has least under way is next.
 */
#ifndef DAYFLY_DAEMON_UPLOADS_H
#define DAYFLY_DAEMON_UPLOADS_H

#include "base/err.h"
#include "base/id.h"
#include "base/list.h"
#include "daemon/metrics.h"
#include "daemon/options.h"
#include "daemon/outbox_store.h"
#include "daemon/upload_mutes.h"
#include "daemon/upload_target.h"
#include "http/client.h"
#include "proto/request.h"
#include "task/task.h"
#include "task/watch.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

/* Attempts at one time. */
#define UPLOADS_CALLS	  16
#define UPLOADS_CALLS_UID 4
/* Of one batch, and of all that wait. */
#define UPLOADS_COUNT_MAX 8192
/* What became of those that are over. */
#define UPLOADS_KEEP_COUNT 2048
#define UPLOADS_KEEP_NS	   (3600 * 1000000000ull)

struct uploads {
	uv_loop_t *loop;
	const struct options *options;
	const struct upload_targets *targets;
	struct metrics *metrics;
	struct syncer *syncer;
	struct outbox_store store;
	void (*on_kept)(void *owner, struct task *t); /* see uploads_take() */
	void *owner;
	const char *spool_dir;
	struct http *http; /* made with the first attempt */
	struct upload_mutes mutes;
	struct list batches;   /* upload_batch.link: something waits; the next to be served first */
	struct list finished;  /* upload_batch.link, oldest first */
	struct list watches;   /* upload_watch.link */
	struct list owners;    /* upload_owner.link */
	size_t count, n_calls; /* uploads that wait or are under way; calls */
	size_t n_finished;     /* uploads of finished batches */
	uint64_t bytes;	       /* of all spools */
	struct alarm *alarm;   /* the next attempt */
	struct alarm *telling; /* those who watch */
	int fault;	       /* errno of the last write to the store; 0: all is well */
};

/* One file, as it lies in the task's spool. */
struct upload_file {
	const char *path; /* any bytes but NUL */
	uint64_t offset, bytes;
	const uint8_t *sha256; /* 32 bytes */
};

/*
 * Borrows options, targets, metrics and the directories (NULL: none; nothing can be uploaded then).
 * Takes in what an earlier daemon had, and removes spools that nobody has. Returns 0 or -errno.
 * on_kept and its owner are set afterwards.
 */
int uploads_init(struct uploads *u, uv_loop_t *loop, const struct options *options,
	const struct upload_targets *targets, struct metrics *metrics, const char *dir,
	const char *spool_dir);
void uploads_finish(struct uploads *u);
/* From time to time. */
void uploads_tick(struct uploads *u);
/* The settings have changed. */
void uploads_check_again(struct uploads *u);

/* Whether a request's may be: target, or address and policy. Returns 0 or -errno with *e. */
int uploads_check(const struct uploads *u, const struct spec_upload *spec, struct err *e);

/* And what it signs with, if the request brings that. Returns 0 or -errno with *e. */
int uploads_check_credentials(
	const struct uploads *u, const struct spec_upload *spec, struct err *e);

/*
 * The task is done, and these files of it are in its spool. For each (ret_states[i]) what the
 * result says of it: {"state":"queued", "target", "key"}, {"state":"queued", "url"} or
 * {"state":"failed", "error"}. Returns NULL where nothing is queued, or what waits to be started
 * (uploads_priv.h); the spool is the uploads' then.
 */
struct upload_batch *uploads_add(struct uploads *u, const char *task, uid_t uid,
	const struct spec_upload *spec, const struct upload_file *files, size_t n,
	json_t **ret_states);

/* How many bytes of this user's wait; how many more may. */
uint64_t uploads_bytes(const struct uploads *u, uid_t uid);
uint64_t uploads_room(const struct uploads *u, uid_t uid);

/*
 * A task is done: if it asked for that, what it left is queued, and its result says so. Returns
 * whether that is still on its way to the disk: until on_kept comes the result is not to be told.
 */
bool uploads_take(struct uploads *u, struct task *t);
/* The loop stands still: waits for the disk; on_kept comes from here. */
void uploads_drain(struct uploads *u);

/* [{"task","path","state","sent","bytes","attempts",...}]; task NULL: all of that user. NULL: there
 * is nothing of that task. */
json_t *uploads_to_json(const struct uploads *u, uid_t uid, const char *task);

/* {"targets","waiting","bytes","fault"} */
json_t *uploads_info(const struct uploads *u);

/* ---- who watches (uploads_watch.c) ---- */

struct connection;
struct request;

/* The operation `uploads`. Returns 0, or -errno with *e. */
int uploads_handle(struct connection *c, const struct request *rq, struct err *e);
void uploads_end_watches(struct connection *c);
/* The daemon stops: whoever watches is told so. */
void uploads_end_all_watches(struct uploads *u);

#endif
