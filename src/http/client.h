/*
 * HTTP out of the daemon: libcurl's multi interface (curl.h) on the loop, so that nothing waits.
 * libcurl has threads of its own for names only. What it connects to is asked of addr.h at the
 * moment of connecting: a name that resolves to something else than before gains nothing. Redirects
 * are answers like others and never followed; there are no proxies, cookies or stored passwords;
 * TLS is 1.2 or later, and verified.
 *
 * An answer is bounded in bytes and time, whatever the server does, and nothing of it is kept but
 * its status, Retry-After, ETag and, where it is asked for, the beginning of its body.
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
#define HTTP_ETAG_SIZE	128
/* A request that is given a time to stall in has to move so many bytes a second. */
#define HTTP_STALL_BPS 128

struct http;
struct http_call;

struct http_answer {
	int status;		     /* 0: none came */
	uint64_t retry_after_ms;     /* 0: it does not say */
	char cause[HTTP_CAUSE_SIZE]; /* without a status: why. Names no path of the address */
	char etag[HTTP_ETAG_SIZE];   /* as it came, of visible ASCII; "": none */
	/* Of the body what was asked for, with a NUL after it, until the callback returns. */
	const char *body;
	size_t body_len;
	bool is_whole; /* the request went out to its end, and the body came to its own */
	bool is_mute;  /* it was asked whether the body may come, and did not say */
};

/* Once for each call, from the loop; the call is gone then. */
typedef void (*http_fn)(void *owner, const struct http_answer *answer);

struct http_request {
	const char *method;	    /* "POST", "PUT", "GET", "DELETE" */
	const char *url;	    /* as url_parse() gives it; its path goes out as it is */
	const char *const *headers; /* "Name: value" (strv) */
	const char *body;	    /* borrowed until the answer */
	/* With has_file a part of a file in place of body, read in small pieces while it goes out;
	 * borrowed until the answer. */
	bool has_file;
	int file;
	uint64_t offset;
	uint64_t body_len;
	bool is_unasked;     /* a large body goes out without asking for it (Expect) first, which
				costs a second where nobody answers that */
	size_t answer_max;   /* keep so much of the body, at most HTTP_BODY_MAX */
	bool may_be_private; /* any address will do */
	uint64_t timeout_ms; /* of the whole call */
	uint64_t stall_ms;   /* so long it may be slower than HTTP_STALL_BPS; 0: no matter */
	const char *ca_file; /* who vouches for servers; NULL: whom the system trusts */
};

/* Returns 0 or -errno. */
int http_create(uv_loop_t *loop, struct http **ret);
/* Ends all calls; their callbacks do not come. NULL is allowed; *h becomes NULL. */
void http_destroy(struct http **h);

int http_send(struct http *h, const struct http_request *request, http_fn fn, void *owner,
	struct http_call **ret);
/* How much of its body a call has handed to the connection. */
uint64_t http_sent(const struct http_call *c);
/* No callback comes. Not from a callback of the same call. */
void http_cancel(struct http_call **c);

#endif
