/* Between git_store.c, which has what is used, git_store_scan.c, which takes in what is there at
 * the start, and git_store_ok.c, which tells whether a tree is whole. */
#ifndef DAYFLY_DAEMON_GIT_STORE_PRIV_H
#define DAYFLY_DAEMON_GIT_STORE_PRIV_H

#include "daemon/git_store.h"

#define GIT_STORE_KINDS 4

#define NAME_SIZE 64
#define PATH_SIZE (16 + GIT_KEY_SIZE + NAME_SIZE)

/* As in names: of mirrors the first ones, as of enum git_history. */
extern const char *const git_store_kinds[GIT_STORE_KINDS];

void git_store_path(uid_t uid, const char *key, const char *name, char out[PATH_SIZE]);
/* A mirror, or the tree of a commit. NULL: too many, or no memory. */
struct git_item *git_store_add(
	struct git_store *st, uid_t uid, const char *key, int kind, const char *commit);
/* Gone at once, as far as names go. */
void git_store_throw_away(struct git_store *st, const char *path);

void git_store_scan(struct git_store *st);

/* What its .ok is to say of the tree. Returns 0 or -errno. */
int git_store_write_ok(
	struct git_store *st, const char *path, const struct git_item *item, int tree_fd);
/* Whether the tree is what its .ok says; bytes and submodules are filled in by that. *ret_fd is the
 * tree. */
bool git_store_check_ok(
	const struct git_store *st, const char *path, struct git_item *item, int *ret_fd);

#endif
