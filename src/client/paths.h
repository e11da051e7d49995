/*
 * Where a daemon's socket may be: pure decisions from the environment and what lies in the file
 * system. Makes nothing.
 */
#ifndef DAYFLY_CLIENT_PATHS_H
#define DAYFLY_CLIENT_PATHS_H

#include <dayfly/client.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/un.h>

#define PATHS_SIZE sizeof(((struct sockaddr_un *)NULL)->sun_path)

/* What the decisions depend on. */
struct paths_env {
	const char *dayfly_socket;   /* DAYFLY_SOCKET, or NULL */
	const char *xdg_runtime_dir; /* XDG_RUNTIME_DIR, or NULL */
	const char *run_user;	     /* "/run/user" */
	const char *tmp;	     /* "/tmp" */
	const char *system_socket;   /* "/run/dayfly/dayfly.sock" */
	uid_t uid;
};

void paths_env_init(struct paths_env *env);

/* How far a directory on the way to a private socket may be trusted. */
enum paths_trust {
	PATHS_MISSING, /* not there: a daemon could make it */
	PATHS_OURS,    /* a directory of this user that nobody else can write to */
	PATHS_FOREIGN, /* somebody else's, a symlink, or open to others */
};
enum paths_trust paths_check_dir(const char *path, uid_t uid);

#define PATHS_CANDIDATES_MAX 4

struct paths_candidates {
	char path[PATHS_CANDIDATES_MAX][PATHS_SIZE];
	size_t n;
};

/*
 * The sockets to try, in order. Those in private places are listed only if their directory is ours,
 * so that nobody can put a false daemon in the way.
 */
void paths_find(const struct paths_env *env, struct paths_candidates *ret);

/*
 * The socket of a private daemon of this user: the first of $XDG_RUNTIME_DIR/dayfly,
 * /run/user/UID/dayfly and /tmp/dayfly-UID that can be used. Errors: -EACCES (the last one is taken
 * by somebody else), -ENAMETOOLONG.
 */
int paths_private_socket(const struct paths_env *env, char ret[PATHS_SIZE], struct dayfly_error *e);

#endif
