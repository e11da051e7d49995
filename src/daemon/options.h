/*
 * What dayflyd was told: its configuration (config.h) with the command line on top, and the few
 * options that are no settings. What is not given has its default filled in, so that nothing else
 * has to know about defaults.
 */
#ifndef DAYFLY_DAEMON_OPTIONS_H
#define DAYFLY_DAEMON_OPTIONS_H

#include "base/err.h"
#include "daemon/config.h"
#include "daemon/policy.h"
#include "plan/plan.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* As jail/ids.h has them; the warden checks. */
#define OPTIONS_IDS_PER_TASK  65536ull
#define OPTIONS_IDS_COUNT_MAX 4093

enum options_action {
	OPTIONS_RUN,
	OPTIONS_HELP,
	OPTIONS_VERSION,
	OPTIONS_PROTOCOL,
	OPTIONS_CHECK,
	OPTIONS_PRINT_CONFIG,
};
enum options_upper { OPTIONS_UPPER_AUTO, OPTIONS_UPPER_TMPFS, OPTIONS_UPPER_DISK };

/* [webhooks], but for whom they may be sent to, which is policy's. */
/* Where repositories are kept, and what getting them may take. */
struct git_options {
	char *dir;			       /* NULL: none given */
	uint64_t cache_bytes, cache_bytes_uid; /* 0: no bound */
	uint64_t fetches, fetches_uid, timeout_ms;
	uint64_t memory_bytes; /* 0: no bound */
};

struct hook_options {
	char **endpoints;  /* that are told of every task (strv) */
	char **events;	   /* of what (strv) */
	char *secret_file; /* NULL: a credential of systemd's, or none */
	char *ca_file;	   /* NULL: whom the system trusts */
	uint64_t timeout_ms, deadline_ms;
	uint64_t max_count_uid, max_bytes_uid; /* that wait */
};

/* [uploads], but for the hosts that requests may name, which is policy's. */
struct upload_options {
	char **targets;		/* lines of upload_target.h (strv) */
	char *ca_file;		/* NULL: whom the system trusts */
	bool keeps_credentials; /* of requests, on the disk */
	uint64_t deadline_ms, stall_ms;
	uint64_t max_count_uid, max_bytes_uid, max_bytes; /* that wait */
};

struct options {
	enum options_action action;
	int ready_fd; /* -1: none */

	/* Settings: each has its row in config.c. */
	char *socket_path; /* absolute */
	char *state_dir;   /* NULL: none given */
	bool keep_journal;
	bool keep_history;
	char *history_dir; /* NULL: none given */
	uint64_t history_age_ms, history_bytes;
	char *warden_path; /* NULL: none given */
	char *runtime_dir; /* NULL: none given */
	char *user;	   /* root mode: NULL: "dayfly" if there is such a user, else an id without
			      a name */
	int upper;	   /* enum options_upper */
	int log_level;	   /* enum log_level */
	uint64_t max_tasks;
	uint64_t max_queue;
	uint64_t max_tasks_uid, max_queue_uid; /* 0: none */
	char **label_caps;		       /* "key=value:N" (strv) */
	uint64_t pool_size, pool_max_age_ms;   /* size 0: none */
	uint64_t admit_memory, admit_cpus;     /* bytes, thousandths; 0: none */
	uint64_t admit_memory_uid, admit_cpus_uid;
	uint64_t max_connections, max_connections_uid;
	uint64_t max_spool_uid; /* 0: none */
	struct hook_options hooks;
	struct upload_options uploads;
	struct git_options git;
	uint64_t idle_exit_ms; /* 0: never */
	uint64_t setup_ms;     /* for making a jail */
	uint64_t ids_base, ids_count;
	struct plan_limits total; /* of all tasks together: memory, swap, cpus, pids */
	bool allow_all;		  /* any uid may connect */
	struct config_ids allow_uids, allow_gids;
	struct policy policy;
	struct config_origin *origins; /* by key: where its value is from */

	/* Where they came from, for reading them again. */
	int argc;
	char **argv;	   /* borrowed from main() */
	char *start_dir;   /* the current directory then; NULL: not known */
	char *config_path; /* --config; NULL: the usual place */
	char **files;	   /* that were read (strv) */
	bool is_root_mode;
	uid_t owner; /* who may own files, beside root */
	struct config_faults faults;
};

/*
 * Returns 0, or -errno with *e saying which option or which line of which file; faults of values
 * are all in o->faults. argv must stay. Call options_finish() in both cases.
 */
int options_parse(struct options *o, int argc, char **argv, struct err *e);

/* Reads the files again, with the same command line on top. As options_parse(). */
int options_read_again(struct options *o, const struct options *old, struct err *e);
void options_finish(struct options *o);

/* Whether users other than root and the daemon's own may connect. */
bool options_has_others(const struct options *o);

/* "auto", "tmpfs", "disk". */
const char *options_upper_name(int upper);

/* The text of --help, on stdout. */
void options_print_help(void);

#endif
