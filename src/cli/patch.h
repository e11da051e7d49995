/*
 * A patch that `git apply` takes, or a bundle, out of the tar of what a task changed. git makes it,
 * in a jail of its own that sees nothing but copies of the files before and after: what a task has
 * written is parsed by nobody else.
 */
#ifndef DAYFLY_CLI_PATCH_H
#define DAYFLY_CLI_PATCH_H

#include "cli/bundle.h"
#include "cli/change_tar.h"
#include "cli/git_arg.h"

#include <dayfly/client.h>

struct patch_result {
	size_t git_entries; /* changes in ".git" that somebody may miss: they are not in it */
};

/* Where the files are as they were before. */
struct patch_before {
	int workspace_fd;	       /* a directory of ours, as it is now */
	const struct git_options *git; /* or, if not NULL, a repository, and the commit of it */
	const char *commit;
	const struct bundle *bundle; /* to be made in place of a patch, or NULL; its base is set */
	const char *task;
};

/* Writes the patch or bundle to out_fd. Returns 0, or -errno with *e. */
int patch_write(struct dayfly_client *c, const struct change_tar *tar,
	const struct patch_before *before, int out_fd, struct patch_result *ret, struct err *e);

#endif
