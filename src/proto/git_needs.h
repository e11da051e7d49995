/*
 * What of task.source.git counts for addresses of one kind only, as a key for ssh does. Where the
 * address is of another it would be taken and then not used, so it is refused: by the daemon as a
 * field, by the command line as an option.
 */
#ifndef DAYFLY_PROTO_GIT_NEEDS_H
#define DAYFLY_PROTO_GIT_NEEDS_H

#include <stdbool.h>
#include <stddef.h>

struct git_needs {
	const char *name;  /* below task.source.git */
	const char *where; /* "is not of ssh": the addresses for which it means nothing */
	const char *form;  /* one for which it counts */
};

enum git_given {
	GIT_GIVEN_CREDENTIALS = 1 << 0,
	GIT_GIVEN_SSH_KEY = 1 << 1,
	GIT_GIVEN_AGENT = 1 << 2,
	GIT_GIVEN_KNOWN_HOSTS = 1 << 3,
	GIT_GIVEN_CA = 1 << 4,
};

/* The first of `given` (bits of enum git_given) that means nothing for this address, which may be
 * none at all; NULL: there is none. */
const struct git_needs *git_needs_find(const char *url, bool has_submodules, unsigned given);

/* Its whole name: "task.source.git.ssh_key". */
#define GIT_NEEDS_FIELD_SIZE 48
void git_needs_field(const struct git_needs *n, char ret[GIT_NEEDS_FIELD_SIZE]);

#endif
