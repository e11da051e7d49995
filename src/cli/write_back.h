/* dayfly run --apply and dayfly apply: what a task changed is written back to the workspace, if it
 * may be. */
#ifndef DAYFLY_CLI_WRITE_BACK_H
#define DAYFLY_CLI_WRITE_BACK_H

#include "base/err.h"

#include <stdbool.h>
#include <time.h>

struct write_back {
	/* Set by the caller. */
	const char *when;  /* --apply: NULL: never; "": after success; "ask"; "always" */
	char **files;	   /* --file, as given */
	bool is_later;	   /* dayfly apply: */
	bool is_dry;	   /* only lists */
	bool is_unchecked; /* change_apply.h */
	/* Its own. */
	char **hidden; /* strv: what --hide-ignored hides, filled when the task is described */
	char *dir;     /* the workspace's path */
	struct timespec base;
	int tty_fd; /* where to ask; -1 */
};

/* What came of the task. */
struct write_back_tar {
	int fd;
	const char *path; /* where the tar is, to be told */
	int workspace_fd;
	bool is_ok;	   /* the task succeeded */
	const char *cause; /* else why not */
};

/* A check for the option table. */
int write_back_check(const char *text, struct err *e);

/* What --hide-ignored hides: a path as git writes it. Returns 0 or -ENOMEM. */
int write_back_note_hidden(struct write_back *w, const char *path);

/*
 * Before the request is sent, and everything that could be known too late: a terminal, rights. dir:
 * as --workspace names it. Returns 0, or -errno after a message.
 */
int write_back_begin(struct write_back *w, const char *dir, int workspace_fd);
/* In place of that where is_later: the moment comes from the tar. */
int write_back_begin_later(struct write_back *w, const char *dir);

/* Returns 0, or -errno after a message. *ret_keeps: the tar must not be deleted; it was named. */
int write_back_end(struct write_back *w, const struct write_back_tar *t, bool *ret_keeps);

void write_back_finish(struct write_back *w);

#endif
