/* Signatures of webhooks: see signature.h. */
#include "http/signature.h"

#include "base/base64.h"
#include "base/cleanup.h"
#include "base/str.h"
#include "http/secret_file.h"

#include <errno.h>
#include <nettle/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX "whsec_"

static int refuse(struct err *e, unsigned line, const char *cause)
{
	err_set(e, ERR_BAD_VALUE, 0, "line %u %s", line, cause);
	err_hint(e,
		"write one secret a line: whsec_ and the base64 of 24 to 64 random bytes. To make "
		"one: echo \"whsec_$(head -c 32 /dev/urandom | base64)\"");
	return -EINVAL;
}

static int add_line(
	struct signature_keys *k, const char *s, size_t len, unsigned line, struct err *e)
{
	const size_t prefix = strlen(PREFIX);
	uint8_t key[SIGNATURE_KEY_MAX + 3];
	size_t key_len = 0;
	if (len < prefix || memcmp(s, PREFIX, prefix) != 0)
		return refuse(e, line, "does not begin with " PREFIX);
	s += prefix;
	len -= prefix;
	if (base64_decoded_max(len) > sizeof(key) || base64_decode(s, len, key, &key_len) < 0 ||
		key_len < SIGNATURE_KEY_MIN || key_len > SIGNATURE_KEY_MAX) {
		explicit_bzero(key, sizeof(key));
		return refuse(e, line, "is not the base64 of 24 to 64 bytes");
	}
	if (k->n == SIGNATURE_KEYS_MAX) {
		explicit_bzero(key, sizeof(key));
		return refuse(e, line, "is one too many: there may be 4 secrets");
	}
	memcpy(k->key[k->n], key, key_len);
	k->len[k->n++] = key_len;
	explicit_bzero(key, sizeof(key));
	return 0;
}

int signature_parse(const char *text, size_t len, struct signature_keys *ret, struct err *e)
{
	struct signature_keys k = { .n = 0 };
	unsigned line = 1;
	size_t n;
	int r = 0;
	for (const char *s; r == 0 && (s = str_next_line(&text, &len, &n)); line++)
		if (n && s[0] != '#')
			r = add_line(&k, s, n, line, e);
	if (r == 0 && !k.n)
		r = refuse(e, line, "is the end, and there was no secret");
	if (r == 0)
		*ret = k;
	signature_wipe(&k);
	return r;
}

int signature_read_file(const char *path, unsigned owner, struct signature_keys *ret, struct err *e)
{
	char text[SECRET_FILE_MAX + 1];
	size_t len = 0;
	int r = secret_file_read(path, owner, text, &len, e);
	if (r == 0)
		r = signature_parse(text, len, ret, e);
	explicit_bzero(text, sizeof(text));
	return r < 0 ? err_wrap(e, "the secrets of webhooks in %s", path) : 0;
}

void signature_wipe(struct signature_keys *k)
{
	explicit_bzero(k, sizeof(*k));
}

int signature_make(const struct signature_keys *k, const char *id, int64_t at_s, const char *body,
	size_t body_len, char out[SIGNATURE_TEXT_SIZE])
{
	char head[128];
	int n = snprintf(head, sizeof(head), "%s.%lld.", id, (long long)at_s);
	if (n < 0 || (size_t)n >= sizeof(head))
		return -EINVAL;
	size_t len = (size_t)n + body_len, at = 0;
	auto_free uint8_t *data = malloc(len);
	if (!data)
		return -ENOMEM;
	memcpy(data, head, (size_t)n);
	memcpy(data + n, body, body_len);
	for (size_t i = 0; i < k->n; i++) {
		struct hmac_sha256_ctx hmac;
		uint8_t mac[SHA256_DIGEST_SIZE];
		hmac_sha256_set_key(&hmac, k->len[i], k->key[i]);
		hmac_sha256_update(&hmac, len, data);
		hmac_sha256_digest(&hmac, sizeof(mac), mac);
		explicit_bzero(&hmac, sizeof(hmac));
		at += (size_t)snprintf(out + at, SIGNATURE_TEXT_SIZE - at, "%sv1,", i ? " " : "");
		base64_encode(mac, sizeof(mac), out + at);
		at += base64_encoded_size(sizeof(mac));
	}
	out[at] = '\0';
	return 0;
}
