/* What --workspace says, made a part of the task. */
#ifndef DAYFLY_CLI_WORKSPACE_H
#define DAYFLY_CLI_WORKSPACE_H

#include <dayfly/client.h>

#include <stdbool.h>

/*
 * text: DIR[:MODE]. A linked worktree and a submodule have their git directory elsewhere: it is
 * shown in the same mode, or git would not work. hides_ignored: without what git ignores there.
 * Returns 0, or a negative errno after a message.
 */
int workspace_add(struct dayfly_task *t, const char *text, bool hides_ignored);

#endif
