/*
 * The command line of dayflyd, read by one table. What is not given has its default filled in, so
 * that nothing else has to know about defaults.
 */
#ifndef DAYFLY_DAEMON_OPTIONS_H
#define DAYFLY_DAEMON_OPTIONS_H

#include "base/err.h"
#include "base/log.h"
#include "daemon/policy.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define OPTIONS_IDS_MAX 32

enum options_action { OPTIONS_RUN, OPTIONS_HELP, OPTIONS_VERSION, OPTIONS_PROTOCOL };

struct options {
	enum options_action action;
	char *socket_path; /* absolute */
	char *state_dir;   /* NULL: none given */
	char *warden_path; /* NULL: none given */
	char *runtime_dir; /* NULL: none given */
	char *upper;	   /* "auto", "tmpfs" or "disk" */
	char *user; /* root mode: NULL: "dayfly" if there is such a user, else an id without a name
		     */
	uint64_t max_tasks;
	uint64_t max_queue;
	uint64_t idle_exit_ms; /* 0: never */
	int ready_fd;	       /* -1: none */
	enum log_level log_level;
	bool allow_all; /* any uid may connect */
	uid_t allow_uids[OPTIONS_IDS_MAX];
	size_t n_allow_uids;
	gid_t allow_gids[OPTIONS_IDS_MAX];
	size_t n_allow_gids;
	struct policy policy;
};

/* Returns 0 or -EINVAL with *e saying which option. Call options_finish() in both cases. */
int options_parse(struct options *o, int argc, char **argv, struct err *e);
void options_finish(struct options *o);

/* The text of --help, on stdout. */
void options_print_help(void);

#endif
