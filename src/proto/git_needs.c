/* What counts for some addresses of repositories only: see git_needs.h. */
#include "proto/git_needs.h"

#include "base/cleanup.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define SSH_FORM "ssh://USER@HOST/PATH or USER@HOST:PATH"

enum kind { KIND_HTTPS = 1 << 0, KIND_HTTP = 1 << 1, KIND_SSH = 1 << 2, KIND_OTHER = 1 << 3 };

static const struct {
	unsigned kinds; /* of addresses */
	/* It is for submodules too, wherever theirs lead; the others are for those of the same
	 * server and scheme. */
	bool is_for_all;
	struct git_needs needs;
} fields[] = {
	{ KIND_HTTPS | KIND_HTTP, false,
		{ "credentials", "is not of https or http", "https://HOST/PATH" } },
	{ KIND_SSH, false, { "ssh_key", "is not of ssh", SSH_FORM } },
	{ KIND_SSH, false, { "agent", "is not of ssh", SSH_FORM } },
	{ KIND_SSH, true,
		{ "known_hosts", "is not of ssh and submodules are not asked for", SSH_FORM } },
	{ KIND_HTTPS, true,
		{ "ca", "is not of https and submodules are not asked for", "https://HOST/PATH" } },
};

/* Whether it is a good one is asked elsewhere. */
static enum kind kind_of(const char *url)
{
	static const struct {
		const char *begins;
		enum kind kind;
	} schemes[] = { { "https://", KIND_HTTPS }, { "http://", KIND_HTTP },
		{ "ssh://", KIND_SSH } };
	for (size_t i = 0; i < ARRAY_SIZE(schemes); i++)
		if (!strncasecmp(url, schemes[i].begins, strlen(schemes[i].begins)))
			return schemes[i].kind;
	/* [USER@]HOST:PATH */
	bool has_colon = url[strcspn(url, ":/")] == ':';
	return has_colon && !strstr(url, "://") ? KIND_SSH : KIND_OTHER;
}

const struct git_needs *git_needs_find(const char *url, bool has_submodules, unsigned given)
{
	const enum kind kind = kind_of(url);
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		bool is_used = fields[i].kinds & kind || (fields[i].is_for_all && has_submodules);
		if (given & 1u << i && !is_used)
			return &fields[i].needs;
	}
	return NULL;
}

void git_needs_field(const struct git_needs *n, char ret[GIT_NEEDS_FIELD_SIZE])
{
	snprintf(ret, GIT_NEEDS_FIELD_SIZE, "task.source.git.%s", n->name);
}
