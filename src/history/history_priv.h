/* What the loop's half (history.c) and the thread's half (history_work.c) share. */
#ifndef DAYFLY_HISTORY_HISTORY_PRIV_H
#define DAYFLY_HISTORY_HISTORY_PRIV_H

#include "base/log.h"
#include "history/history.h"
#include "history/place.h"
#include "history/store.h"

#include <stdatomic.h>

/* Something for the log: only the loop writes there. */
struct history_message {
	struct list link; /* history.messages */
	enum log_level level;
	char text[600];
};

struct history {
	uv_loop_t *loop;
	struct history_hooks hooks;
	void *owner;
	uint64_t epoch_ns; /* CLOCK_REALTIME at the start: what is older is of an earlier daemon */
	uv_async_t news;
	uv_thread_t thread;
	bool has_thread;

	/* The thread's alone, once it runs. */
	struct place place;
	struct store store;
	uint64_t retry_ns, expire_ns; /* when it is next tried; CLOCK_MONOTONIC */
	bool has_lost;		      /* tasks of an earlier daemon may still be active */
	int64_t lost_after;	      /* those up to this row were given to on_lost */
	struct list lost;	      /* history_row.link: for on_lost */

	/* Everybody's, with the mutex. */
	uv_mutex_t mutex;
	uv_cond_t work, end;
	struct history_queue rows;
	uint64_t rows_since_ns; /* the first of them came; CLOCK_MONOTONIC */
	struct list queries;	/* history_query.link, in the order of their ranks */
	struct list answers;	/* history_query.link */
	struct list messages;	/* history_message.link */
	struct list found_lost; /* history_row.link */
	struct history_bounds bounds;
	struct history_status status;
	bool is_stopping, has_ended, is_abandoned;
	atomic_bool is_hurried; /* is_stopping, for the question under way */
};

/* The thread. */
void history_work(void *arg);

#endif
