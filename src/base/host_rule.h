/* Rules of the configuration that name hosts: HOST, HOST:PORT, *.DOMAIN, and * where it is allowed.
 * Pure. */
#ifndef DAYFLY_BASE_HOST_RULE_H
#define DAYFLY_BASE_HOST_RULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The length of the part before ":PORT", or 0 if it is no rule; an IPv6 address is in brackets.
 * *ret_port is 0 where none is given. */
size_t host_rule_split(const char *rule, uint64_t *ret_port);

/* Whether the first len bytes of a rule cover a host: itself, whatever the case; "*.DOMAIN" each
 * name below the domain and not the domain; "*" all. Of a length of 0 none. */
bool host_rule_covers(const char *rule, size_t len, const char *host);

#endif
