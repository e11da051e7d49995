/* Targets of uploads: see upload_target.h. */
#include "daemon/upload_target.h"

#include "base/cleanup.h"
#include "base/limits.h"
#include "base/str.h"
#include "base/units.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PART_MIN   (5ull << 20) /* of S3 itself */
#define PART_MAX   (5ull << 30)
#define SINGLE_MAX (5ull << 30)

static int no_memory(struct err *e)
{
	return err_set(e, ERR_INTERNAL, ENOMEM, "read the targets of uploads");
}

static int refuse(struct err *e, const char *key, const char *cause, const char *fix)
{
	err_set(e, ERR_BAD_VALUE, 0, "%s %s", key, cause);
	err_hint(e, "%s", fix);
	return -EINVAL;
}

/* ---- one key ---- */

static int set_text(char **where, const char *value, struct err *e)
{
	char *copy = strdup(value);
	if (!copy)
		return no_memory(e);
	free(*where);
	*where = copy;
	return 0;
}

static int set_type(struct upload_target *t, const char *value, struct err *e)
{
	bool is_s3 = !strcmp(value, "s3");
	if (!is_s3 && strcmp(value, "http") != 0)
		return refuse(e, "type", "is neither s3 nor http", "write type=s3 or type=http");
	t->kind = is_s3 ? UPLOAD_S3 : UPLOAD_HTTP;
	return 0;
}

static int set_endpoint(struct upload_target *t, const char *value, struct err *e)
{
	struct url u;
	if (strchr(value, '?'))
		return refuse(e, "endpoint", "has a query in it", "leave it out");
	int r = url_parse(value, &u, e);
	if (r < 0)
		return err_wrap(e, "endpoint");
	url_finish(&t->url);
	t->url = u;
	return 0;
}

static int set_bucket(struct upload_target *t, const char *value, struct err *e)
{
	size_t n = strlen(value);
	if (n < 3 || n > 63 || !str_is_name(value, 63))
		return refuse(e, "bucket", "is not the name of a bucket",
			"it has 3 to 63 letters, digits, dots and hyphens");
	return set_text(&t->bucket, value, e);
}

static int set_region(struct upload_target *t, const char *value, struct err *e)
{
	if (!str_is_name(value, 64))
		return refuse(e, "region", "is not the name of a region", "write it as us-east-1");
	return set_text(&t->region, value, e);
}

static int set_prefix(struct upload_target *t, const char *value, struct err *e)
{
	return set_text(&t->prefix, value, e);
}

static int set_style(struct upload_target *t, const char *value, struct err *e)
{
	t->is_virtual = !strcmp(value, "virtual");
	return t->is_virtual || !strcmp(value, "path")
		       ? 0
		       : refuse(e, "style", "is neither path nor virtual",
				 "path: https://HOST/BUCKET/KEY; virtual: https://BUCKET.HOST/KEY");
}

static int set_private(struct upload_target *t, const char *value, struct err *e)
{
	t->may_be_private = !strcmp(value, "yes");
	return t->may_be_private || !strcmp(value, "no")
		       ? 0
		       : refuse(e, "private", "is neither yes nor no", "write private=yes");
}

static int set_part(struct upload_target *t, const char *value, struct err *e)
{
	return units_parse_size(value, &t->part_bytes) < 0 || t->part_bytes < PART_MIN ||
			       t->part_bytes > PART_MAX
		       ? refuse(e, "part_size", "is not from 5MiB to 5GiB", "write part_size=16MiB")
		       : 0;
}

static int set_multipart(struct upload_target *t, const char *value, struct err *e)
{
	return units_parse_size(value, &t->multipart_bytes) < 0 || t->multipart_bytes < PART_MIN ||
			       t->multipart_bytes > SINGLE_MAX
		       ? refuse(e, "multipart_above", "is not from 5MiB to 5GiB",
				 "write multipart_above=64MiB")
		       : 0;
}

static int set_ca(struct upload_target *t, const char *value, struct err *e)
{
	return value[0] != '/' ? refuse(e, "ca_file", "is not an absolute path", "begin with /")
			       : set_text(&t->ca_file, value, e);
}

