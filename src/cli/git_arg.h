/* dayfly run --git: a repository as a user names it. */
#ifndef DAYFLY_CLI_GIT_ARG_H
#define DAYFLY_CLI_GIT_ARG_H

#include "base/err.h"

#include <dayfly/client.h>
#include <stdbool.h>

struct command;

/* The options as they are; NULL: not given. */
struct git_options {
	const char *where; /* URL[@REF] */
	const char *ref, *credentials, *key, *known_hosts, *ca;
	const char *agent; /* "": that of SSH_AUTH_SOCK */
	int agent_fd;	   /* what stands for it, where `agent` is given */
	bool full_history, refresh, submodules;
};

/* Its parts; those that are not there are NULL. All are the caller's: git_arg_finish(). */
struct git_arg {
	char *url; /* without a password; a path is absolute */
	char *ref;
	char *credentials; /* a line of git's credential store, where the URL held a password */
};

/*
 * "URL[@REF]": the last "@" behind the host begins the ref, unless all of it is the path of
 * something that is there. Returns 0 or -errno with *e, which tells no password.
 */
int git_arg_parse(const char *text, struct git_arg *ret, struct err *e);
void git_arg_finish(struct git_arg *a);

/* For the option table. */
int git_arg_check(const char *text, struct err *e);

/* Of files and an agent that would be taken, and then not used for this address: says which option
 * it is, of the command's. Returns 0, or -errno with *e. */
int git_arg_check_needs(const struct git_options *o, const struct command *cmd, struct err *e);

/* Gives the task its source. commit: in place of the ref; or NULL. Returns 0, or -errno with *e,
 * which names the option. */
int git_arg_add(
	struct dayfly_task *t, const struct git_options *o, const char *commit, struct err *e);

#endif
