/* What the scripts say: see report.h. */
#include "git/report.h"

#include "base/cleanup.h"
#include "base/str.h"
#include "base/units.h"
#include "git/script.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MAX 400

/* The rest of the line that begins with this word, or NULL. */
static const char *find_line(const char *out, const char *word, size_t *ret_len)
{
	size_t len = strlen(word);
	for (const char *line = out; line && *line;) {
		const char *end = strchrnul(line, '\n');
		if (!strncmp(line, word, len) && line[len] == ' ') {
			*ret_len = (size_t)(end - line) - len - 1;
			return line + len + 1;
		}
		line = *end ? end + 1 : end;
	}
	return NULL;
}

int git_report_fetched(const char *out, struct git_fetched *ret)
{
	char commit[GIT_COMMIT_SIZE];
	size_t len, had_len;
	const char *id = find_line(out, "commit", &len), *had = find_line(out, "had", &had_len);
	if (!id || len != GIT_COMMIT_LEN || !had || had_len != 1)
		return -EPROTO;
	memcpy(commit, id, len);
	commit[len] = '\0';
	ret->had = *had == '1';
	return git_ref_is_commit(commit, ret->commit) ? 0 : -EPROTO;
}

static int find_number(const char *out, const char *word, uint64_t max, uint64_t *ret)
{
	char digits[24];
	size_t len;
	const char *text = find_line(out, word, &len);
	if (!text || len >= sizeof(digits))
		return -EPROTO;
	memcpy(digits, text, len);
	digits[len] = '\0';
	return units_parse_uint(digits, max, ret) < 0 ? -EPROTO : 0;
}

int git_report_checked_out(const char *out, uint64_t *ret_bytes, uint64_t *ret_submodules)
{
	uint64_t kib, submodules;
	if (find_number(out, "kib", UINT64_MAX >> 10, &kib) < 0 ||
		find_number(out, "submodules", UINT32_MAX, &submodules) < 0)
		return -EPROTO;
	*ret_bytes = kib << 10;
	*ret_submodules = submodules;
	return 0;
}

/* ---- failures ---- */

/* The first that git's words hold tells what helps. */
static const struct {
	const char *words, *hint;
} hints[] = {
	{ "Host key verification failed",
		"the server's host key is not known: give its line of known_hosts (dayfly run "
		"--git-known-hosts FILE)" },
	{ "could not read Username", "it wants a user and a password: give credentials (dayfly run "
				     "--git-credentials FILE)" },
	{ "Authentication failed", "the credentials are not taken: give others" },
	{ "Permission denied (", "no key is taken: give an ssh_key or an agent that has one "
				 "(dayfly run --git-key FILE, --git-agent)" },
	{ "error: 403", "the server does not let this user read it: give other credentials" },
	{ "couldn't find remote ref", "there is no such branch or tag: `git ls-remote URL` lists "
				      "them; of a commit all 40 digits are needed" },
	{ "not our ref", "the server has no such commit" },
	{ "unadvertised object", "the server gives out no commits by their id: name a branch or "
				 "tag" },
	{ "redirect", "write the address that it redirects to" },
	{ "returned error: 30", "the server redirects, which is not followed: write the address "
				"that it redirects to" },
	{ "ertificate", "nobody whom this host trusts vouches for the server: give its ca" },
	{ "Could not resolve host", "no such host is known: is the name right?" },
	{ "Name or service not known", "no such host is known: is the name right?" },
	{ "Failed to connect", "the server cannot be reached" },
	{ "Connection refused", "the server cannot be reached" },
	{ "timed out", "the server does not answer" },
	{ "too slow", "the server does not answer" },
	{ "No space left", "the file system of the cache is full" },
	{ "mismatched algorithms",
		"its objects are named by SHA-256; only repositories with SHA-1 can be fetched" },
	{ "died of signal 9", "raise memory in [git] of dayflyd.conf" },
	{ "ut of memory", "raise memory in [git] of dayflyd.conf" },
	{ "File too large", "the repository is larger than the cache may be: cache_per_user in "
			    "[git] of dayflyd.conf" },
	{ "does not appear to be a git repository", "is it the path of a repository?" },
	{ "not found", "is it the address of a repository, and may this user read it?" },
};

/* Without "user:password@" after "://". */
static void take_users_out(char *text)
{
	for (char *mark = text; (mark = strstr(mark, "://"));) {
		mark += 3;
		size_t len = strcspn(mark, "/ '\"\n");
		const char *at = memrchr(mark, '@', len);
		if (at)
			memmove(mark, at + 1, strlen(at + 1) + 1);
	}
}

/* The last lines, on one. */
static void last_words(const char *errors, char out[WORDS_MAX])
{
	auto_free char *copy = strdup(errors);
	out[0] = '\0';
	if (!copy)
		return;
	take_users_out(copy);
	/* After any failure of ssh. */
	char *advice = strstr(copy, "\nPlease make sure you have the correct access");
	if (advice)
		*advice = '\0';
	size_t len = strlen(copy);
	while (len && copy[len - 1] == '\n')
		copy[--len] = '\0';
	char *start = copy;
	if (len > 180) {
		start = copy + len - 180;
		char *line = strchr(start, '\n');
		start = line ? line + 1 : start;
	}
	for (char *p = start; *p; p++)
		if (*p == '\n' || *p == '\t' || *p == '\r')
			*p = ' ';
	str_escape(start, strlen(start), out, WORDS_MAX);
}

static int fail(const char *what, const char *words, const char *hint, struct err *e)
{
	err_set_field(e, ERR_SOURCE_FAILED, "task.source.git", "%s%s%s", what, words[0] ? ": " : "",
		words);
	e->errnum = EIO;
	err_hint(e, "%s", hint);
	return -EIO;
}

int git_report_failure(
	const struct git_url *u, const char *ref, int status, const char *errors, struct err *e)
{
	char what[200], words[WORDS_MAX];
	last_words(errors, words);
	switch (status) {
	case GIT_SCRIPT_NO_COMMIT:
		snprintf(what, sizeof(what), "%.100s is no commit", ref);
		return fail(what, words, "name a branch, a tag of a commit, or a commit", e);
	case GIT_SCRIPT_TOO_LARGE:
		return fail("the commit's files are more than this daemon keeps", words,
			"raise cache_per_user in [git] of dayflyd.conf", e);
	case GIT_SCRIPT_DIFFERS:
		return fail("what was checked out is not what the commit says", words,
			"try again; if it stays so, look at the disk of the state directory", e);
	case GIT_SCRIPT_NO_PLACE:
		return fail("there is something else where a submodule is to lie", words,
			"leave submodules out", e);
	case 128 + SIGKILL:
		return fail("git wanted more memory than it has", words,
			"raise memory in [git] of dayflyd.conf", e);
	case 127:
		return fail("git is not there", words, "install git on this host", e);
	default:
		break;
	}
	snprintf(what, sizeof(what), "%.90s of %.90s cannot be had", ref, u->shown);
	for (size_t i = 0; i < ARRAY_SIZE(hints); i++)
		if (strstr(errors, hints[i].words))
			return fail(what, words, hints[i].hint, e);
	return fail(
		what, words, "the same with git on this host may tell more: git ls-remote URL", e);
}
