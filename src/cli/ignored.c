/* What git ignores: see ignored.h. */
#include "cli/ignored.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Repositories below each other, and all of them. */
#define DEPTH_MAX 16
#define REPOS_MAX 4096
#define ARGS_MAX  8

extern char **environ;

struct search {
	const char *root;
	ignored_fn fn;
	void *owner;
	unsigned n_repos;
};

/* Ours, but nothing that makes another repository, index or work tree of it. The texts are
 * borrowed.
 */
static char **git_environment(void)
{
	static const char *const kept[] = { "GIT_CONFIG_GLOBAL=", "GIT_CONFIG_SYSTEM=",
		"GIT_CONFIG_NOSYSTEM=", "GIT_CEILING_DIRECTORIES=", "GIT_EXEC_PATH=" };
	static char *const added[] = { "GIT_OPTIONAL_LOCKS=0", "GIT_NO_LAZY_FETCH=1",
		/* Above any protocol.NAME.allow of the repository's own. */
		"GIT_ALLOW_PROTOCOL=none", "GIT_TERMINAL_PROMPT=0", "LC_ALL=C" };
	char **env = calloc(strv_len(environ) + ARRAY_SIZE(added) + 1, sizeof(*env));
	size_t n = 0;
	for (char **v = environ; env && v && *v; v++) {
		bool is_kept = !str_starts(*v, "GIT_") && !str_starts(*v, "LC_ALL=");
		for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
			is_kept = is_kept || str_starts(*v, kept[i]);
		if (is_kept)
			env[n++] = *v;
	}
	for (size_t i = 0; env && i < ARRAY_SIZE(added); i++)
		env[n++] = added[i];
	return env;
}

/* Its output goes to files in memory: whatever it writes, it never waits for us. */
static int spawn_git(const char *dir, const char *const *args, int out_fd, int err_fd, pid_t *pid)
{
	const char *argv[16 + ARGS_MAX] = { "git", "-C", dir,
		/* A program of the repository's that would be asked what has changed. */
		"-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null",
		/* In a partial clone, for an object that is not there. */
		"-c", "protocol.allow=never" };
	size_t n = 0;
	while (argv[n])
		n++;
	for (size_t i = 0; i < ARGS_MAX && args[i]; i++)
		argv[n++] = args[i];
	auto_free char **env = git_environment();
	posix_spawn_file_actions_t actions;
	if (!env || posix_spawn_file_actions_init(&actions) != 0)
		return -ENOMEM;
	int r = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	if (r == 0)
		r = posix_spawn_file_actions_adddup2(&actions, out_fd, STDOUT_FILENO);
	if (r == 0)
		r = posix_spawn_file_actions_adddup2(&actions, err_fd, STDERR_FILENO);
	if (r == 0)
		r = posix_spawnp(pid, "git", &actions, NULL, (char *const *)argv, env);
	posix_spawn_file_actions_destroy(&actions);
	return -r;
}

/* Everything that is in a file in memory, with a NUL behind it. *ret is the caller's. */
static ssize_t read_back(int fd, char **ret)
{
	struct stat st;
	if (fstat(fd, &st) < 0)
		return -errno;
	char *data = calloc(1, (size_t)st.st_size + 1);
	if (!data)
		return -ENOMEM;
	ssize_t n = pread(fd, data, (size_t)st.st_size, 0);
	if (n < 0) {
		free(data);
		return -errno;
	}
	*ret = data;
	return n;
}

static int explain(const char *dir, int err_fd, int status, struct err *e)
{
	auto_free char *said = NULL;
	char shown[200];
	if (read_back(err_fd, &said) < 0)
		said = NULL;
	const char *line = said ? said : "";
	str_escape(line, strcspn(line, "\n"), shown, sizeof(shown));
	if (WIFEXITED(status) && shown[0])
		return err_set(e, ERR_SOURCE, 0, "git in %.300s: %s", dir, shown);
	return err_set(e, ERR_SOURCE, 0, "git in %.300s ended with status %d", dir,
		WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

/* Rules in an object that a partial clone has not got: git warns, and goes on without them. */
static bool lacks_objects(int err_fd)
{
	auto_free char *said = NULL;
	return read_back(err_fd, &said) < 0 || strstr(said, "lazy fetching disabled");
}

/* git with these arguments. Returns the length of *ret (the caller's) or -errno. */
static ssize_t run_git(const char *dir, const char *const *args, char **ret, struct err *e)
{
	pid_t pid;
	int status = 0;
	auto_close int out = memfd_create("git-out", MFD_CLOEXEC);
	auto_close int err = memfd_create("git-err", MFD_CLOEXEC);
	if (out < 0 || err < 0)
		return err_set(e, ERR_INTERNAL, errno, "make a file in memory");
	int r = spawn_git(dir, args, out, err, &pid);
	if (r < 0)
		return err_set(e, ERR_SOURCE, -r, "run git");
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return err_set(e, ERR_INTERNAL, errno, "wait for git");
	if (status != 0)
		return explain(dir, err, status, e);
	if (lacks_objects(err)) {
		err_set(e, ERR_SOURCE, 0,
			"git in %.300s lacks objects that may say what is ignored", dir);
		err_hint(e, "`git status` there fetches them");
		return -ENODATA;
	}
	ssize_t n = read_back(out, ret);
	return n < 0 ? err_set(e, ERR_INTERNAL, (int)-n, "read what git has said") : n;
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
