/*
 * dayfly run --git-agent: our ssh agent, lent to the jail that fetches. ssh-agent talks to nobody
 * but its own user, who may be another inside; so a child of ours stands between: its socket lies
 * in a private directory, and what it passes on is questions for keys and signatures.
 */
#ifndef DAYFLY_CLI_GIT_AGENT_H
#define DAYFLY_CLI_GIT_AGENT_H

#include "base/err.h"

#include <limits.h>
#include <sys/types.h>

struct git_agent {
	int dir_fd; /* in it is agent.sock: for dayfly_task_set_git_agent() */
	/* Its own. */
	char path[PATH_MAX]; /* of the private directory; "": none */
	int line;	     /* to the child, which ends and cleans up with it */
	pid_t child;
};

/* The path of the agent's socket; "": that of SSH_AUTH_SOCK. Returns 0, or -errno with *e. */
int git_agent_begin(struct git_agent *a, const char *socket, struct err *e);

/* Nothing where it was zeroed, could not begin, or has ended. */
void git_agent_end(struct git_agent *a);

#endif
