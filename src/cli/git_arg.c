/* dayfly run --git: see git_arg.h. */
#include "cli/git_arg.h"

#include "base/cleanup.h"
#include "base/limits.h"
#include "base/str.h"
#include "cli/inputs.h"
#include "cli/options.h"
#include "proto/git_needs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Where the path begins: behind the host. */
static const char *path_of(const char *text)
{
	const char *scheme = strstr(text, "://");
	if (scheme)
		return scheme + 3 + strcspn(scheme + 3, "/");
	/* [USER@]HOST:PATH, as scp has it. */
	const char *colon = strchr(text, ':'), *slash = strchr(text, '/');
	return colon && (!slash || colon < slash) ? colon + 1 : text;
}

static bool is_local(const char *text)
{
	return path_of(text) == text;
}

/* "https://USER:PASSWORD@HOST/..." */
static int split_password(char *url, char **ret_credentials)
{
	char *host = strstr(url, "://");
	if (!host || !str_starts(url, "http"))
		return 0;
	host += 3;
	size_t len = strcspn(host, "/");
	char *at = memrchr(host, '@', len),
	     *colon = at ? memchr(host, ':', (size_t)(at - host)) : NULL;
	if (!colon)
		return 0;
	if (asprintf(ret_credentials, "%.*s\n", (int)(host + len - url), url) < 0) {
		*ret_credentials = NULL;
		return -ENOMEM;
	}
	memmove(colon, at, strlen(at) + 1);
	return 0;
}

/* All of it goes to the daemon, unlike other paths. */
static int check_texts(struct git_arg *a, struct err *e)
{
	const char *const texts[] = { a->url, a->ref, a->credentials };
	int r = 0;
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(texts); i++)
		r = texts[i] ? options_check_text(texts[i], e) : 0;
	if (r < 0)
		git_arg_finish(a);
	return r;
}

int git_arg_parse(const char *text, struct git_arg *ret, struct err *e)
{
	*ret = (struct git_arg){ 0 };
	const char *at = strrchr(path_of(text), '@');
	if (at && (!at[1] || at == text)) {
		err_set(e, ERR_BAD_VALUE, 0, "there is nothing %s its last \"@\"",
			at[1] ? "before" : "after");
		err_hint(e, "write URL@BRANCH, or give the ref with --git-ref");
		return -EINVAL;
	}
	if (at && is_local(text) && access(text, F_OK) == 0)
		at = NULL;
	char *url = ret->url = at ? strndup(text, (size_t)(at - text)) : strdup(text);
	if (!url || (at && !(ret->ref = strdup(at + 1))) ||
		split_password(url, &ret->credentials) < 0) {
		git_arg_finish(ret);
		return err_set(e, ERR_INTERNAL, ENOMEM, "read it");
	}
	if (!is_local(url) || url[0] == '/')
		return check_texts(ret, e);
	/* The daemon does not know our directory. */
	ret->url = realpath(url, NULL);
	int r = ret->url ? 0 : err_set(e, ERR_SOURCE, errno, "find %s", url);
	if (r < 0)
		err_hint(e, "write https://HOST/PATH, HOST:PATH or the path of a repository");
	free(url);
	if (r < 0)
		git_arg_finish(ret);
	return r < 0 ? r : check_texts(ret, e);
}

void git_arg_finish(struct git_arg *a)
{
	if (a->credentials)
		explicit_bzero(a->credentials, strlen(a->credentials));
	free(a->url);
	free(a->ref);
	free(a->credentials);
	*a = (struct git_arg){ 0 };
}

int git_arg_check(const char *text, struct err *e)
{
	struct git_arg a;
	int r = git_arg_parse(text, &a, e);
	git_arg_finish(&a);
	return r;
}

