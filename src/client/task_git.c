/* A task whose workspace is checked out of a repository of git. */
#include "base/fd.h"
#include "base/str.h"
#include "client/client_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

static json_t *git_of(struct dayfly_task *t)
{
	json_t *source = json_object_get(t->spec, "source");
	if (!source && json_object_set_new(t->spec, "source", source = json_object()) < 0)
		return NULL;
	json_t *git = json_object_get(source, "git");
	if (!git && json_object_set_new(source, "git", git = json_object()) < 0)
		return NULL;
	return git;
}

static int set(struct dayfly_task *t, const char *name, const char *data, size_t len)
{
	if (memchr(data, '\0', len) || !str_is_utf8(data, len))
		return -EILSEQ;
	json_t *git = git_of(t);
	return git && json_object_set_new(git, name, json_stringn(data, len)) == 0 ? 0 : -ENOMEM;
}

int dayfly_task_set_git(struct dayfly_task *t, const char *url, const char *ref, unsigned flags)
{
	if (flags &
		~(unsigned)(DAYFLY_GIT_FULL_HISTORY | DAYFLY_GIT_REFRESH | DAYFLY_GIT_SUBMODULES))
		return -EINVAL;
	int r = set(t, "url", url, strlen(url));
	if (r == 0 && ref)
		r = set(t, "ref", ref, strlen(ref));
	if (r == 0 && (flags & DAYFLY_GIT_FULL_HISTORY))
		r = set(t, "history", "full", 4);
	if (r == 0 && (flags & DAYFLY_GIT_REFRESH) &&
		json_object_set_new(git_of(t), "refresh", json_true()) < 0)
		r = -ENOMEM;
	if (r == 0 && (flags & DAYFLY_GIT_SUBMODULES) &&
		json_object_set_new(git_of(t), "submodules", json_true()) < 0)
		r = -ENOMEM;
	return r;
}

int dayfly_task_set_git_text(struct dayfly_task *t, const char *name, const void *data, size_t len)
{
	static const char *const names[] = { "credentials", "ssh_key", "known_hosts", "ca" };
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(name, names[i]))
			return set(t, name, data, len);
	return -EINVAL;
}

int dayfly_task_set_git_agent(struct dayfly_task *t, int dir_fd)
{
	int copy = git_of(t) ? fcntl(dir_fd, F_DUPFD_CLOEXEC, 3) : -ENOMEM;
	if (copy < 0)
		return copy == -ENOMEM ? copy : -errno;
	fd_close(&t->git_agent_fd);
	t->git_agent_fd = copy;
	return 0;
}

int task_describe_git_agent(
	const struct dayfly_task *t, json_t *task, int fds[LIMIT_REQUEST_FDS], size_t *n_fds)
{
	if (t->git_agent_fd < 0)
		return 0;
	/* The only member of the spec that names a descriptor: it is not the task's to change. */
	json_t *source = json_deep_copy(json_object_get(task, "source"));
	int r = member_set(task, "source", source);
	return r < 0 ? r
		     : member_set_fd(json_object_get(source, "git"), "agent", t->git_agent_fd, fds,
			       n_fds);
}
