/* What the scripts of git's jails say. */
#ifndef DAYFLY_GIT_REPORT_H
#define DAYFLY_GIT_REPORT_H

#include "base/err.h"
#include "git/ref.h"
#include "git/url.h"

#include <stdbool.h>
#include <stdint.h>

struct git_fetched {
	bool had; /* nothing of the commit had to come */
	char commit[GIT_COMMIT_SIZE];
};

/* Reads the output of git_script_fetch. Returns 0 or -EPROTO. */
int git_report_fetched(const char *out, struct git_fetched *ret);
/* And of git_script_checkout: what the tree takes on disk, and how many submodules it has. */
int git_report_checked_out(const char *out, uint64_t *ret_bytes, uint64_t *ret_submodules);

/*
 * Why a script failed: git's last words, without what may be a token, and what helps. status: how
 * it ended, or -1 where it was killed. Returns -EIO.
 */
int git_report_failure(
	const struct git_url *u, const char *ref, int status, const char *errors, struct err *e);

#endif
