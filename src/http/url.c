/* Addresses of the web and rules about them: see url.h. */
#include "http/url.h"

#include "base/host_rule.h"
#include "base/limits.h"
#include "base/units.h"
#include "http/curl.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Since the first url_parse(). */
static const struct curl *curl;

static int refuse(struct err *e, const char *cause, const char *fix)
{
	err_set(e, ERR_BAD_VALUE, 0, "%s", cause);
	err_hint(e, "%s", fix);
	return -EINVAL;
}

static int refuse_form(struct err *e, const char *why)
{
	err_set(e, ERR_BAD_VALUE, 0, "it is no address of the web (%s)", why);
	err_hint(e, "write it as https://HOST/PATH");
	return -EINVAL;
}

/* A copy of a part, or NULL if it has none. */
static char *part_of(CURLU *u, CURLUPart part, unsigned flags)
{
	char *curls = NULL;
	if (curl->url_get(u, part, &curls, flags) != CURLUE_OK)
		return NULL;
	char *copy = strdup(curls);
	curl->free(curls);
	return copy;
}

static bool has_part(CURLU *u, CURLUPart part)
{
	char *text = part_of(u, part, 0);
	free(text);
	return text != NULL;
}

static int check_text(const char *text, struct err *e)
{
	if (strlen(text) > LIMIT_URL_BYTES)
		return refuse(e, "it is too long", "give an address of at most 2048 bytes");
	/* What programs read in different ways. */
	for (const char *p = text; *p; p++)
		if (*p <= ' ' || *p >= 127 || *p == '\\')
			return refuse(e, "it has a character that is not allowed in an address",
				"percent-encode what is no plain ASCII, and write host names of "
				"other scripts in their xn-- form");
	return 0;
}

static int take_parts(CURLU *u, struct url *ret, struct err *e)
{
	char *scheme = part_of(u, CURLUPART_SCHEME, 0);
	char *port = part_of(u, CURLUPART_PORT, CURLU_DEFAULT_PORT);
	uint64_t n = 0;
	bool is_http = scheme && !strcmp(scheme, "http");
	ret->is_tls = scheme && !strcmp(scheme, "https");
	bool is_port = port && units_parse_uint(port, 65535, &n) == 0 && n;
	free(scheme);
	free(port);
	if (!is_http && !ret->is_tls)
		return refuse(
			e, "its scheme is neither https nor http", "write it as https://HOST/PATH");
	if (!is_port)
		return refuse(e, "its port is not from 1 to 65535", "write https://HOST:PORT/PATH");
	ret->port = (uint16_t)n;
	if (has_part(u, CURLUPART_USER) || has_part(u, CURLUPART_PASSWORD))
		return refuse(e, "it has a user or password in it",
			"leave them out: what is sent is signed");
	if (has_part(u, CURLUPART_FRAGMENT) || has_part(u, CURLUPART_ZONEID))
		return refuse(e, "it has a fragment (#) or a zone (%) in it", "leave it out");
	ret->host = part_of(u, CURLUPART_HOST, 0);
	ret->text = part_of(u, CURLUPART_URL, 0);
	if (!ret->host || !ret->text)
		return err_set(e, ERR_INTERNAL, ENOMEM, "read an address");
	for (char *p = ret->host; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	size_t len = strlen(ret->host);
	if (!len || ret->host[len - 1] == '.' ||
		strspn(ret->host, "abcdefghijklmnopqrstuvwxyz0123456789-_.[]:") != len)
		return refuse(e, "its host is not a plain name or address",
			"write the host without a dot at its end and without percent signs");
	if (asprintf(&ret->origin, "%s://%s:%u", ret->is_tls ? "https" : "http", ret->host,
		    ret->port) < 0) {
		ret->origin = NULL;
		return err_set(e, ERR_INTERNAL, ENOMEM, "read an address");
	}
	return 0;
}

int url_parse(const char *text, struct url *ret, struct err *e)
{
	struct url parsed = { 0 };
	int r = check_text(text, e);
	if (r < 0)
		return r;
	curl = curl_load();
	if (!curl) {
		err_set(e, ERR_UNSUPPORTED, 0, "libcurl cannot be loaded");
		err_hint(e, "install it (of Debian: libcurl4), and start dayflyd again");
		return -EINVAL;
	}
	CURLU *u = curl->url();
	if (!u)
		return err_set(e, ERR_INTERNAL, ENOMEM, "read an address");
	CURLUcode code = curl->url_set(u, CURLUPART_URL, text, CURLU_NON_SUPPORT_SCHEME);
	if (code == CURLUE_OUT_OF_MEMORY)
		r = err_set(e, ERR_INTERNAL, ENOMEM, "read an address");
	else if (code != CURLUE_OK)
		r = refuse_form(e, curl->url_strerror(code));
	else
		r = take_parts(u, &parsed, e);
	curl->url_cleanup(u);
	if (r < 0)
		url_finish(&parsed);
	else
		*ret = parsed;
	return r;
}

void url_finish(struct url *u)
{
	free(u->text);
	free(u->host);
	free(u->origin);
	*u = (struct url){ 0 };
}

/* ---- rules ---- */

int url_rule_check(const char *rule, struct err *e)
{
	uint64_t port;
	size_t len = host_rule_split(rule, &port);
	const char *host = rule[0] == '*' && rule[1] == '.' ? rule + 2 : rule;
	size_t host_len = len - (size_t)(host - rule);
	const char *allowed = rule[0] == '['
				      ? "0123456789abcdefABCDEF:.[]"
				      : "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
					"0123456789-_.";
	bool is_good = len && len <= 255 + 2 && host_len && strspn(host, allowed) >= host_len &&
		       host[0] != '.' && host[host_len - 1] != '.';
	/* "*.com" would be half of the world. */
	if (is_good && host != rule && !memchr(host, '.', host_len))
		is_good = false;
	if (is_good)
		return 0;
	err_set(e, ERR_BAD_VALUE, 0, "\"%.100s\" is not HOST, HOST:PORT or *.DOMAIN", rule);
	err_hint(e, "write it as hooks.example.com, *.example.com:8443 or [2001:db8::1]; for "
		    "several, repeat the line");
	return -EINVAL;
}

bool url_rule_matches(const char *rule, const struct url *u)
{
	uint64_t port;
	size_t len = host_rule_split(rule, &port);
	if (!len || u->port != (port ? port : u->is_tls ? 443 : 80))
		return false;
	return host_rule_covers(rule, len, u->host);
}

bool url_rules_match(char *const *rules, const struct url *u)
{
	for (; rules && *rules; rules++)
		if (url_rule_matches(*rules, u))
			return true;
	return false;
}

/* The same host and port, were it asked for with TLS. */
static bool would_match_with_tls(char *const *rules, const struct url *u)
{
	struct url with = *u;
	with.is_tls = true;
	if (u->port == 80)
		with.port = 443;
	return url_rules_match(rules, &with);
}

enum url_verdict url_judge(const struct url *u, char *const *hosts, char *const *private_hosts)
{
	if (url_rules_match(private_hosts, u))
		return URL_ANYWHERE;
	if (u->is_tls)
		return url_rules_match(hosts, u) ? URL_PUBLIC : URL_REFUSED;
	return url_rules_match(hosts, u) || would_match_with_tls(hosts, u) ? URL_NEEDS_TLS
									   : URL_REFUSED;
}
