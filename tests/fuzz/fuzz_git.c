/* A line with the address of a repository, a line with a rule, a ref: what is taken is nothing that
 * git would read as an option or run a program for, shows no user of the web, and is its own
 * name's repository. */
#include "fuzz/text.h"
#include "git/modules.h"
#include "git/ref.h"
#include "git/url.h"

#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_url(const char *text, const char *rule)
{
	struct git_url u, again;
	struct err e;
	if (git_url_parse(text, &u, &e) < 0)
		return;
	if (text[0] == '-' || !u.path || !u.path[0] || !u.name || !u.shown)
		abort();
	if ((u.scheme == GIT_SCHEME_LOCAL) != !u.host || !u.host != !u.fetch)
		abort();
	if (u.host && (u.host[0] == '-' || u.path[0] == '-' || !u.port || strchr(u.host, '@')))
		abort();
	if ((u.scheme == GIT_SCHEME_HTTPS || u.scheme == GIT_SCHEME_HTTP) &&
		strncmp(strstr(u.shown, "://") + 3, u.host, strlen(u.host)) != 0)
		abort();
	/* What is shown means the same host and path. */
	if (git_url_parse(u.shown, &again, &e) < 0)
		abort();
	if (again.scheme != u.scheme || again.port != u.port || strcmp(again.path, u.path) != 0 ||
		!u.host != !again.host || (u.host && strcmp(u.host, again.host) != 0))
		abort();
	git_url_finish(&again);
	if (git_rule_check(rule, &e) == 0 && git_url_matches(&u, rule) && !u.host)
		abort();
	git_url_finish(&u);
}

static void check_ref(const char *text)
{
	char commit[GIT_COMMIT_SIZE];
	struct err e;
	bool is_good = git_ref_check(text, &e) == 0;
	if (is_good && (!text[0] || strchr("-+^:", text[0]) || strpbrk(text, " :*?[\\^~")))
		abort();
	if (git_ref_is_commit(text, commit) && (!is_good || strlen(commit) != GIT_COMMIT_LEN))
		abort();
}

/* No place but below the tree, no directory of this host from a server, no more than may be. */
static void check_modules(const char *text)
{
	struct git_modules ms = { 0 };
	struct git_url from;
	struct err e;
	if (git_url_parse("https://h/a/b", &from, &e) < 0)
		abort();
	for (int i = 0; i < 3; i++)
		git_modules_add(&ms, &from, i && ms.n ? &ms.list[0] : NULL, text, &e);
	if (ms.n > GIT_MODULES_MAX)
		abort();
	for (size_t i = 0; i < ms.n; i++) {
		const struct git_module *m = &ms.list[i];
		if (m->path[0] == '/' || m->path[0] == '-' || !strncmp(m->path, "../", 3) ||
			strstr(m->path, "/../") || strpbrk(m->path, "\n\t") || !m->url.host)
			abort();
	}
	free(git_modules_text(&ms));
	git_modules_finish(&ms);
	git_url_finish(&from);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *url = text_of(data, size), *rule = cut_line(url), *ref = cut_line(rule);
	check_url(url, rule);
	check_ref(ref);
	free(url);
	url = text_of(data, size);
	check_modules(url);
	free(url);
	return 0;
}