static int check_needs(const struct git_options *o, const struct git_arg *a,
	const struct command *cmd, struct err *e)
{
	const unsigned given = (o->credentials ? GIT_GIVEN_CREDENTIALS : 0) |
			       (o->key ? GIT_GIVEN_SSH_KEY : 0) | (o->agent ? GIT_GIVEN_AGENT : 0) |
			       (o->known_hosts ? GIT_GIVEN_KNOWN_HOSTS : 0) |
			       (o->ca ? GIT_GIVEN_CA : 0);
	const struct git_needs *n = git_needs_find(a->url, o->submodules, given);
	if (!n)
		return 0;
	char field[GIT_NEEDS_FIELD_SIZE];
	git_needs_field(n, field);
	const char *option = options_find_field(cmd, field)->name;
	err_set(e, ERR_BAD_VALUE, 0, "--%s means nothing where --git %s", option, n->where);
	err_hint(e, "leave --%s out, or give --git %s", option, n->form);
	return -EINVAL;
}

int git_arg_check_needs(const struct git_options *o, const struct command *cmd, struct err *e)
{
	struct git_arg a;
	int r = git_arg_parse(o->where, &a, e);
	if (r < 0)
		return err_wrap(e, "--git");
	r = check_needs(o, &a, cmd, e);
	git_arg_finish(&a);
	return r;
}

static int add_file(struct dayfly_task *t, const char *name, const char *option, const char *path,
	struct err *e)
{
	char *data = NULL;
	size_t len = 0;
	int r = path ? input_read(path, LIMIT_SECRET_BYTES, &data, &len, e) : 0;
	if (r == 0 && path) {
		r = dayfly_task_set_git_text(t, name, data, len);
		if (r < 0)
			err_set(e, ERR_BAD_VALUE, -r, "%s: it is no text", path);
	}
	if (r < 0)
		err_wrap(e, "%s", option);
	if (data)
		explicit_bzero(data, len);
	free(data);
	return r;
}

static int add_parsed(struct dayfly_task *t, const struct git_options *o, const struct git_arg *a,
	const char *commit, struct err *e)
{
	const char *ref = commit ? commit : o->ref ? o->ref : a->ref;
	unsigned flags = (o->full_history ? DAYFLY_GIT_FULL_HISTORY : 0) |
			 (o->refresh ? DAYFLY_GIT_REFRESH : 0) |
			 (o->submodules ? DAYFLY_GIT_SUBMODULES : 0);
	if (o->ref && a->ref) {
		err_set(e, ERR_BAD_VALUE, 0, "the ref is given twice");
		err_hint(e, "give it after \"@\" or with --git-ref");
		return -EINVAL;
	}
	if (o->credentials && a->credentials) {
		err_set(e, ERR_BAD_VALUE, 0, "a password is in the URL, and there are credentials");
		err_hint(e, "take it out of the URL");
		return -EINVAL;
	}
	int r = dayfly_task_set_git(t, a->url, ref, flags);
	if (r == 0 && a->credentials)
		r = dayfly_task_set_git_text(
			t, "credentials", a->credentials, strlen(a->credentials));
	return r < 0 ? err_set(e, ERR_BAD_VALUE, -r, "name the repository") : 0;
}

static int add_files(struct dayfly_task *t, const struct git_options *o, struct err *e)
{
	int r = add_file(t, "credentials", "--git-credentials", o->credentials, e);
	if (r == 0)
		r = add_file(t, "ssh_key", "--git-key", o->key, e);
	if (r == 0)
		r = add_file(t, "known_hosts", "--git-known-hosts", o->known_hosts, e);
	if (r == 0)
		r = add_file(t, "ca", "--git-ca", o->ca, e);
	if (r == 0 && o->agent && (r = dayfly_task_set_git_agent(t, o->agent_fd)) < 0) {
		err_set(e, ERR_INTERNAL, -r, "lend the ssh agent");
		err_wrap(e, "--git-agent");
	}
	return r;
}

int git_arg_add(
	struct dayfly_task *t, const struct git_options *o, const char *commit, struct err *e)
{
	struct git_arg a;
	int r = git_arg_parse(o->where, &a, e);
	if (r == 0)
		r = add_parsed(t, o, &a, commit, e);
	git_arg_finish(&a);
	if (r < 0)
		err_wrap(e, "--git");
	return r < 0 ? r : add_files(t, o, e);
}
