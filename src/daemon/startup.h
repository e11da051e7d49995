/*
 * From exec to a process that may enter its loop: descriptors, signals and limits in order; the
 * socket bound and locked; the keeper and a first warden running and heard from; in root mode, root
 * given up. All that blocks happens here.
 */
#ifndef DAYFLY_DAEMON_STARTUP_H
#define DAYFLY_DAEMON_STARTUP_H

#include "base/err.h"
#include "daemon/journal.h"
#include "daemon/keeper.h"
#include "daemon/listener.h"
#include "daemon/notify.h"
#include "daemon/options.h"
#include "daemon/upload_target.h"
#include "http/signature.h"
#include "plan/wire.h"

#include <stdbool.h>
#include <stdint.h>

struct startup {
	bool is_root_mode;
	int passed_fd; /* the socket that a service manager has bound for us; -1: none */
	struct notify notify;
	struct listener listener;
	struct keeper keeper;
	char *warden_path;
	struct keeper_args keeper_args; /* its texts point into the options */
	int warden_fd;			/* our end of the first warden's connection */
	int32_t warden_pid;
	struct wire_event hello; /* what it said first */
	const char *log_dir; /* for O_TMPFILE; NULL: none, output is kept in memory. Points into the
				options */
	uint64_t open_files_hard; /* of dayflyd and its other processes */
	uint64_t task_open_files; /* the most that a task can have */
	struct journal journal;
	char *outbox_dir; /* where webhooks wait; NULL: in memory */
	struct signature_keys hook_keys;
	char *uploads_dir; /* where uploads are noted; NULL: nowhere */
	char *spool_dir;   /* where artifacts lie; NULL: nowhere */
	struct upload_targets targets;
	char *git_dir; /* where repositories are kept; NULL: nowhere */
	bool git_makes_dirs;
	char *history_dir; /* NULL: there is to be none */
	bool history_makes_dirs;
	struct journal_image journal_image; /* what it says of an earlier daemon */
};

/*
 * First of all: what a service manager passes is taken, stdio is there, nothing else is inherited
 * but keep_fd (-1: none), signals, umask and limits are known.
 */
int startup_clean_process(struct startup *s, int keep_fd, struct err *e);

/* Returns 0 or -errno. Call startup_finish() after this and after startup_clean_process(), also
 * where they failed; it releases what was not taken. */
int startup_run(struct startup *s, const struct options *o, struct err *e);

/* Has the keeper remove the socket when we die, unless it is a service manager's. */
int startup_guard_socket(struct startup *s, struct err *e);

void startup_finish(struct startup *s);

#endif
