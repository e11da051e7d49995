/* Submodules: see modules.h. */
#include "git/modules.h"

#include "base/cleanup.h"
#include "base/limits.h"
#include "base/path.h"
#include "base/str.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define PATH_MOST 1024

static int refuse(struct err *e, const char *path, const char *cause, const char *fix)
{
	char shown[200];
	str_escape(path, strnlen(path, 100), shown, sizeof(shown));
	err_set_field(e, ERR_SOURCE_FAILED, "task.source.git.submodules", "the submodule %s %s",
		shown, cause);
	err_hint(e, "%s", fix);
	return -EINVAL;
}

static int no_memory(struct err *e)
{
	return err_set(e, ERR_INTERNAL, ENOMEM, "read what submodules there are");
}

/* ---- addresses ---- */

/* The part of an address that "../" may go up in: behind the host. */
static size_t path_at(const char *text)
{
	const char *mark = strstr(text, "://");
	if (mark)
		return (size_t)(mark + 3 - text) + strcspn(mark + 3, "/");
	if (text[0] == '/')
		return 0;
	const char *bracket = strchr(text, ']'), *colon = strchr(bracket ? bracket : text, ':');
	return colon ? (size_t)(colon + 1 - text) : 0;
}

static int refuse_up(struct err *e)
{
	err_set(e, ERR_BAD_VALUE, 0, "leads out of the host of its repository");
	err_hint(e, "write the whole address in .gitmodules");
	return -EINVAL;
}

/* As git puts them together, but that it never leaves the host. */
static int join(const char *base, const char *rel, char **ret, struct err *e)
{
	size_t floor = path_at(base), len = strlen(base);
	while (len > floor && base[len - 1] == '/')
		len--;
	while (rel[0] == '.') {
		if (rel[1] == '/') {
			rel += 2;
			continue;
		}
		if (rel[1] != '.' || rel[2] != '/')
			break;
		rel += 3;
		if (len <= floor)
			return refuse_up(e);
		while (len > floor && base[len - 1] != '/')
			len--;
		while (len > floor && base[len - 1] == '/')
			len--;
	}
	/* "HOST:x" has no slash before its path. */
	bool is_home = len == floor && floor && base[floor - 1] == ':' && base[floor] != '/';
	const char *slash = is_home ? "" : "/";
	return asprintf(ret, "%.*s%s%s", (int)len, base, slash, rel) < 0 ? -ENOMEM : 0;
}

/* "./PATH", and "../NAME" beside it, that go nowhere else on their way. */
static bool is_near(const char *text)
{
	bool is_beside = str_starts(text, "../");
	if (!is_beside && !str_starts(text, "./"))
		return false;
	const char *path = text + (is_beside ? 3 : 2);
	size_t len = strlen(path);
	if (len && path[len - 1] == '/')
		len--;
	if (is_beside && memchr(path, '/', len))
		return false;
	return path_parts_are(path, len, path_part_is_name);
}

/* A commit chooses no directory of this host, except near the one that the user named: git itself
 * takes none at all (protocol.file.allow, CVE-2022-39253). */
static int check_local(const struct git_url *from, const char *text, struct err *e)
{
	if (from->scheme != GIT_SCHEME_LOCAL) {
		err_set(e, ERR_BAD_VALUE, 0,
			"is a directory of this host, and its repository is not");
		err_hint(e, "write an address that others can use in .gitmodules");
		return -EINVAL;
	}
	if (is_near(text))
		return 0;
	err_set(e, ERR_BAD_VALUE, 0,
		"is a directory of this host that is neither in its repository nor beside it");
	err_hint(e, "write ./PATH or ../NAME in .gitmodules, or the address of a server");
	return -EINVAL;
}

