/* Where a daemon's socket may be: see paths.h. */
#include "client/paths.h"

#include "base/cleanup.h"
#include "client/error.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define SOCKET_NAME "dayfly.sock"

void paths_env_init(struct paths_env *env)
{
	*env = (struct paths_env){
		.dayfly_socket = getenv("DAYFLY_SOCKET"),
		.xdg_runtime_dir = getenv("XDG_RUNTIME_DIR"),
		.run_user = "/run/user",
		.tmp = "/tmp",
		.system_socket = "/run/dayfly/" SOCKET_NAME,
		.uid = geteuid(),
	};
}

enum paths_trust paths_check_dir(const char *path, uid_t uid)
{
	struct stat st;
	if (lstat(path, &st) < 0)
		return errno == ENOENT ? PATHS_MISSING : PATHS_FOREIGN;
	if (!S_ISDIR(st.st_mode) || st.st_uid != uid || (st.st_mode & (S_IWGRP | S_IWOTH)))
		return PATHS_FOREIGN;
	return PATHS_OURS;
}

/*
 * The private directories in order of preference; false past the last. `base` is the directory that
 * must be there and ours first, "" for the one in /tmp, which is nobody's.
 */
static bool private_dir(
	const struct paths_env *env, size_t i, char base[PATHS_SIZE], char dir[PATHS_SIZE])
{
	int n = 0, m = 0;
	base[0] = dir[0] = '\0';
	switch (i) {
	case 0:
		if (env->xdg_runtime_dir && env->xdg_runtime_dir[0] == '/') {
			n = snprintf(base, PATHS_SIZE, "%s", env->xdg_runtime_dir);
			m = snprintf(dir, PATHS_SIZE, "%s/dayfly", env->xdg_runtime_dir);
		}
		break;
	case 1:
		n = snprintf(base, PATHS_SIZE, "%s/%u", env->run_user, (unsigned)env->uid);
		m = snprintf(dir, PATHS_SIZE, "%s/%u/dayfly", env->run_user, (unsigned)env->uid);
		break;
	case 2:
		m = snprintf(dir, PATHS_SIZE, "%s/dayfly-%u", env->tmp, (unsigned)env->uid);
		break;
	default:
		return false;
	}
	/* Too long for a socket's address: not a place. */
	if (n >= (int)PATHS_SIZE || m + 1 + (int)sizeof(SOCKET_NAME) > (int)PATHS_SIZE)
		dir[0] = '\0';
	return true;
}

static void add_candidate(struct paths_candidates *c, const char *dir)
{
	char path[PATHS_SIZE];
	if (snprintf(path, sizeof(path), "%s/" SOCKET_NAME, dir) >= (int)sizeof(path))
		return;
	for (size_t i = 0; i < c->n; i++)
		if (!strcmp(c->path[i], path))
			return;
	memcpy(c->path[c->n++], path, sizeof(path));
}

void paths_find(const struct paths_env *env, struct paths_candidates *ret)
{
	char base[PATHS_SIZE], dir[PATHS_SIZE];
	ret->n = 0;
	for (size_t i = 0; private_dir(env, i, base, dir); i++) {
		if (!dir[0] || paths_check_dir(dir, env->uid) != PATHS_OURS)
			continue;
		if (base[0] && paths_check_dir(base, env->uid) != PATHS_OURS)
			continue;
		add_candidate(ret, dir);
	}
	if (ret->n < PATHS_CANDIDATES_MAX)
		snprintf(ret->path[ret->n++], PATHS_SIZE, "%s", env->system_socket);
}

int paths_private_socket(const struct paths_env *env, char ret[PATHS_SIZE], struct dayfly_error *e)
{
	char base[PATHS_SIZE], dir[PATHS_SIZE];
	for (size_t i = 0; private_dir(env, i, base, dir); i++) {
		if (!dir[0] || (base[0] && paths_check_dir(base, env->uid) != PATHS_OURS))
			continue;
		if (paths_check_dir(dir, env->uid) == PATHS_FOREIGN) {
			error_text(e, ERR_CONNECT, EACCES,
				"%s is not a private directory of user id %u", dir,
				(unsigned)env->uid);
			error_hint(e, "remove it, or name a place: --socket PATH or DAYFLY_SOCKET");
			return -EACCES;
		}
		if (snprintf(ret, PATHS_SIZE, "%s/" SOCKET_NAME, dir) < (int)PATHS_SIZE)
			return 0;
	}
	return error_text(
		e, ERR_CONNECT, ENAMETOOLONG, "every place for a socket has too long a path");
}
