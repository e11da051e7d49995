/*
 * A jail in which dayflyd has git work: a task like any other as far as the warden goes, which no
 * client knows of. It has the image "host", nothing of the client's but what is named here, and the
 * client's rights only to open a path.
 */
#ifndef DAYFLY_DAEMON_GIT_JAIL_H
#define DAYFLY_DAEMON_GIT_JAIL_H

#include "base/err.h"
#include "base/list.h"
#include "task/task.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define GIT_JAIL_MOUNTS 3
#define GIT_JAIL_FILES	3
#define GIT_JAIL_OUT	65536
#define GIT_JAIL_ERRORS 4096

struct server;
struct git_jail;

struct git_jail_end {
	bool is_good;	       /* it ended with status 0 */
	int status;	       /* of its end; -1: by a signal, or it never ran */
	const char *out;       /* what it wrote, cut off */
	const char *errors;    /* the end of what it wrote to stderr */
	const struct err *err; /* why it could not run, or had to end; else NULL */
};
typedef void (*git_jail_fn)(void *owner, const struct git_jail_end *end);

struct git_jail_mount {
	const char *target;
	int fd;		  /* borrowed; -1: path, with the client's rights */
	const char *path; /* or NULL */
	bool is_own;	  /* the daemon's directory */
	int mode;	  /* enum plan_mode */
};

struct git_jail_file {
	const char *path; /* of a secret: its name */
	const char *data;
	size_t len;
	bool is_secret;
};

struct git_jail_ask {
	const char *script;
	const char *args[6]; /* ends with NULL */
	char **env;	     /* "NAME=value"; strv, taken over */
	bool has_network;
	uint64_t wall_ms, file_bytes, memory_bytes; /* 0: no bound of the last two */
	struct git_jail_mount mounts[GIT_JAIL_MOUNTS];
	size_t n_mounts;
	struct git_jail_file files[GIT_JAIL_FILES + 3];
	size_t n_files;
	const char *task; /* the id of one that waits for it */
	uid_t uid;
	int client_fd; /* borrowed: whose rights open paths */
	bool is_bound; /* paths must lie below the roots of workspaces */
};

struct git_jails {
	struct server *server;
	struct task_host host;
	struct list all; /* git_jail.link */
	struct alarm *reap;
};

/* Returns 0 or -errno. */
int git_jails_init(struct git_jails *js, struct server *s);
void git_jails_finish(struct git_jails *js);

/* fn is called once, from the loop, and not before this returns; the jail is gone then. Returns 0
 * or -errno with *e. */
int git_jail_start(struct git_jails *js, struct git_jail_ask *ask, git_jail_fn fn, void *owner,
	struct git_jail **ret, struct err *e);
/* It dies; fn is called all the same. */
void git_jail_cancel(struct git_jail *j);

/* The task of a jail of the warden's, or NULL. */
struct task *git_jails_find(const struct git_jails *js, uint64_t jail);
void git_jails_tell(struct git_jails *js, enum task_event event);

#endif