int git_module_url(const struct git_url *from, const char *text, struct git_url *ret, struct err *e)
{
	auto_free char *joined = NULL;
	const char *whole = text;
	if (str_starts(text, "./") || str_starts(text, "../")) {
		int r = join(from->fetch ? from->fetch : from->path, text, &joined, e);
		if (r < 0) {
			joined = r == -ENOMEM ? NULL : joined;
			return r == -ENOMEM ? no_memory(e) : r;
		}
		whole = joined;
	}
	int r = git_url_parse(whole, ret, e);
	if (r < 0 || ret->scheme != GIT_SCHEME_LOCAL)
		return r;
	r = check_local(from, text, e);
	if (r < 0)
		git_url_finish(ret);
	return r;
}

/* ---- paths ---- */

static bool is_good_part(const char *s, size_t len)
{
	return path_part_is_name(s, len) && len <= NAME_MAX && s[0] != '-' &&
	       !(len == 4 && !strncasecmp(s, ".git", 4));
}

static bool is_good_path(const char *path)
{
	size_t len = strlen(path);
	if (len >= PATH_MOST || strchr(path, '\\') || path[0] == '"')
		return false;
	for (const char *p = path; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 127)
			return false;
	return path_parts_are(path, len, is_good_part);
}

/* ---- what the script says ---- */

/* The next line that begins with this word; NULL at the end. *at goes behind it. */
static const char *next_line(const char **at, const char *word, size_t *ret_len)
{
	size_t len = strlen(word);
	while (**at) {
		const char *line = *at, *end = strchrnul(line, '\n');
		*at = *end ? end + 1 : end;
		if (strncmp(line, word, len) != 0)
			continue;
		*ret_len = (size_t)(end - line) - len;
		return line + len;
	}
	return NULL;
}

/* Of "submodule.NAME.KEY VALUE": the value, if the key is this. */
static const char *value_of(
	const char *line, size_t len, const char *key, size_t *ret_name_len, size_t *ret_len)
{
	static const char prefix[] = "submodule.";
	size_t prefix_len = sizeof(prefix) - 1, key_len = strlen(key);
	if (len <= prefix_len || strncmp(line, prefix, prefix_len) != 0)
		return NULL;
	/* A name may have spaces in it, a value too: the key is what has a name before it. */
	const char *found = memmem(line + prefix_len, len - prefix_len, key, key_len);
	if (!found)
		return NULL;
	*ret_name_len = (size_t)(found - line);
	*ret_len = len - *ret_name_len - key_len;
	return found + key_len;
}

/* The address of the one whose path this is. Returns a copy, or NULL. */
static char *find_url(const char *out, const char *path)
{
	size_t len, name_len, value_len;
	const char *at = out, *line, *name = NULL, *value;
	size_t of_len = 0;
	while (!name && (line = next_line(&at, "module ", &len))) {
		value = value_of(line, len, ".path ", &name_len, &value_len);
		if (value && value_len == strlen(path) && !memcmp(value, path, value_len)) {
			name = line;
			of_len = name_len;
		}
	}
	at = out;
	while (name && (line = next_line(&at, "module ", &len))) {
		value = value_of(line, len, ".url ", &name_len, &value_len);
		if (value && name_len == of_len && !memcmp(line, name, name_len))
			return strndup(value, value_len);
	}
	return NULL;
}

/* "./x" lies in what a commit has written, and so does what is beside that. */
static size_t root_len(const struct git_url *from, const struct git_module *parent,
	const char *text, const struct git_module *m)
{
	size_t whole = strlen(from->path), root = parent ? parent->root_len : whole;
	return root == whole && str_starts(text, "../") ? strlen(m->url.path) : root;
}

