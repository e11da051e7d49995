/* Requests of uploads: see upload_request.h. */
#include "daemon/upload_request.h"

#include "base/cleanup.h"
#include "base/path.h"
#include "base/str.h"
#include "http/sigv4.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- keys and addresses ---- */

/* Between slashes nothing that a server or a tool might take for another place. */
static bool is_clean(const char *key)
{
	size_t len = strlen(key);
	return !len || path_parts_are(key, len - (key[len - 1] == '/'), path_part_is_name);
}

int upload_prefix_check(const char *prefix, struct err *e)
{
	bool is_good = is_clean(prefix);
	for (const char *p = prefix; is_good && *p; p++)
		is_good = (unsigned char)*p >= ' ' && *p != 127;
	if (is_good)
		return 0;
	err_set(e, ERR_BAD_VALUE, 0,
		"it begins with a slash, or has an empty, \".\" or \"..\" part");
	err_hint(e, "write it as builds/{task}/");
	return -EINVAL;
}

static void print_replaced(FILE *out, const char *text, const char *task, unsigned uid)
{
	while (*text) {
		if (str_starts(text, "{task}")) {
			fputs(task, out);
			text += strlen("{task}");
		} else if (str_starts(text, "{uid}")) {
			fprintf(out, "%u", uid);
			text += strlen("{uid}");
		} else {
			fputc(*text++, out);
		}
	}
}

char *upload_key(const char *target_prefix, const char *prefix, const char *path, const char *task,
	unsigned uid, struct err *e)
{
	char *key = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&key, &len);
	if (!out)
		return err_set(e, ERR_INTERNAL, ENOMEM, "name the upload"), NULL;
	if (target_prefix)
		print_replaced(out, target_prefix, task, uid);
	print_replaced(out, prefix ? prefix : "{task}/", task, uid);
	fputs(path, out);
	bool is_whole = !ferror(out);
	if (fclose(out) != 0 || !is_whole) {
		free(key);
		return err_set(e, ERR_INTERNAL, ENOMEM, "name the upload"), NULL;
	}
	const char *cause = len > UPLOAD_KEY_MAX     ? "its key is longer than 1024 bytes"
			    : !str_is_utf8(key, len) ? "its key is not UTF-8"
			    : !is_clean(key)	     ? "its key has an empty, \".\" or \"..\" part"
						     : NULL;
	if (!cause)
		return key;
	free(key);
	err_set(e, ERR_BAD_VALUE, 0, "%s", cause);
	return NULL;
}

char *upload_url(const char *url, const char *path)
{
	const char *mark = strstr(url, UPLOAD_PATH_MARK);
	auto_free char *encoded = mark ? sigv4_path(path) : NULL;
	char *text = NULL;
	if (!mark)
		return strdup(url);
	if (!encoded || asprintf(&text, "%.*s%s%s", (int)(mark - url), url, encoded,
				mark + strlen(UPLOAD_PATH_MARK)) < 0)
		return NULL;
	return text;
}

/* ---- requests ---- */

static int add_header(char ***headers, const char *name, const char *value)
{
	auto_free char *line = NULL;
	if (asprintf(&line, "%s: %s", name, value) < 0) {
		line = NULL;
		return -ENOMEM;
	}
	int r = strv_add(headers, line);
	explicit_bzero(line, strlen(line));
	return r;
}

int upload_request_authorize(const struct upload_secret *s, struct upload_request *ret)
{
	return s->authorization ? add_header(&ret->headers, "Authorization", s->authorization) : 0;
}

static int make_http(const struct upload_target *t, const char *key, struct upload_request *ret)
{
	auto_free char *path = sigv4_path(key);
	const char *slash = t->url.text[strlen(t->url.text) - 1] == '/' ? "" : "/";
	if (!path || asprintf(&ret->url, "%s%s%s", t->url.text, slash, path) < 0) {
		ret->url = NULL;
		return -ENOMEM;
	}
	return upload_request_authorize(&t->secret, ret);
}

