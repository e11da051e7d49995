/*
 * Submodules of a commit, as its tree and its .gitmodules name them: read from what the fetch
 * script says, which is all the word of who made the commit. Their names are never used: where
 * things are is told by paths, which are checked here, and by addresses. Pure.
 */
#ifndef DAYFLY_GIT_MODULES_H
#define DAYFLY_GIT_MODULES_H

#include "base/err.h"
#include "git/key.h"
#include "git/ref.h"
#include "git/url.h"

#include <stdbool.h>
#include <stddef.h>

#define GIT_MODULES_MAX	  64
#define GIT_MODULES_DEPTH 8

struct git_module {
	char *path; /* from the top of the tree */
	char commit[GIT_COMMIT_SIZE];
	struct git_url url;
	char key[GIT_KEY_SIZE]; /* of the address */
	unsigned depth;		/* 1: of the commit itself */
	/* Of a local one: so much of its path no commit could lead astray by a link; what follows
	 * is what commits have written, and is not to be followed out of there. */
	size_t root_len;
};

/* Parents before children. */
struct git_modules {
	struct git_module *list;
	size_t n;
};

/*
 * Adds those of one commit, which was fetched from this address and lies at this place of the tree:
 * parent NULL for the commit itself. out: what git_script_fetch wrote. Returns 0, or -errno with *e
 * naming the submodule and what is wrong.
 */
int git_modules_add(struct git_modules *ms, const struct git_url *from,
	const struct git_module *parent, const char *out, struct err *e);
void git_modules_finish(struct git_modules *ms);

/* For git_script_checkout: a line for each, "KEY\tCOMMIT\tADDRESS\tPATH\n". NULL: no memory. */
char *git_modules_text(const struct git_modules *ms);

/* "./x" and "../x" beside the address of the repository that it is in, others as they are. Returns
 * 0 or -errno with *e. */
int git_module_url(
	const struct git_url *from, const char *text, struct git_url *ret, struct err *e);

#endif