static int fill(struct git_module *m, const struct git_url *from, const struct git_module *parent,
	const char *out, const char *path, struct err *e)
{
	auto_free char *url = find_url(out, path);
	m->depth = parent ? parent->depth + 1 : 1;
	if (m->depth > GIT_MODULES_DEPTH)
		return refuse(e, path, "lies in too many others",
			"at most 8 may lie in one another; leave submodules out");
	if (!url)
		return refuse(e, path, "has no address: .gitmodules does not name it",
			"add it to .gitmodules, or leave submodules out");
	int r = git_module_url(from, url, &m->url, e);
	if (r < 0) {
		char cause[sizeof(e->msg)], hint[sizeof(e->hint)];
		snprintf(cause, sizeof(cause), "has an address that %.200s", e->msg);
		snprintf(hint, sizeof(hint), "%s", e->hint);
		return refuse(e, path, cause, hint);
	}
	git_key_make(m->url.name, m->key);
	if (m->url.scheme == GIT_SCHEME_LOCAL)
		m->root_len = root_len(from, parent, url, m);
	return asprintf(&m->path, "%s%s%s", parent ? parent->path : "", parent ? "/" : "", path) < 0
		       ? (m->path = NULL, no_memory(e))
		       : 0;
}

/* line: "COMMIT PATH". */
static int add_one(struct git_modules *ms, const struct git_url *from,
	const struct git_module *parent, const char *out, const char *line, size_t len,
	struct err *e)
{
	char digits[GIT_COMMIT_SIZE];
	auto_free char *path = NULL;
	struct git_module m = { 0 };
	if (len <= GIT_COMMIT_SIZE || line[GIT_COMMIT_LEN] != ' ')
		return refuse(e, "", "cannot be read", "try again without submodules");
	memcpy(digits, line, GIT_COMMIT_LEN);
	digits[GIT_COMMIT_LEN] = '\0';
	path = strndup(line + GIT_COMMIT_SIZE, len - GIT_COMMIT_SIZE);
	if (!path)
		return no_memory(e);
	if (!is_good_path(path))
		return refuse(e, path, "has a path that is not taken",
			"give it a plain one, or leave submodules out");
	if (ms->n == GIT_MODULES_MAX)
		return refuse(e, path, "is one too many",
			"there may be 64 of them; leave submodules out");
	int r = git_ref_is_commit(digits, m.commit)
			? fill(&m, from, parent, out, path, e)
			: refuse(e, path, "has no commit", "leave submodules out");
	struct git_module *list = r < 0 ? NULL : realloc(ms->list, (ms->n + 1) * sizeof(*list));
	if (!list) {
		git_url_finish(&m.url);
		free(m.path);
		return r < 0 ? r : no_memory(e);
	}
	ms->list = list;
	ms->list[ms->n++] = m;
	return 0;
}

int git_modules_add(struct git_modules *ms, const struct git_url *from,
	const struct git_module *parent, const char *out, struct err *e)
{
	size_t len;
	int r = 0;
	const char *at = out, *line;
	/* The list moves when it grows. */
	struct git_module of = parent ? *parent : (struct git_module){ 0 };
	struct git_url at_url = *from;
	while (r == 0 && (line = next_line(&at, "link ", &len)))
		r = add_one(ms, &at_url, parent ? &of : NULL, out, line, len, e);
	at = out;
	if (r == 0 && !next_line(&at, "end", &len))
		return refuse(e, parent ? of.path : "list", "is cut off: it is too long",
			"leave submodules out");
	return r;
}

void git_modules_finish(struct git_modules *ms)
{
	for (size_t i = 0; i < ms->n; i++) {
		free(ms->list[i].path);
		git_url_finish(&ms->list[i].url);
	}
	free(ms->list);
	*ms = (struct git_modules){ 0 };
}

char *git_modules_text(const struct git_modules *ms)
{
	char *text = strdup("");
	for (size_t i = 0; text && i < ms->n; i++) {
		const struct git_module *m = &ms->list[i];
		char *more = NULL;
		int n = asprintf(&more, "%s%s\t%s\t%s\t%s\n", text, m->key, m->commit, m->url.shown,
			m->path);
		free(text);
		text = n < 0 ? NULL : more;
	}
	return text;
}
