/*
 * HTTP out of the daemon: libcurl's multi interface (curl.h) on the loop, so that nothing waits.
 * libcurl has threads of its own for names only. What it connects to is asked of addr.h at the
 * moment of connecting: a name that resolves to something else than before gains nothing. Redirects
 * are answers like others and never followed; there are no proxies, cookies or stored passwords;
 * TLS is 1.2 or later, and verified.
 *
 * An answer is bounded in bytes and time, whatever the server does, and nothing of it is kept but
 * its status and Retry-After.
 */
#ifndef DAYFLY_HTTP_CLIENT_H
#define DAYFLY_HTTP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

/* All headers of an answer; of its body. */
#define HTTP_HEADERS_MAX (32u << 10)
#define HTTP_BODY_MAX	 (64u << 10)
#define HTTP_CONNECT_MS	 10000
/* Who vouches is read again after so long. */
#define HTTP_CA_S	60
#define HTTP_CAUSE_SIZE 256

struct http;
struct http_call;

struct http_answer {
	int status;		     /* 0: none came */
	uint64_t retry_after_ms;     /* 0: it does not say */
	char cause[HTTP_CAUSE_SIZE]; /* without a status: why. Names no path of the address */
};

/* Once for each call, from the loop; the call is gone then. */
typedef void (*http_fn)(void *owner, const struct http_answer *answer);

struct http_post {
	const char *url;	    /* as url_parse() gave it */
	const char *const *headers; /* "Name: value" (strv) */
	const char *body;	    /* borrowed until the answer */
	size_t body_len;
	bool may_be_private; /* any address will do */
	uint64_t timeout_ms; /* of the whole call */
	const char *ca_file; /* who vouches for servers; NULL: whom the system trusts */
};

/* Returns 0 or -errno. */
int http_create(uv_loop_t *loop, struct http **ret);
/* Ends all calls; their callbacks do not come. NULL is allowed; *h becomes NULL. */
void http_destroy(struct http **h);

int http_post(struct http *h, const struct http_post *post, http_fn fn, void *owner,
	struct http_call **ret);
/* No callback comes. Not from a callback of the same call. */
void http_cancel(struct http_call **c);

#endif
