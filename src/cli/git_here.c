/* Running git here: see git_here.h. */
#include "cli/git_here.h"

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

extern char **environ;

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
	const char *argv[16 + GIT_HERE_ARGS_MAX] = { "git", "-C", dir,
		/* A program of the repository's that would be asked what has changed. */
		"-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null",
		/* In a partial clone, for an object that is not there. */
		"-c", "protocol.allow=never" };
	size_t n = 0;
	while (argv[n])
		n++;
	for (size_t i = 0; i < GIT_HERE_ARGS_MAX && args[i]; i++)
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

ssize_t git_here(
	const char *dir, const char *const *args, char **ret, char **ret_said, struct err *e)
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
	auto_free char *said = NULL;
	ssize_t n = ret_said ? read_back(err, &said) : 0;
	if (n >= 0)
		n = read_back(out, ret);
	if (n < 0)
		return err_set(e, ERR_INTERNAL, (int)-n, "read what git has said");
	if (ret_said)
		*ret_said = take_ptr(said);
	return n;
}
