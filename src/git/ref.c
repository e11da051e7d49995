/* Names of branches, tags and commits: see ref.h. The rules are those of git-check-ref-format(1).
 */
#include "git/ref.h"

#include "base/limits.h"
#include "base/path.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#define SHA256_LEN 64

static bool is_good_part(const char *s, size_t len)
{
	static const char lock[] = ".lock";
	const size_t lock_len = sizeof(lock) - 1;
	return len && s[0] != '.' && s[len - 1] != '.' &&
	       !(len >= lock_len && !memcmp(s + len - lock_len, lock, lock_len));
}

static bool is_good(const char *text)
{
	size_t len = strlen(text);
	if (!len || len > LIMIT_REF_BYTES || text[0] == '-' || text[0] == '+' ||
		!strcmp(text, "@") || strstr(text, "..") || strstr(text, "@{"))
		return false;
	for (const char *p = text; *p; p++)
		if ((unsigned char)*p <= ' ' || *p == 127 || strchr("~^:?*[\\", *p))
			return false;
	return path_parts_are(text, len, is_good_part);
}

int git_ref_check(const char *text, struct err *e)
{
	if (strlen(text) == SHA256_LEN && strspn(text, "0123456789abcdefABCDEF") == SHA256_LEN) {
		err_set(e, ERR_BAD_VALUE, 0, "is a commit of a repository with SHA-256");
		err_hint(e, "only repositories with SHA-1 can be fetched, by commits of 40 digits");
		return -EINVAL;
	}
	if (is_good(text))
		return 0;
	err_set(e, ERR_BAD_VALUE, 0, "is no name that git takes for a branch, tag or commit");
	err_hint(e, "give a branch (main), a tag (v1.2), a full ref (refs/pull/7/head) or all 40 "
		    "digits of a commit");
	return -EINVAL;
}

bool git_ref_is_commit(const char *text, char out[GIT_COMMIT_SIZE])
{
	if (strlen(text) != GIT_COMMIT_LEN ||
		strspn(text, "0123456789abcdefABCDEF") != GIT_COMMIT_LEN)
		return false;
	for (size_t i = 0; i <= GIT_COMMIT_LEN; i++)
		out[i] = (char)tolower((unsigned char)text[i]);
	return true;
}
