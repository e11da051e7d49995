/* Addresses of git repositories: see url.h. */
#include "git/url.h"

#include "base/cleanup.h"
#include "base/host_rule.h"
#include "base/limits.h"
#include "base/units.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define NAME_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."

static const struct {
	const char *name;
	uint16_t port; /* the usual one */
} schemes[GIT_SCHEME_COUNT] = {
	[GIT_SCHEME_LOCAL] = { "file", 0 },
	[GIT_SCHEME_HTTPS] = { "https", 443 },
	[GIT_SCHEME_HTTP] = { "http", 80 },
	[GIT_SCHEME_SSH] = { "ssh", 22 },
	[GIT_SCHEME_GIT] = { "git", 9418 },
};

const char *git_scheme_name(enum git_scheme s)
{
	return schemes[s].name;
}

static int refuse(struct err *e, const char *cause, const char *fix)
{
	err_set(e, ERR_BAD_VALUE, 0, "%s", cause);
	err_hint(e, "%s", fix);
	return -EINVAL;
}

static int refuse_form(struct err *e)
{
	return refuse(e, "is no address of a repository",
		"write https://HOST/PATH, ssh://USER@HOST/PATH, USER@HOST:PATH, git://HOST/PATH, "
		"file:///PATH or an absolute path");
}

/* ---- parts ---- */

/* Of anything else in brackets git and ssh make what they like, such as a host with a port. */
static bool is_good_address(const char *s, size_t len)
{
	char text[INET6_ADDRSTRLEN];
	struct in6_addr ignored;
	if (len < 3 || len - 2 >= sizeof(text) || s[len - 1] != ']')
		return false;
	memcpy(text, s + 1, len - 2);
	text[len - 2] = '\0';
	return inet_pton(AF_INET6, text, &ignored) == 1;
}

static bool is_good_host(const char *s, size_t len)
{
	if (!len || len > 255)
		return false;
	if (s[0] == '[')
		return is_good_address(s, len);
	return strspn(s, NAME_CHARS) >= len && s[0] != '-' && s[0] != '.' && s[len - 1] != '.';
}

/* Up to its "@", which is not in len. */
static int check_user(const char *s, size_t len, struct err *e)
{
	if (memchr(s, ':', len))
		return refuse(e, "has a password in it",
			"leave it out, and give it as \"credentials\": they get into no log");
	if (!len || s[0] == '-' || strspn(s, NAME_CHARS "~+%") < len)
		return refuse(
			e, "has a user that is not a plain name", "percent-encode what is not");
	return 0;
}

static bool is_plain(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < ' ' || *s == 127)
			return false;
	return true;
}

/* Between the scheme and the path: [user@]host[:port]. */
static int take_authority(
	const char *s, size_t len, struct git_url *u, size_t *ret_user_len, struct err *e)
{
	const char *at = memrchr(s, '@', len);
	uint64_t port = schemes[u->scheme].port;
	*ret_user_len = at ? (size_t)(at - s) : 0;
	int r = at ? check_user(s, *ret_user_len, e) : 0;
	if (r < 0)
		return r;
	if (at) {
		len -= (size_t)(at + 1 - s);
		s = at + 1;
	}
	const char *close = len && s[0] == '[' ? memchr(s, ']', len) : NULL;
	size_t host_len = close ? (size_t)(close + 1 - s) : 0;
	if (!close)
		while (host_len < len && s[host_len] != ':')
			host_len++;
	if (!is_good_host(s, host_len))
		return refuse(e, "has a host that is not a plain name or address",
			"write HOST or HOST:PORT");
	if (host_len < len) {
		char digits[8];
		size_t n = len - host_len - 1;
		if (s[host_len] != ':' || n >= sizeof(digits))
			return refuse_form(e);
		memcpy(digits, s + host_len + 1, n);
		digits[n] = '\0';
		if (units_parse_uint(digits, 65535, &port) < 0 || !port)
			return refuse(e, "has a port that is not from 1 to 65535",
				"write HOST:PORT/PATH");
	}
	u->port = (uint16_t)port;
	u->host = strndup(s, host_len);
	for (char *p = u->host; p && *p; p++)
		*p = (char)tolower((unsigned char)*p);
	return u->host ? 0 : err_set(e, ERR_INTERNAL, ENOMEM, "read an address");
}

