/* Signatures of AWS: see sigv4.h. */
#include "http/sigv4.h"

#include "base/cleanup.h"

#include <nettle/hmac.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ALGORITHM "AWS4-HMAC-SHA256"

/* ---- text ---- */

static void encode(FILE *out, const char *s, bool keeps_slash)
{
	static const char plain[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
	for (; *s; s++)
		if (strchr(plain, *s) || (keeps_slash && *s == '/'))
			fputc(*s, out);
		else
			fprintf(out, "%%%02X", (unsigned char)*s);
}

/* Closes the stream. Returns what was written, or NULL. */
static char *take_text(FILE *out, char **text)
{
	bool is_whole = !ferror(out);
	if (fclose(out) == 0 && is_whole)
		return take_ptr(*text);
	free(*text);
	return NULL;
}

char *sigv4_path(const char *key)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	if (!out)
		return NULL;
	encode(out, key, true);
	return take_text(out, &text);
}

/* By name, then by value: both encoded would sort otherwise, so they are. */
static int compare_texts(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static char *encode_pair(const struct sigv4_pair *p)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	if (!out)
		return NULL;
	encode(out, p->name, false);
	/* Below every character of an encoded name, so that "a" comes before "a-b"; set right after
	 * sorting. */
	fputc('\x01', out);
	encode(out, p->value, false);
	return take_text(out, &text);
}

char *sigv4_query(const struct sigv4_pair *pairs, size_t n)
{
	char *sorted[SIGV4_PAIRS_MAX], *text = NULL;
	size_t made = 0, len;
	if (n > SIGV4_PAIRS_MAX)
		return NULL;
	while (made < n && (sorted[made] = encode_pair(&pairs[made])))
		made++;
	FILE *out = made == n ? open_memstream(&text, &len) : NULL;
	qsort(sorted, made, sizeof(*sorted), compare_texts);
	for (size_t i = 0; i < made; i++) {
		*strchr(sorted[i], '\x01') = '=';
		if (out)
			fprintf(out, "%s%s", i ? "&" : "", sorted[i]);
		free(sorted[i]);
	}
	return out ? take_text(out, &text) : NULL;
}

void sigv4_time(int64_t at_s, char out[SIGV4_TIME_SIZE])
{
	time_t t = (time_t)at_s;
	struct tm tm = { 0 };
	gmtime_r(&t, &tm);
	if (!strftime(out, SIGV4_TIME_SIZE, "%Y%m%dT%H%M%SZ", &tm))
		out[0] = '\0';
}

static void to_hex(const uint8_t digest[SHA256_DIGEST_SIZE], char out[SIGV4_HASH_SIZE])
{
	for (size_t i = 0; i < SHA256_DIGEST_SIZE; i++)
		snprintf(out + 2 * i, 3, "%02x", digest[i]);
}

void sigv4_hash(const void *data, size_t len, char out[SIGV4_HASH_SIZE])
{
	struct sha256_ctx sha;
	uint8_t digest[SHA256_DIGEST_SIZE];
	sha256_init(&sha);
	sha256_update(&sha, len, data);
	sha256_digest(&sha, sizeof(digest), digest);
	to_hex(digest, out);
}

/* ---- signing ---- */

static int compare_headers(const void *a, const void *b)
{
	const struct sigv4_pair *x = a, *y = b;
	int by_name = strcmp(x->name, y->name);
	/* Of one name: in the order in which they are sent. */
	return by_name ? by_name : (x > y) - (x < y);
}

/* Without the spaces around, and one for each row of them inside. */
static void print_value(FILE *out, const char *s)
{
	bool is_first = true;
	while (*s) {
		size_t gap = strspn(s, " \t"), word = strcspn(s + gap, " \t");
		if (gap && !is_first && word)
			fputc(' ', out);
		fwrite(s + gap, 1, word, out);
		is_first = is_first && !word;
		s += gap + word;
	}
}

