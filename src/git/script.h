/*
 * What git is asked to do in a jail of its own: constant scripts for /bin/sh, whose arguments are
 * never part of their text, and the configuration that git has there.
 */
#ifndef DAYFLY_GIT_SCRIPT_H
#define DAYFLY_GIT_SCRIPT_H

/* Where things are in these jails. */
#define GIT_JAIL_MIRROR	     "/mirror"
#define GIT_JAIL_TREE	     "/tree"
#define GIT_JAIL_REMOTE	     "/remote"
#define GIT_JAIL_AGENT	     "/agent"
#define GIT_JAIL_CONFIG	     "/home/agent/.gitconfig"
#define GIT_JAIL_KNOWN_HOSTS "/home/agent/known_hosts"
#define GIT_JAIL_CA	     "/home/agent/ca.pem"
#define GIT_JAIL_MODULES     "/home/agent/modules"

/* How the scripts end where git itself has nothing to say. */
enum git_script_status {
	GIT_SCRIPT_NO_COMMIT = 73, /* the ref is no commit */
	GIT_SCRIPT_TOO_LARGE,	   /* the commit's files are beyond the bound */
	GIT_SCRIPT_DIFFERS,	   /* what was written is not what the commit says */
	GIT_SCRIPT_NO_PLACE,	   /* a submodule's directory is not one, or not empty */
};

/*
 * Into the mirror. Arguments: address, ref, "1" for the commit alone or "", the mirror or a folder
 * in it, "1" to be told of submodules or "". Writes "had 0" or "had 1" and "commit ID", and for
 * each submodule "link ID PATH", what .gitmodules says as "module submodule.NAME.path PATH" and
 * "module submodule.NAME.url ADDRESS", and "end".
 */
extern const char git_script_fetch[];

/*
 * From the mirror into an empty directory. Arguments: commit, "1" or "", the address that the tree
 * names as its origin, the most bytes and files. Reads GIT_JAIL_MODULES (modules.h). Writes "kib N"
 * and "submodules N".
 */
extern const char git_script_checkout[];

extern const char git_script_config[];

#endif