/* What follows the host of a URL. */
static int check_path(const char *path, enum git_scheme scheme, struct err *e)
{
	if (path[0] != '/' || !path[strspn(path, "/")])
		return refuse(e, "has no path of a repository", "write SCHEME://HOST/PATH");
	if (scheme != GIT_SCHEME_SSH && strpbrk(path, "?#"))
		return refuse(e, "has a query or a fragment in it",
			"leave it out; a token is given as \"credentials\"");
	for (const char *p = path; *p; p++)
		if (*p == ' ' || *p == '\\' || (unsigned char)*p >= 127)
			return refuse(e, "has a character that is not allowed in an address",
				"percent-encode what is no plain ASCII");
	return 0;
}

/* Without slashes at its end, and doubled ones once. */
static char *tidy(const char *path)
{
	char *out = malloc(strlen(path) + 1), *to = out;
	if (!out)
		return NULL;
	for (const char *p = path; *p; p++)
		if (*p != '/' || (p[1] && p[1] != '/'))
			*to++ = *p;
	if (to == out)
		*to++ = '/';
	*to = '\0';
	return out;
}

/* ---- forms ---- */

static int take_local(const char *path, struct git_url *u, struct err *e)
{
	if (path[0] != '/')
		return refuse(e, "is not the absolute path of a repository", "write file:///PATH");
	if (strlen(path) >= LIMIT_PATH_BYTES)
		return refuse(e, "is too long", "give a path of at most 4095 bytes");
	u->scheme = GIT_SCHEME_LOCAL;
	u->path = tidy(path);
	if (!u->path || asprintf(&u->shown, "file://%s", u->path) < 0) {
		u->shown = NULL;
		return err_set(e, ERR_INTERNAL, ENOMEM, "read an address");
	}
	u->name = strdup(u->shown);
	return u->name ? 0 : err_set(e, ERR_INTERNAL, ENOMEM, "read an address");
}

/* user_len: 0 for none; is_scp: the path is relative to a home. */
static int set_texts(struct git_url *u, const char *text, const char *user, size_t user_len,
	bool is_scp, struct err *e)
{
	const char *scheme = schemes[u->scheme].name;
	auto_free char *path = tidy(u->path);
	char port[8] = "";
	bool shows_user = user_len && u->scheme == GIT_SCHEME_SSH;
	if (u->port != schemes[u->scheme].port)
		snprintf(port, sizeof(port), ":%u", u->port);
	u->fetch = strdup(text);
	if (!path || !u->fetch ||
		asprintf(&u->name, "%s%s://%.*s@%s%s%s", scheme, is_scp ? "+home" : "",
			(int)user_len, user, u->host, port, path) < 0) {
		u->name = NULL;
		return err_set(e, ERR_INTERNAL, ENOMEM, "read an address");
	}
	int n = is_scp ? asprintf(&u->shown, "%.*s%s%s:%s", (int)user_len, user,
				 user_len ? "@" : "", u->host, u->path)
		       : asprintf(&u->shown, "%s://%.*s%s%s%s%s", scheme,
				 shows_user ? (int)user_len : 0, user, shows_user ? "@" : "",
				 u->host, port, u->path);
	if (n >= 0)
		return 0;
	u->shown = NULL;
	return err_set(e, ERR_INTERNAL, ENOMEM, "read an address");
}

static int take_url(const char *text, const char *rest, struct git_url *u, struct err *e)
{
	size_t user_len, len = strcspn(rest, "/");
	int r = take_authority(rest, len, u, &user_len, e);
	if (r == 0)
		r = check_path(rest + len, u->scheme, e);
	if (r < 0)
		return r;
	u->path = strdup(rest + len);
	return u->path ? set_texts(u, text, rest, user_len, false, e)
		       : err_set(e, ERR_INTERNAL, ENOMEM, "read an address");
}