static void print_names(FILE *out, const struct sigv4_pair *headers, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!i || strcmp(headers[i - 1].name, headers[i].name))
			fprintf(out, "%s%s", i ? ";" : "", headers[i].name);
}

/* headers: sorted. */
static char *canonical(const struct sigv4_request *r, const struct sigv4_pair *headers)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	if (!out)
		return NULL;
	fprintf(out, "%s\n%s\n%s\n", r->method, r->path, r->query);
	for (size_t i = 0; i < r->n_headers; i++) {
		bool is_same = i && !strcmp(headers[i - 1].name, headers[i].name);
		bool has_more =
			i + 1 < r->n_headers && !strcmp(headers[i + 1].name, headers[i].name);
		fprintf(out, "%s%s", is_same ? "," : headers[i].name, is_same ? "" : ":");
		print_value(out, headers[i].value);
		fputs(has_more ? "" : "\n", out);
	}
	fputc('\n', out);
	print_names(out, headers, r->n_headers);
	fprintf(out, "\n%s", r->payload_hash);
	return take_text(out, &text);
}

static void hmac(const void *key, size_t key_len, const char *text, uint8_t out[SHA256_DIGEST_SIZE])
{
	struct hmac_sha256_ctx ctx;
	hmac_sha256_set_key(&ctx, key_len, key);
	hmac_sha256_update(&ctx, strlen(text), (const uint8_t *)text);
	hmac_sha256_digest(&ctx, SHA256_DIGEST_SIZE, out);
	explicit_bzero(&ctx, sizeof(ctx));
}

/* Returns false without memory. */
static bool derive(const struct sigv4_key *k, const char date[9], uint8_t out[SHA256_DIGEST_SIZE])
{
	char *first = NULL;
	int n = asprintf(&first, "AWS4%s", k->secret);
	if (n < 0)
		return false;
	hmac(first, (size_t)n, date, out);
	explicit_bzero(first, (size_t)n);
	free(first);
	hmac(out, SHA256_DIGEST_SIZE, k->region, out);
	hmac(out, SHA256_DIGEST_SIZE, k->service, out);
	hmac(out, SHA256_DIGEST_SIZE, "aws4_request", out);
	return true;
}

char *sigv4_sign(const struct sigv4_request *r, const struct sigv4_key *k, int64_t at_s)
{
	struct sigv4_pair headers[SIGV4_PAIRS_MAX];
	char at[SIGV4_TIME_SIZE], date[9] = "", hash[SIGV4_HASH_SIZE], *text = NULL;
	uint8_t key[SHA256_DIGEST_SIZE], mac[SHA256_DIGEST_SIZE];
	size_t len;
	if (r->n_headers > SIGV4_PAIRS_MAX)
		return NULL;
	memcpy(headers, r->headers, r->n_headers * sizeof(*headers));
	qsort(headers, r->n_headers, sizeof(*headers), compare_headers);
	sigv4_time(at_s, at);
	snprintf(date, sizeof(date), "%.8s", at);
	auto_free char *whole = canonical(r, headers);
	auto_free char *to_sign = NULL;
	if (!whole)
		return NULL;
	sigv4_hash(whole, strlen(whole), hash);
	if (asprintf(&to_sign, ALGORITHM "\n%s\n%s/%s/%s/aws4_request\n%s", at, date, k->region,
		    k->service, hash) < 0) {
		to_sign = NULL;
		return NULL;
	}
	if (!derive(k, date, key))
		return NULL;
	hmac(key, sizeof(key), to_sign, mac);
	explicit_bzero(key, sizeof(key));
	to_hex(mac, hash);
	FILE *out = open_memstream(&text, &len);
	if (!out)
		return NULL;
	fprintf(out, ALGORITHM " Credential=%s/%s/%s/%s/aws4_request, SignedHeaders=", k->id, date,
		k->region, k->service);
	print_names(out, headers, r->n_headers);
	fprintf(out, ", Signature=%s", hash);
	return take_text(out, &text);
}
