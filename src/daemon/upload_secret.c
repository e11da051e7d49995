/* What uploads are signed with: see upload_secret.h. */
#include "daemon/upload_secret.h"

#include "base/cleanup.h"
#include "base/str.h"
#include "http/secret_file.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static int no_memory(struct err *e)
{
	return err_set(e, ERR_INTERNAL, ENOMEM, "read the credentials of uploads");
}

void upload_secret_wipe(struct upload_secret *s)
{
	char *const secrets[] = { s->id, s->key, s->token, s->authorization };
	for (size_t i = 0; i < ARRAY_SIZE(secrets); i++) {
		if (secrets[i])
			explicit_bzero(secrets[i], strlen(secrets[i]));
		free(secrets[i]);
	}
	*s = (struct upload_secret){ 0 };
}

/* Where a line of that name goes; NULL: nowhere. */
static char **member_of(
	struct upload_secret *s, enum upload_kind kind, const char *name, size_t len)
{
	const struct {
		const char *name;
		char **where;
		enum upload_kind kind;
	} members[] = {
		{ "aws_access_key_id", &s->id, UPLOAD_S3 },
		{ "aws_secret_access_key", &s->key, UPLOAD_S3 },
		{ "aws_session_token", &s->token, UPLOAD_S3 },
		{ "authorization", &s->authorization, UPLOAD_HTTP },
	};
	for (size_t i = 0; i < ARRAY_SIZE(members); i++)
		if (members[i].kind == kind && strlen(members[i].name) == len &&
			!memcmp(members[i].name, name, len))
			return members[i].where;
	return NULL;
}

static bool is_visible(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (s[i] < ' ' || s[i] > '~')
			return false;
	return len > 0;
}

/* "name = value" */
static int read_line(struct upload_secret *secret, enum upload_kind kind, const char *s, size_t len,
	unsigned line, struct err *e)
{
	size_t name = 0, value;
	while (name < len && !strchr(" \t=", s[name]))
		name++;
	value = name;
	while (value < len && strchr(" \t", s[value]))
		value++;
	bool has_equals = value < len && s[value] == '=';
	for (value++; value < len && strchr(" \t", s[value]);)
		value++;
	char **where = has_equals ? member_of(secret, kind, s, name) : NULL;
	if (!where || *where || value >= len || !is_visible(s + value, len - value)) {
		err_set(e, ERR_BAD_VALUE, 0, "line %u is not one of the expected, each once", line);
		err_hint(e, kind == UPLOAD_S3
				    ? "write aws_access_key_id = ID, aws_secret_access_key = KEY "
				      "and perhaps aws_session_token = TOKEN"
				    : "write authorization = Bearer TOKEN");
		return -EINVAL;
	}
	*where = strndup(s + value, len - value);
	return *where ? 0 : no_memory(e);
}

/* What was read before a failure is in *secret all the same. */
static int read_text(struct upload_secret *secret, enum upload_kind kind, const char *text,
	size_t len, struct err *e)
{
	const char *s;
	size_t n;
	int r = 0;
	for (unsigned line = 1; r == 0 && (s = str_next_line(&text, &len, &n)); line++)
		if (n && !memchr("#;[", s[0], 3))
			r = read_line(secret, kind, s, n, line, e);
	return r;
}

static int check_whole(const struct upload_secret *s, enum upload_kind kind, struct err *e)
{
	if (kind == UPLOAD_S3 ? s->id && s->key : s->authorization != NULL)
		return 0;
	err_set(e, ERR_BAD_VALUE, 0, "there is no %s in it",
		kind == UPLOAD_HTTP ? "authorization"
		: s->id		    ? "aws_secret_access_key"
				    : "aws_access_key_id");
	err_hint(e, kind == UPLOAD_S3 ? "write aws_access_key_id = ID and, in a line of its own, "
					"aws_secret_access_key = KEY"
				      : "write authorization = Bearer TOKEN");
	return -EINVAL;
}

/* Ends the reading of one: *ret is it, or it is wiped. */
static int give(int r, struct upload_secret *s, struct upload_secret *ret)
{
	if (r < 0)
		upload_secret_wipe(s);
	else
		*ret = *s;
	return r;
}

int upload_secret_parse(enum upload_kind kind, const char *text, size_t len,
	struct upload_secret *ret, struct err *e)
{
	struct upload_secret s = { 0 };
	int r = read_text(&s, kind, text, len, e);
	if (r == 0)
		r = check_whole(&s, kind, e);
	return give(r, &s, ret);
}

int upload_secret_read_file(enum upload_kind kind, const char *path, unsigned owner,
	struct upload_secret *ret, struct err *e)
{
	char text[SECRET_FILE_MAX + 1];
	struct upload_secret s = { 0 };
	size_t len = 0;
	int r = secret_file_read(path, owner, text, &len, e);
	if (r == 0)
		r = read_text(&s, kind, text, len, e);
	explicit_bzero(text, sizeof(text));
	if (r < 0)
		r = err_wrap(e, "the credentials in %s", path);
	return give(r, &s, ret);
}

int upload_secret_read_environment(struct upload_secret *ret, struct err *e)
{
	static const char *const names[] = { "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY",
		"AWS_SESSION_TOKEN" };
	struct upload_secret s = { 0 };
	char **where[] = { &s.id, &s.key, &s.token };
	int r = 0;
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(names); i++) {
		const char *value = getenv(names[i]);
		if (!value || !*value)
			continue;
		if (!is_visible(value, strlen(value))) {
			err_set(e, ERR_BAD_VALUE, 0, "%s has characters that no header may have",
				names[i]);
			r = -EINVAL;
		} else if (!(*where[i] = strdup(value))) {
			r = no_memory(e);
		}
	}
	return give(r, &s, ret);
}