static int set_credentials(struct upload_target *t, const char *value, struct err *e)
{
	t->wants_credentials = !strcmp(value, "request");
	if (value[0] != '/' && strcmp(value, "environment") != 0 && strcmp(value, "none") != 0 &&
		!t->wants_credentials)
		return refuse(e, "credentials",
			"is not an absolute path, environment, request or none",
			"name a file of mode 0600");
	return set_text(&t->credentials, value, e);
}

static const struct {
	const char *name;
	int (*set)(struct upload_target *t, const char *value, struct err *e);
} keys[] = {
	{ "type", set_type },
	{ "endpoint", set_endpoint },
	{ "bucket", set_bucket },
	{ "region", set_region },
	{ "prefix", set_prefix },
	{ "style", set_style },
	{ "private", set_private },
	{ "part_size", set_part },
	{ "multipart_above", set_multipart },
	{ "ca_file", set_ca },
	{ "credentials", set_credentials },
};

static int set_key(struct upload_target *t, const char *word, struct err *e)
{
	const char *names[ARRAY_SIZE(keys)];
	size_t len = strcspn(word, "=");
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		names[i] = keys[i].name;
		if (word[len] && word[len + 1] && strlen(keys[i].name) == len &&
			!memcmp(keys[i].name, word, len))
			return keys[i].set(t, word + len + 1, e);
	}
	err_set(e, ERR_BAD_VALUE, 0, "\"%.*s\" is no KEY=VALUE of a target",
		(int)(len < 60 ? len : 60), word);
	auto_free char *name = strndup(word, len);
	const char *near = name ? str_nearest(name, names, ARRAY_SIZE(keys)) : NULL;
	err_hint(
		e, near ? "did you mean %s=?" : "docs/uploads.md has the keys%s", near ? near : "");
	return -EINVAL;
}

/* ---- lines ---- */

static void finish_target(struct upload_target *t)
{
	upload_secret_wipe(&t->secret);
	url_finish(&t->url);
	free(t->name);
	free(t->bucket);
	free(t->region);
	free(t->prefix);
	free(t->ca_file);
	free(t->credentials);
	*t = (struct upload_target){ 0 };
}

/* The words of a line behind its name. */
static int set_words(struct upload_target *t, const char *words, struct err *e)
{
	int r = 0;
	while (r == 0) {
		words += strspn(words, " \t");
		size_t len = strcspn(words, " \t");
		if (!len)
			break;
		auto_free char *word = strndup(words, len);
		r = word ? set_key(t, word, e) : no_memory(e);
		words += len;
	}
	return r;
}

/* The length of the name; 0: it is none. */
static size_t name_len(const char *line)
{
	char name[LIMIT_NAME_BYTES + 1];
	size_t len = strcspn(line, " \t");
	if (len > LIMIT_NAME_BYTES)
		return 0;
	memcpy(name, line, len);
	name[len] = '\0';
	return str_is_name(name, LIMIT_NAME_BYTES) ? len : 0;
}

static int refuse_name(struct err *e)
{
	err_set(e, ERR_BAD_VALUE, 0, "a target does not begin with a name");
	err_hint(e, "write NAME KEY=VALUE KEY=VALUE; more lines of that name add up");
	return -EINVAL;
}

int upload_target_check_line(const char *line, struct err *e)
{
	struct upload_target t = { 0 };
	size_t len = name_len(line);
	int r = len ? set_words(&t, line + len, e) : refuse_name(e);
	finish_target(&t);
	return r;
}

static struct upload_target *get_target(
	struct upload_targets *ts, const char *name, size_t len, struct err *e)
{
	for (size_t i = 0; i < ts->n; i++)
		if (strlen(ts->list[i].name) == len && !memcmp(ts->list[i].name, name, len))
			return &ts->list[i];
	if (ts->n == UPLOAD_TARGETS_MAX) {
		err_set(e, ERR_TOO_LARGE, 0, "there are over %d targets", UPLOAD_TARGETS_MAX);
		return NULL;
	}
	struct upload_target *list = realloc(ts->list, (ts->n + 1) * sizeof(*list));
	if (list)
		ts->list = list;
	char *copy = list ? strndup(name, len) : NULL;
	if (!copy) {
		no_memory(e);
		return NULL;
	}
	list[ts->n] = (struct upload_target){
		.name = copy, .part_bytes = 16ull << 20, .multipart_bytes = 64ull << 20
	};
	return &list[ts->n++];
}

