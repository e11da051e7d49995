/*
 * A patch that `git apply` takes, out of the tar of what a task changed. git makes it, in a jail of
 * its own that sees nothing but copies of the files before and after: what a task has written is
 * parsed by nobody else.
 */
#ifndef DAYFLY_CLI_PATCH_H
#define DAYFLY_CLI_PATCH_H

#include "cli/change_tar.h"

#include <dayfly/client.h>

struct patch_result {
	size_t git_entries; /* changes in ".git" that somebody may miss: they are not in it */
};

/* Writes the patch to out_fd. workspace_fd: the directory as it is now. Returns 0, or -errno with
 * *e. */
int patch_write(struct dayfly_client *c, const struct change_tar *tar, int workspace_fd, int out_fd,
	struct patch_result *ret, struct err *e);

#endif
