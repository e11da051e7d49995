/*
 * Signatures of AWS, version 4, in a request's Authorization header. What is signed is what the
 * caller sends: it makes path and query with the functions here and uses the same text in the
 * address. libcurl could sign too, but sends no hash of the body and signs other paths and queries
 * than it sends. Pure.
 */
#ifndef DAYFLY_HTTP_SIGV4_H
#define DAYFLY_HTTP_SIGV4_H

#include <stddef.h>
#include <stdint.h>

#define SIGV4_HASH_SIZE 65 /* SHA-256 in hex, with its NUL */
#define SIGV4_TIME_SIZE 17 /* 20130524T000000Z */
#define SIGV4_PAIRS_MAX 16

/* Who signs. Borrowed strings. */
struct sigv4_key {
	const char *id, *secret;
	const char *region, *service;
};

/* A header, with its name in lower case; or a parameter of the query, not encoded. */
struct sigv4_pair {
	const char *name, *value;
};

struct sigv4_request {
	const char *method;
	const char *path;  /* as sigv4_path() made it */
	const char *query; /* as sigv4_query() made it; "": none */
	/* All that are signed, "host" and "x-amz-date" among them, in any order. */
	const struct sigv4_pair *headers;
	size_t n_headers;
	const char *payload_hash; /* in hex */
};

/* Everything but letters, digits and -._~/ becomes %XX. On the heap; NULL: no memory. */
char *sigv4_path(const char *key);
/* "a=1&b=": sorted, encoded, each with its "=". On the heap; NULL: no memory, or too many. */
char *sigv4_query(const struct sigv4_pair *pairs, size_t n);

void sigv4_time(int64_t at_s, char out[SIGV4_TIME_SIZE]);
void sigv4_hash(const void *data, size_t len, char out[SIGV4_HASH_SIZE]);

/* The value of the header Authorization, for that time. On the heap; NULL: no memory, or too many
 * headers. */
char *sigv4_sign(const struct sigv4_request *r, const struct sigv4_key *k, int64_t at_s);

#endif
