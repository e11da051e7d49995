/*
 * Addresses of git repositories: what is taken, how it is shown, what is the same repository. A
 * narrow reading of what git itself takes: the rest is refused, as git would run programs for it
 * (ext::), or read it as an option.
 */
#ifndef DAYFLY_GIT_URL_H
#define DAYFLY_GIT_URL_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

enum git_scheme {
	GIT_SCHEME_LOCAL, /* a path of this host: "/srv/x.git", "file:///srv/x.git" */
	GIT_SCHEME_HTTPS,
	GIT_SCHEME_HTTP,
	GIT_SCHEME_SSH, /* "ssh://host/x", "git@host:x" */
	GIT_SCHEME_GIT,
	GIT_SCHEME_COUNT
};
const char *git_scheme_name(enum git_scheme s); /* "file", "https", ... */

struct git_url {
	enum git_scheme scheme;
	char *host; /* in small letters; NULL: local */
	uint16_t port;
	char *path;  /* local: absolute */
	char *fetch; /* what git is told; local: NULL */
	char *shown; /* for results and logs: without what may be a token */
	char *name;  /* equal for what is the same repository */
};

/* Returns 0, or -errno with *e saying cause and fix. */
int git_url_parse(const char *text, struct git_url *ret, struct err *e);
void git_url_finish(struct git_url *u);

/* A rule "host", "host:port", "*.domain" or "*". Without a port: any. */
bool git_url_matches(const struct git_url *u, const char *rule);
/* "localhost" or an address of loopback. */
bool git_url_is_loopback(const struct git_url *u);
bool git_url_matches_any(const struct git_url *u, char *const *rules);
int git_rule_check(const char *rule, struct err *e);

#endif