/* [user@]host:path, with no slash before the colon. */
static int take_scp(const char *text, struct git_url *u, struct err *e)
{
	const char *bracket = strchr(text, '[');
	const char *from = bracket ? strchr(bracket, ']') : text;
	const char *colon = from ? strchr(from, ':') : NULL;
	if (!colon || memchr(text, '/', (size_t)(colon - text)))
		return refuse_form(e);
	const char *path = colon + 1;
	size_t user_len;
	u->scheme = GIT_SCHEME_SSH;
	/* "ext::sh" is another program's affair. */
	if (!path[0] || path[0] == ':' || path[0] == '-')
		return refuse_form(e);
	int r = take_authority(text, (size_t)(colon - text), u, &user_len, e);
	if (r < 0)
		return r;
	u->path = strdup(path);
	return u->path ? set_texts(u, text, text, user_len, true, e)
		       : err_set(e, ERR_INTERNAL, ENOMEM, "read an address");
}

static int take_any(const char *text, struct git_url *u, struct err *e)
{
	const char *mark = strstr(text, "://");
	if (!text[0] || text[0] == '-')
		return refuse_form(e);
	if (strlen(text) > LIMIT_URL_BYTES)
		return refuse(e, "is too long", "give an address of at most 2048 bytes");
	if (!is_plain(text))
		return refuse(e, "has a control character in it", "give the address as it is");
	if (text[0] == '/')
		return take_local(text, u, e);
	if (!mark)
		return take_scp(text, u, e);
	for (unsigned i = 0; i < GIT_SCHEME_COUNT; i++) {
		size_t len = strlen(schemes[i].name);
		if (len != (size_t)(mark - text) || strncasecmp(text, schemes[i].name, len) != 0)
			continue;
		u->scheme = (enum git_scheme)i;
		return i == GIT_SCHEME_LOCAL ? take_local(mark + 3, u, e)
					     : take_url(text, mark + 3, u, e);
	}
	return refuse_form(e);
}

int git_url_parse(const char *text, struct git_url *ret, struct err *e)
{
	struct git_url u = { 0 };
	int r = take_any(text, &u, e);
	if (r < 0)
		git_url_finish(&u);
	else
		*ret = u;
	return r;
}

void git_url_finish(struct git_url *u)
{
	free(u->host);
	free(u->path);
	free(u->fetch);
	free(u->shown);
	free(u->name);
	*u = (struct git_url){ 0 };
}

/* ---- rules ---- */

int git_rule_check(const char *rule, struct err *e)
{
	uint64_t port;
	size_t len = host_rule_split(rule, &port);
	bool is_domain = len > 2 && rule[0] == '*' && rule[1] == '.';
	bool is_good = is_domain ? is_good_host(rule + 2, len - 2)
				 : (len == 1 && rule[0] == '*') || is_good_host(rule, len);
	if (is_good)
		return 0;
	err_set(e, ERR_BAD_VALUE, 0, "\"%.100s\" is not HOST, HOST:PORT, *.DOMAIN or *", rule);
	err_hint(e, "write it as git.example.com, *.example.com, git.example.com:2222 or *; for "
		    "several, repeat the line");
	return -EINVAL;
}

bool git_url_matches(const struct git_url *u, const char *rule)
{
	uint64_t port;
	size_t len = host_rule_split(rule, &port);
	return u->host && (!port || port == u->port) && host_rule_covers(rule, len, u->host);
}

bool git_url_is_loopback(const struct git_url *u)
{
	const char *h = u->host ? u->host : "";
	return !strcmp(h, "localhost") || !strcmp(h, "[::1]") ||
	       (!strncmp(h, "127.", 4) && strspn(h, "0123456789.") == strlen(h));
}

bool git_url_matches_any(const struct git_url *u, char *const *rules)
{
	for (; rules && *rules; rules++)
		if (git_url_matches(u, *rules))
			return true;
	return false;
}
