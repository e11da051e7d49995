/* What --workspace says, made a part of the task. */
#ifndef DAYFLY_CLI_WORKSPACE_H
#define DAYFLY_CLI_WORKSPACE_H

#include "cli/write_back.h"

#include <dayfly/client.h>

#include <stdbool.h>

struct workspace_options {
	const char *text;   /* DIR[:MODE] */
	bool hides_ignored; /* without what git ignores there */
	/* A linked worktree and a submodule have their git directory elsewhere. It is shown in the
	 * same mode, or git would not work; but not with this. */
	bool has_no_git_dir;
	struct write_back *back; /* is told of what is hidden; may be NULL */
};

/* Returns 0, or a negative errno after a message. */
int workspace_add(struct dayfly_task *t, const struct workspace_options *o);

#endif
