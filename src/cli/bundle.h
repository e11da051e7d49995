/*
 * A bundle of git: one commit with what a task changed, on top of the commit that it saw. It is
 * made where a patch is, in a jail (patch.h), out of the repository's objects and of nothing else
 * of it: no configuration, hook or filter has a part in it.
 */
#ifndef DAYFLY_CLI_BUNDLE_H
#define DAYFLY_CLI_BUNDLE_H

#include "base/err.h"

#include <dayfly/client.h>
#include <stdbool.h>
#include <stdint.h>

struct bundle {
	char *git_dir;		    /* of the workspace's repository; NULL: of a --git source */
	char base[72];		    /* the commit; "": known when the task is done */
	char name[128], email[128]; /* who made it */
};

/*
 * Before the task. dir: a workspace, which must be the top of a work tree with a commit; NULL: a
 * commit is checked out. Returns 0, or -errno with *e; bundle_finish() in any case.
 */
int bundle_begin(struct bundle *b, const char *dir, struct err *e);
void bundle_finish(struct bundle *b);

/*
 * Has git write it to its stdout, out of what lies in /changes: the files after, in b, and the
 * lists "list" (what is gone) and "new", with NULs. Returns 0 or -errno; *e may not be set.
 */
int bundle_describe(
	const struct bundle *b, struct dayfly_task *t, const char *task, struct dayfly_error *e);

/* Whether a branch of that name can be made in the repository of a work tree. Returns 0, or -errno
 * with *e. */
int bundle_check_branch(const char *dir, const char *branch, struct err *e);

/* Makes it, of what the bundle in a file has; one that is there is left as it is. No hook runs.
 * Returns 0, or -errno with *e. */
int bundle_make_branch(const char *dir, const char *branch, const char *file, struct err *e);

/* Whether it ended because it cannot be made of these changes: then *e is set. said: its stderr. */
bool bundle_judge(int64_t status, const char *said, struct err *e);

#endif
