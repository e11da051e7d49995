/* What git ignores: see ignored.h. */
#include "cli/ignored.h"

#include "base/cleanup.h"
#include "base/str.h"
#include "cli/git_here.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Repositories below each other, and all of them. */
#define DEPTH_MAX 16
#define REPOS_MAX 4096

struct search {
	const char *root;
	ignored_fn fn;
	void *owner;
	unsigned n_repos;
};

/* git with these arguments. Returns the length of *ret (the caller's) or -errno. */
static ssize_t run_git(const char *dir, const char *const *args, char **ret, struct err *e)
{
	auto_free char *said = NULL;
	ssize_t n = git_here(dir, args, ret, &said, e);
	/* Rules in an object that a partial clone has not got: git warns, and goes on without them.
	 */
	if (n < 0 || !strstr(said, "lazy fetching disabled"))
		return n;
	err_set(e, ERR_SOURCE, 0, "git in %.300s lacks objects that may say what is ignored", dir);
	err_hint(e, "`git status` there fetches them");
	return -ENODATA;
}

static char *join(const char *a, const char *b)
{
	char *out = NULL;
	return asprintf(&out, "%s%s%s", a, *a ? "/" : "", b) < 0 ? NULL : out;
}

static int collect(struct search *s, const char *rel, int depth, struct err *e);

static int tell_elsewhere(const struct search *s, struct err *e)
{
	return err_set(e, ERR_SOURCE, 0,
		"git has its work tree elsewhere than in %.300s (core.worktree)", s->root);
}

/* What git says is a path below: else its work tree is not this directory. */
static int check_path(const struct search *s, const char *path, struct err *e)
{
	if (!strcmp(path, "./"))
		return err_set(e, ERR_SOURCE, 0,
			"git ignores the whole of %.300s, in the repository around it", s->root);
	return path[0] == '/' || !strcmp(path, "..") || str_starts(path, "../")
		       ? tell_elsewhere(s, e)
		       : 0;
}

/* A repository of its own below this one, if it is there. */
static int go_into(struct search *s, const char *rel, const char *name, int depth, struct err *e)
{
	struct stat st;
	auto_free char *path = join(rel, name);
	if (!path)
		return err_set(e, ERR_INTERNAL, ENOMEM, "go through repositories");
	size_t len = strlen(path);
	while (len && path[len - 1] == '/')
		path[--len] = '\0';
	auto_free char *dir = join(s->root, path);
	auto_free char *git = dir ? join(dir, ".git") : NULL;
	if (!git)
		return err_set(e, ERR_INTERNAL, ENOMEM, "go through repositories");
	if (lstat(dir, &st) < 0 || !S_ISDIR(st.st_mode) || lstat(git, &st) < 0)
		return 0;
	return collect(s, path, depth + 1, e);
}

static ssize_t list_below(
	const struct search *s, const char *rel, const char *const *args, char **ret, struct err *e)
{
	auto_free char *dir = *rel ? join(s->root, rel) : strdup(s->root);
	return dir ? run_git(dir, args, ret, e)
		   : err_set(e, ERR_INTERNAL, ENOMEM, "go through repositories");
}

/* core.worktree may lead git anywhere: then it lists what is there, by names as innocent as ours.
 */
static int check_inside(const struct search *s, const char *rel, struct err *e)
{
	static const char *const args[] = { "rev-parse", "--is-inside-work-tree", NULL };
	auto_free char *out = NULL;
	ssize_t n = list_below(s, rel, args, &out, e);
	if (n < 0)
		return (int)n;
	return strcmp(out, "true\n") != 0 ? tell_elsewhere(s, e) : 0;
}

static int tell_ignored(struct search *s, const char *rel, struct err *e)
{
	static const char *const args[] = { "ls-files", "-z", "--others", "--ignored",
		"--exclude-standard", "--directory", NULL };
	auto_free char *out = NULL;
	ssize_t n = list_below(s, rel, args, &out, e);
	for (char *p = out; n >= 0 && p < out + n; p += strlen(p) + 1) {
		int r = check_path(s, p, e);
		auto_free char *path = join(rel, p);
		if (r == 0)
			r = path ? s->fn(s->owner, path) : -ENOMEM;
		if (r < 0)
			return e->msg[0] ? r : err_set(e, ERR_TOO_LARGE, -r, "leave out %s", p);
	}
	return n < 0 ? (int)n : 0;
}

/* Submodules are entries of the index of mode 160000: "160000 SHA STAGE\tPATH". */
static int search_submodules(struct search *s, const char *rel, int depth, struct err *e)
{
	static const char *const args[] = { "ls-files", "-z", "--stage", NULL };
	auto_free char *out = NULL;
	ssize_t n = list_below(s, rel, args, &out, e);
	int r = n < 0 ? (int)n : 0;
	for (char *p = out; r == 0 && p < out + n; p += strlen(p) + 1) {
		const char *tab = strchr(p, '\t');
		if (tab && str_starts(p, "160000 "))
			r = go_into(s, rel, tab + 1, depth, e);
	}
	return r;
}

/* Other repositories are shown as directories, and only those. */
static int search_others(struct search *s, const char *rel, int depth, struct err *e)
{
	static const char *const args[] = { "ls-files", "-z", "--others", "--exclude-standard",
		NULL };
	auto_free char *out = NULL;
	ssize_t n = list_below(s, rel, args, &out, e);
	int r = n < 0 ? (int)n : 0;
	for (char *p = out; r == 0 && p < out + n; p += strlen(p) + 1)
		if (*p && p[strlen(p) - 1] == '/' && strcmp(p, "./") != 0)
			r = go_into(s, rel, p, depth, e);
	return r;
}

static int collect(struct search *s, const char *rel, int depth, struct err *e)
{
	if (depth > DEPTH_MAX || s->n_repos++ > REPOS_MAX)
		return err_set(e, ERR_TOO_LARGE, 0,
			"%.300s has too many repositories in it, or too many below each other",
			s->root);
	int r = check_inside(s, rel, e);
	if (r == 0)
		r = tell_ignored(s, rel, e);
	if (r == 0)
		r = search_submodules(s, rel, depth, e);
	return r == 0 ? search_others(s, rel, depth, e) : r;
}

int ignored_each(const char *dir, ignored_fn fn, void *owner, struct err *e)
{
	struct search s = { .root = dir, .fn = fn, .owner = owner };
	*e = (struct err){ 0 };
	return collect(&s, "", 0, e);
}
