/*
 * Addresses of the web that somebody else names, and the rules of who may be reached: parsed by
 * libcurl's own parser, the one that connects, so that there are no two readings of one text. Pure.
 */
#ifndef DAYFLY_HTTP_URL_H
#define DAYFLY_HTTP_URL_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct url {
	char *text; /* as it is used, in normal form. May hold a token: for no log and no answer */
	char *host; /* in lower case; an IPv6 address in brackets */
	char *origin; /* "https://host:port", for people */
	uint16_t port;
	bool is_tls;
};

/*
 * Only http and https, without user, password and fragment. Returns 0 (the caller calls
 * url_finish()), or -EINVAL with *e telling cause and fix, or -ENOMEM.
 */
int url_parse(const char *text, struct url *ret, struct err *e);
void url_finish(struct url *u);

/*
 * A rule is HOST or HOST:PORT; HOST may begin with "*.", which stands for one or more names.
 * Without a port it is that of the scheme, 443 or 80.
 */
int url_rule_check(const char *rule, struct err *e);
bool url_rule_matches(const char *rule, const struct url *u);
bool url_rules_match(char *const *rules, const struct url *u);

enum url_verdict {
	URL_REFUSED,
	URL_NEEDS_TLS, /* its host may be reached, but only with https */
	URL_PUBLIC,    /* and only at addresses that addr_is_denied() lets through */
	URL_ANYWHERE,
};

/* hosts: may be reached at public addresses, with https; private_hosts: at any, in the clear too
 * (strv, may be NULL). */
enum url_verdict url_judge(const struct url *u, char *const *hosts, char *const *private_hosts);

#endif
