/*
 * Where git keeps what belongs to a directory, if that is outside of it: a linked worktree (`git
 * worktree add`) and a submodule have a file .git that names it.
 */
#ifndef DAYFLY_CLI_WORKTREE_H
#define DAYFLY_CLI_WORKTREE_H

#include "base/err.h"

#include <stddef.h>

struct worktree {
	int git_fd;   /* the directory to be shown beside it; -1: nothing is outside */
	char *target; /* the path by which the file .git leads there; NULL: its own */
};

/*
 * What the file .git says is the word of whoever can write to the directory: what it names counts
 * only if git's own files there name this directory in turn. Otherwise *ret is empty and *ret_why
 * (the caller's) says why. Returns 0 or -errno with *e.
 */
int worktree_find(const char *dir, struct worktree *ret, char **ret_why, struct err *e);
void worktree_finish(struct worktree *w);

#endif