static int check_target(struct upload_target *t, struct err *e)
{
	const char *path = t->url.text ? strchr(t->url.text + strlen("https://"), '/') : NULL;
	if (!t->url.text)
		return refuse(e, t->name, "has no endpoint", "add endpoint=https://HOST");
	if (!t->url.is_tls && !t->may_be_private)
		return refuse(e, t->name, "has an endpoint without TLS",
			"write https://, or add private=yes for a server of your own network");
	if (t->kind == UPLOAD_HTTP)
		return t->bucket ? refuse(e, t->name, "has a bucket and is not of type s3",
					   "add type=s3")
				 : 0;
	if (!t->bucket)
		return refuse(e, t->name, "has no bucket", "add bucket=NAME");
	if (path && path[1])
		return refuse(e, t->name, "has a path in its endpoint",
			"write endpoint=https://HOST, and what comes before keys as prefix=");
	if (!t->region)
		return set_text(&t->region, "us-east-1", e);
	return 0;
}

int upload_targets_parse(char *const *lines, struct upload_targets *ret, struct err *e)
{
	struct upload_targets ts = { 0 };
	int r = 0;
	for (; r == 0 && lines && *lines; lines++) {
		size_t len = name_len(*lines);
		struct upload_target *t = len ? get_target(&ts, *lines, len, e) : NULL;
		r = !len ? refuse_name(e) : t ? set_words(t, *lines + len, e) : -EINVAL;
	}
	for (size_t i = 0; r == 0 && i < ts.n; i++)
		r = check_target(&ts.list[i], e);
	if (r < 0)
		upload_targets_finish(&ts);
	else
		*ret = ts;
	return r;
}

const struct upload_target *upload_targets_find(const struct upload_targets *ts, const char *name)
{
	for (size_t i = 0; i < ts->n; i++)
		if (!strcmp(ts->list[i].name, name))
			return &ts->list[i];
	return NULL;
}

void upload_targets_finish(struct upload_targets *ts)
{
	for (size_t i = 0; i < ts->n; i++)
		finish_target(&ts->list[i]);
	free(ts->list);
	*ts = (struct upload_targets){ 0 };
}

/* ---- what they sign with ---- */

static int read_environment(struct upload_target *t, struct err *e)
{
	if (t->kind != UPLOAD_S3)
		return refuse(e, t->name, "takes credentials from the environment",
			"that is for type s3; name a file");
	return upload_secret_read_environment(&t->secret, e);
}

static int read_secret(struct upload_target *t, unsigned owner, struct err *e)
{
	const char *dir = getenv("CREDENTIALS_DIRECTORY");
	auto_free char *path = NULL;
	int r = 0;
	if (t->credentials && t->credentials[0] == '/')
		r = upload_secret_read_file(t->kind, t->credentials, owner, &t->secret, e);
	else if (t->credentials && !strcmp(t->credentials, "environment"))
		r = read_environment(t, e);
	else if (!t->credentials && dir) {
		if (asprintf(&path, "%s/upload_%s", dir, t->name) < 0) {
			path = NULL;
			return no_memory(e);
		}
		r = access(path, F_OK) == 0
			    ? upload_secret_read_file(t->kind, path, owner, &t->secret, e)
			    : 0;
	}
	if (r == 0 && t->kind == UPLOAD_S3 && !t->wants_credentials &&
		(!t->secret.id || !t->secret.key)) {
		err_set(e, ERR_BAD_VALUE, 0, "there is no access key to sign with");
		err_hint(e,
			"name a file with credentials=PATH, or pass LoadCredential=upload_%s:PATH",
			t->name);
		r = -EINVAL;
	}
	return r;
}

int upload_targets_read_secrets(struct upload_targets *ts, unsigned owner, struct err *e)
{
	for (size_t i = 0; i < ts->n; i++) {
		int r = read_secret(&ts->list[i], owner, e);
		if (r < 0)
			return err_wrap(e, "uploads.target %s", ts->list[i].name);
	}
	return 0;
}