static char *step_query(const struct upload_step_args *a)
{
	char part[24];
	snprintf(part, sizeof(part), "%zu", a->part);
	const struct sigv4_pair pairs[] = { { "uploadId", a->upload_id }, { "partNumber", part } };
	const struct sigv4_pair uploads = { "uploads", "" };
	switch (a->step) {
	case UPLOAD_STEP_PUT:
		return strdup("");
	case UPLOAD_STEP_INITIATE:
		return sigv4_query(&uploads, 1);
	case UPLOAD_STEP_PART:
		return sigv4_query(pairs, 2);
	default:
		return sigv4_query(pairs, 1);
	}
}

/* The host as libcurl sends it: with a port only where it is not the scheme's. */
static char *host_of(const struct upload_target *t)
{
	char port[8] = "", *text = NULL;
	if (t->url.port != (t->url.is_tls ? 443 : 80))
		snprintf(port, sizeof(port), ":%u", t->url.port);
	return asprintf(&text, "%s%s%s%s", t->is_virtual ? t->bucket : "", t->is_virtual ? "." : "",
		       t->url.host, port) < 0
		       ? NULL
		       : text;
}

static int sign(const struct upload_target *t, const struct upload_step_args *a, const char *host,
	const char *path, const char *query, struct upload_request *ret)
{
	char at[SIGV4_TIME_SIZE];
	size_t n = 3;
	sigv4_time(a->now_s, at);
	struct sigv4_pair headers[4] = { { "host", host }, { "x-amz-content-sha256", a->hash },
		{ "x-amz-date", at } };
	if (t->secret.token)
		headers[n++] = (struct sigv4_pair){ "x-amz-security-token", t->secret.token };
	const struct sigv4_request request = { ret->method, path, query, headers, n, a->hash };
	const struct sigv4_key key = { t->secret.id, t->secret.key, t->region, "s3" };
	auto_free char *authorization = sigv4_sign(&request, &key, a->now_s);
	int r = authorization ? 0 : -ENOMEM;
	for (size_t i = 0; r == 0 && i < n; i++)
		r = add_header(&ret->headers, headers[i].name, headers[i].value);
	return r < 0 ? r : add_header(&ret->headers, "Authorization", authorization);
}

static int make_s3(
	const struct upload_target *t, const struct upload_step_args *a, struct upload_request *ret)
{
	auto_free char *whole = NULL, *path = NULL;
	auto_free char *query = step_query(a);
	auto_free char *host = host_of(t);
	if (asprintf(&whole, "/%s%s%s", t->is_virtual ? "" : t->bucket, t->is_virtual ? "" : "/",
		    a->key) < 0)
		whole = NULL;
	path = whole ? sigv4_path(whole) : NULL;
	if (!path || !query || !host)
		return -ENOMEM;
	if (asprintf(&ret->url, "%s://%s%s%s%s", t->url.is_tls ? "https" : "http", host, path,
		    *query ? "?" : "", query) < 0) {
		ret->url = NULL;
		return -ENOMEM;
	}
	int r = sign(t, a, host, path, query, ret);
	if (r == 0 && a->step == UPLOAD_STEP_COMPLETE)
		r = strv_add(&ret->headers, "Content-Type: application/xml");
	return r < 0 || a->step != UPLOAD_STEP_INITIATE ? r
							: strv_add(&ret->headers, "Content-Type:");
}

int upload_request_make(
	const struct upload_target *t, const struct upload_step_args *a, struct upload_request *ret)
{
	static const char *const methods[] = {
		[UPLOAD_STEP_PUT] = "PUT",
		[UPLOAD_STEP_INITIATE] = "POST",
		[UPLOAD_STEP_PART] = "PUT",
		[UPLOAD_STEP_COMPLETE] = "POST",
		[UPLOAD_STEP_ABORT] = "DELETE",
	};
	*ret = (struct upload_request){ .method = methods[a->step] };
	return t->kind == UPLOAD_S3 ? make_s3(t, a, ret) : make_http(t, a->key, ret);
}

void upload_request_finish(struct upload_request *r)
{
	for (char **h = r->headers; h && *h; h++)
		explicit_bzero(*h, strlen(*h));
	strv_free(r->headers);
	free(r->url);
	*r = (struct upload_request){ 0 };
}
