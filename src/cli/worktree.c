/* A workspace whose git directory is outside: see worktree.h. */
#include "cli/worktree.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CONFIG_BYTES (256u << 10)

void worktree_finish(struct worktree *w)
{
	fd_close(&w->git_fd);
	free(w->target);
	w->target = NULL;
}

/* A text that is the caller's; NULL: no memory. */
__attribute__((format(printf, 1, 2))) static char *text(const char *fmt, ...)
{
	char *out = NULL;
	va_list ap;
	va_start(ap, fmt);
	int n = vasprintf(&out, fmt, ap);
	va_end(ap);
	return n < 0 ? NULL : out;
}

/* A small regular file, whole. NULL: there is none, or it is none. */
static char *read_small(const char *path, size_t max)
{
	struct stat st;
	char *data = NULL;
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || (size_t)st.st_size > max)
		return NULL;
	data = calloc(1, (size_t)st.st_size + 1);
	if (!data || fd_read_all(fd, data, (size_t)st.st_size) < 0) {
		free(data);
		return NULL;
	}
	return data;
}

/* The one line of a file, without its end. */
static char *read_line(const char *dir, const char *name)
{
	auto_free char *path = text("%s/%s", dir, name);
	char *line = path ? read_small(path, PATH_MAX + 64) : NULL;
	if (line)
		line[strcspn(line, "\r\n")] = '\0';
	return line;
}

/* The path as git reads it: seen from `base` where it is relative. */
static char *seen_from(const char *base, const char *path)
{
	return path[0] == '/' ? strdup(path) : text("%s/%s", base, path);
}

/* Whether the two paths are one file. */
static bool is_same(const char *a, const char *b)
{
	struct stat sa, sb;
	return a && b && stat(a, &sa) == 0 && stat(b, &sb) == 0 && sa.st_dev == sb.st_dev &&
	       sa.st_ino == sb.st_ino;
}

/* What git itself asks of one. */
static bool is_git_dir(const char *dir)
{
	static const char *const parts[] = { "HEAD", "objects", "refs" };
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		struct stat st;
		auto_free char *path = text("%s/%s", dir, parts[i]);
		if (!path || stat(path, &st) < 0 || S_ISDIR(st.st_mode) != (i > 0))
			return false;
	}
	return true;
}

/* By which a directory that is open can be reached, whatever becomes of its name. */
static char *path_of(int fd)
{
	return text("/proc/self/fd/%d", fd);
}

static int open_dir(const char *path)
{
	return path ? open(path, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
}

/*
 * COMMON/worktrees/NAME has a file `gitdir` with the path of the worktree's .git. Returns COMMON's
 * descriptor, or -1.
 */
static int open_common(const char *git_dir, const char *dir)
{
	auto_free char *back = read_line(git_dir, "gitdir");
	auto_free char *named = back ? seen_from(git_dir, back) : NULL;
	auto_free char *own = text("%s/.git", dir);
	auto_free char *up = text("%s/../..", git_dir);
	auto_close int fd = is_same(named, own) ? open_dir(up) : -1;
	auto_free char *common = fd < 0 ? NULL : path_of(fd);
	auto_free char *real = realpath(git_dir, NULL);
	if (!common || !real || !is_git_dir(common))
		return -1;
	auto_free char *again = text("%s/worktrees/%s", common, strrchr(real, '/') + 1);
	return is_same(again, git_dir) ? fd_take(&fd) : -1;
}

/* The value of core.worktree in a git directory's own config: "worktree = ../../sub" in [core]. */
static char *configured_worktree(const char *git_dir)
{
	auto_free char *path = text("%s/config", git_dir);
	auto_free char *config = path ? read_small(path, CONFIG_BYTES) : NULL;
	bool is_core = false;
	char *found = NULL, *rest = NULL;
	for (char *line = config ? strtok_r(config, "\n", &rest) : NULL; line;
		line = strtok_r(NULL, "\n", &rest)) {
		line += strspn(line, " \t");
		if (line[0] == '[')
			is_core = !strncasecmp(line, "[core]", 6);
		size_t name = strcspn(line, " \t=");
		if (!is_core || name != 8 || strncasecmp(line, "worktree", 8) != 0)
			continue;
		char *value = strchr(line, '=');
		if (!value)
			continue;
		value += 1 + strspn(value + 1, " \t");
		value[strcspn(value, "\r")] = '\0';
		free(found);
		found = seen_from(git_dir, value);
	}
	return found;
}

static bool is_submodule(const char *git_dir, const char *dir)
{
	auto_free char *worktree = configured_worktree(git_dir);
	return is_same(worktree, dir) && is_git_dir(git_dir);
}

/* The path in .git without its last `n` parts, if that is a plain absolute one: git will go that
 * way.
 */
static char *written_target(const char *written, int n)
{
	if (written[0] != '/' || strstr(written, "/..") || strstr(written, "//"))
		return NULL;
	char *out = strdup(written);
	for (int i = 0; out && i < n; i++) {
		char *slash = strrchr(out, '/');
		if (slash)
			*slash = '\0';
	}
	return out;
}

static bool is_inside(const char *path, const char *dir)
{
	size_t len = strlen(dir);
	return str_starts(path, dir) && (path[len] == '/' || path[len] == '\0');
}

static int find(const char *dir, const char *written, struct worktree *ret, char **ret_why)
{
	auto_free char *seen = seen_from(dir, written);
	auto_close int fd = open_dir(seen);
	int errnum = errno;
	auto_free char *git_dir = fd < 0 ? NULL : path_of(fd);
	auto_free char *real = git_dir ? realpath(git_dir, NULL) : NULL;
	if (!real) {
		*ret_why = text("its .git names %s: %s", written, strerror(errnum));
		return *ret_why ? 0 : -ENOMEM;
	}
	if (is_inside(real, dir))
		return 0;
	ret->git_fd = open_common(git_dir, dir);
	int n_cut = ret->git_fd < 0 ? 0 : 2;
	if (ret->git_fd < 0 && is_submodule(git_dir, dir))
		ret->git_fd = fd_take(&fd);
	if (ret->git_fd < 0) {
		*ret_why = text("its .git names %s, which does not name it in turn", real);
		return *ret_why ? 0 : -ENOMEM;
	}
	ret->target = written_target(written, n_cut);
	return 0;
}

int worktree_find(const char *dir, struct worktree *ret, char **ret_why, struct err *e)
{
	static const char prefix[] = "gitdir:";
	struct stat st;
	*ret = (struct worktree){ .git_fd = -1 };
	*ret_why = NULL;
	auto_free char *real = realpath(dir, NULL);
	auto_free char *path = real ? text("%s/.git", real) : NULL;
	/* A directory: everything is inside. Nothing: that is none of git's. */
	if (!path || lstat(path, &st) < 0 || !S_ISREG(st.st_mode))
		return 0;
	auto_free char *line = read_line(real, ".git");
	if (!line || !str_starts(line, prefix))
		return 0;
	const char *written = line + strlen(prefix);
	written += strspn(written, " \t");
	int r = find(real, written, ret, ret_why);
	if (r == 0)
		return 0;
	worktree_finish(ret);
	return err_set(e, ERR_INTERNAL, -r, "look at %s", path);
}
