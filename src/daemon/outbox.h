/*
 * What is to be told to somebody over HTTP: events that wait, are sent, and go when they have been
 * taken, refused for good, or their time is over. At least once: an event is on the disk
 * (outbox_store.h) before its first attempt and until its answer, so it outlives the daemon, and a
 * moment later the machine (syncer.h); whoever receives it knows by its id what has come twice.
 * Where nothing can be kept it waits in memory. A task never waits for this and never fails by it.
 *
 *   added ──▶ waiting ──due, room──▶ under way ──2xx──▶ gone
 *                ▲──────backoff────────┘ └─410, 3xx, deadline──▶ given up
 *
 * What the administrator wants to be told is not of the same account as what a user wants of the
 * same task: no user's hooks take the room of the administrator's. Bounded: events and bytes of
 * each account, of all users' and of all; attempts at one time of each account, of all users', of
 * all the administrator's and of all, everywhere and at each host.
 */
#ifndef DAYFLY_DAEMON_OUTBOX_H
#define DAYFLY_DAEMON_OUTBOX_H

#include "base/list.h"
#include "daemon/metrics.h"
#include "daemon/options.h"
#include "daemon/outbox_store.h"
#include "http/client.h"
#include "http/signature.h"
#include "task/watch.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

#define OUTBOX_ID_SIZE	 72
#define OUTBOX_COUNT_MAX 8192
#define OUTBOX_BYTES_MAX (32u << 20)
/* Of all users' hooks together: the rest is the administrator's. */
#define OUTBOX_COUNT_USERS (OUTBOX_COUNT_MAX / 2)
#define OUTBOX_BYTES_USERS (OUTBOX_BYTES_MAX / 2)
/* Attempts at one time; of all users' hooks, or of all the administrator's; of one account. */
#define OUTBOX_CALLS	  16
#define OUTBOX_CALLS_KIND 12
#define OUTBOX_CALLS_UID  8
/* The same for one host: another always gets through as well. */
#define OUTBOX_CALLS_HOST      6
#define OUTBOX_CALLS_HOST_KIND 4
#define OUTBOX_CALLS_HOST_UID  3

/* One account: events of the tasks of one uid that he, or the administrator, is to be told. */
struct outbox_owner {
	uid_t uid;
	bool is_admins;
	struct list link; /* outbox.owners */
	size_t count, n_calls;
	uint64_t bytes;
	bool is_full; /* told already that it was */
};

struct outbox_event {
	struct outbox *outbox;
	struct list link;      /* outbox.events: in their turn, what failed last at the end */
	struct list call_link; /* outbox.calls */
	char id[OUTBOX_ID_SIZE];
	struct outbox_owner *owner;
	char *url;    /* may hold a token: for no log */
	char *origin; /* scheme, host and port of it */
	char *body;   /* NULL: on the disk only */
	size_t body_len;
	uint64_t created_ns; /* CLOCK_REALTIME: the deadline counts on after a restart */
	uint64_t next_ns;    /* CLOCK_BOOTTIME: not before */
	unsigned attempts;
	bool is_stored;
	struct http_call *call; /* NULL: none under way */
};

struct outbox {
	uv_loop_t *loop;
	const struct options *options;
	const struct signature_keys *keys;
	struct metrics *metrics;
	struct syncer *syncer;
	struct outbox_store store;
	struct http *http; /* made with the first attempt */
	struct list events, owners;
	struct list calls; /* outbox_event.call_link: those under way */
	size_t count, n_calls, n_unstored;
	uint64_t bytes;
	size_t users_count; /* of those: of users' hooks */
	uint64_t users_bytes;
	bool is_full; /* told already that it was */
	struct alarm *alarm;
	int fault; /* errno of the last write to the store; 0: all is well */
};

/* Borrows options, keys and metrics. Events of an earlier daemon in the directory (NULL: none) are
 * taken in; that it cannot be used is no failure. Returns 0 or -errno. */
int outbox_init(struct outbox *o, uv_loop_t *loop, const struct options *options,
	const struct signature_keys *keys, struct metrics *metrics, const char *dir);
void outbox_finish(struct outbox *o);

/*
 * Takes the body over. What there is no room for is given up, counted, and told in the log: the new
 * one where its account is full, the newest of the account that has most where the whole is.
 * is_admins: it is the administrator who is to be told. url: as url_parse() takes it.
 */
void outbox_add(struct outbox *o, uid_t uid, bool is_admins, const char *id, const char *url,
	char *take_body, size_t len);
bool outbox_has(const struct outbox *o, const char *id);

/* From time to time: what could not be written is tried again. */
void outbox_tick(struct outbox *o);
/* The settings have changed. */
void outbox_check_again(struct outbox *o);

#endif
