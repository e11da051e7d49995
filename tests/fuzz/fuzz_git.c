/* A line with the address of a repository, a line with a rule, a ref: what is taken is nothing that
 * git would read as an option or run a program for, shows no user of the web, and is its own
 * name's repository. */
#include "fuzz/text.h"
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *url = text_of(data, size), *rule = cut_line(url), *ref = cut_line(rule);
	check_url(url, rule);
	check_ref(ref);
	free(url);
	return 0;
}
