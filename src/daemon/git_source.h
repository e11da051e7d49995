/*
 * Workspaces that are checked out of a repository. A task that asks for one waits in the queue,
 * held, until the tree of its commit is there:
 *
 *   tree known ───────────────────────────────────────────▶ ready
 *   else: work: waits ──▶ fetch ──▶ (tree known) ──────────▶ ready
 *                           │          └──▶ checkout ──────▶ ready
 *                           └─────────────────┴──▶ failed
 *
 * A work is what one user wants of one ref of one repository; tasks that want the same share it. It
 * has two jails: git fetches into the mirror in one with the network and the credentials, and
 * checks out of the mirror in one with neither. One work at a time is at a repository of a user.
 * Trees lie below tasks as the lower layer of their workspace, and are never written again.
 */
#ifndef DAYFLY_DAEMON_GIT_SOURCE_H
#define DAYFLY_DAEMON_GIT_SOURCE_H

#include "base/err.h"
#include "base/list.h"
#include "daemon/git_jail.h"
#include "daemon/git_meter.h"
#include "daemon/git_store.h"
#include "git/url.h"
#include "proto/request.h"

#include <stdbool.h>
#include <stdint.h>

/* What a ref stood for is believed for so long. */
#define GIT_REF_NS (60ull * 1000000000ull)

struct job;
struct server;
struct connection;
struct git_work;

/* Of a job; zero for one without a source. */
struct git_use {
	struct list link;      /* git_work.uses */
	struct job *job;       /* set by git_source_begin() */
	struct git_work *work; /* it waits for this */
	struct git_item *tree; /* it has this */
	bool is_ready;	       /* the tree is with the task */
};

struct git_sources {
	struct server *server;
	struct git_jails jails;
	struct git_store store;
	struct git_meter meter;
	struct list works; /* git_work.link, in the order of their arrival */
	struct list refs;  /* struct known_ref, the newest last */
	size_t n_refs, n_running;
	bool is_pumping;
};

/* Returns 0 or -errno. */
int git_sources_init(struct git_sources *g, struct server *s);
void git_sources_finish(struct git_sources *g);
/* The settings have changed, or the warden is there (again). */
void git_sources_update(struct git_sources *g);
void git_sources_on_warden_lost(struct git_sources *g);

/* Before the plan: whether this daemon can do it. Returns 0 or -errno with *e. */
int git_source_check(struct git_sources *g, const struct task_spec *spec, struct err *e);

/*
 * For a task that is made and not queued yet; its secrets leave the request. *ret_is_ready: it may
 * start. Returns 0 or -errno with *e; git_source_end() in both cases.
 */
int git_source_begin(struct git_sources *g, struct connection *c, struct job *j, bool *ret_is_ready,
	struct err *e);

/* The task is done, or was refused. */
void git_source_end(struct git_sources *g, struct job *j);

#endif
