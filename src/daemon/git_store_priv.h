/* Between git_store.c, which has what is used, git_store_scan.c, which takes in what is there at
 * the start, git_store_modules.c, which looks into mirrors, and git_store_ok.c, which tells whether
 * a tree is whole. */
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
void git_store_item_path(const struct git_item *item, char out[PATH_SIZE]);
/* Gone at once, as far as names go. */
void git_store_throw_away(struct git_store *st, const char *path);
void git_store_throw_away_at(struct git_store *st, int dirfd, const char *path);
/* Until it is within its bounds, or all that is left is in use. */
void git_store_shrink(struct git_store *st);

void git_store_scan(struct git_store *st);
/* What is in a mirror that another daemon has left. */
void git_store_scan_mirror(struct git_store *st, struct git_item *mirror);

/* What its .ok is to say of the tree. Returns 0 or -errno. */
int git_store_write_ok(
	struct git_store *st, const char *path, const struct git_item *item, int tree_fd);
/* Whether the tree is what its .ok says; bytes and submodules are filled in by that. *ret_fd is the
 * tree. */
bool git_store_check_ok(
	const struct git_store *st, const char *path, struct git_item *item, int *ret_fd);

#endif
