/*
 * Where repositories are kept: a folder of the daemon's own, with one for each user in it, so that
 * what one has fetched with his credentials no other is given.
 *
 *   dayfly-UID.git/lock                    one daemon has it
 *   dayfly-UID.git/trash/N                 on its way out: a worker removes it
 *   dayfly-UID.git/USER/KEY/shallow.git    mirror of what was fetched commit by commit
 *   dayfly-UID.git/USER/KEY/full.git       mirror of what was fetched with its history
 *   dayfly-UID.git/USER/KEY/shallow.git/modules/KEY                of a submodule, likewise
 *   dayfly-UID.git/USER/KEY/new            a tree that is being checked out
 *   dayfly-UID.git/USER/KEY/COMMIT-shallow, COMMIT-full         trees that are whole
 *   dayfly-UID.git/USER/KEY/COMMIT-shallow-modules, -full-modules  likewise, with submodules
 *   dayfly-UID.git/USER/KEY/COMMIT-shallow.ok, COMMIT-full.ok   and what shows that they are
 *
 * A tree without its .ok is none: that is written last, and tells the inode and the time of change
 * of the tree's folder, of its .git/HEAD and .git/index, and the boot in which it was written, as
 * nothing here is synced. What
 * does not fit goes to the trash: at the start, and when a task is to get it.
 */
#ifndef DAYFLY_DAEMON_GIT_STORE_H
#define DAYFLY_DAEMON_GIT_STORE_H

#include "base/err.h"
#include "base/list.h"
#include "git/key.h"
#include "git/modules.h"
#include "git/ref.h"
#include "proto/request.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

/* Mirrors of submodules in one of a repository. */
#define GIT_STORE_PARTS_MAX 256

struct git_store_bounds {
	uint64_t max_bytes, max_bytes_uid; /* 0: none */
};

/* The mirror of a submodule. */
struct git_part {
	char key[GIT_KEY_SIZE];
	uint64_t bytes, used_ns; /* CLOCK_REALTIME */
};

/* A mirror or a tree. */
struct git_item {
	struct list link; /* git_store.items */
	uid_t uid;
	char key[GIT_KEY_SIZE];
	int kind; /* of a mirror enum git_history, of a tree git_store_kind() */
	bool is_tree;
	char commit[GIT_COMMIT_SIZE]; /* of a tree */
	uint64_t bytes, used_ns;      /* CLOCK_REALTIME */
	uint64_t submodules;	      /* of a tree: that it has, there or not */
	unsigned refs;		      /* so many use it */
	/* Of a mirror: bytes are its own and those of its submodules. */
	uint64_t own_bytes;
	struct git_part *parts;
	size_t n_parts;
};

struct git_store {
	uv_loop_t *loop;
	const char *dir;
	bool makes_dirs;
	char *path; /* of the folder; NULL: it is not open */
	char why[200];
	int fd, lock_fd, trash_fd;
	char boot[40];
	struct list items;
	size_t n_items;
	struct git_store_bounds bounds;
	uint64_t n_trash; /* names for what goes */
	uv_work_t work;
	bool is_removing, is_dirty; /* a worker is at it; there is more */
	volatile bool is_stopping;
};

/* Of a tree: with what history, and whether its submodules are in it. */
int git_store_kind(int history, bool has_submodules);

/* dir: borrowed, NULL for none. */
void git_store_init(struct git_store *st, uv_loop_t *loop, const char *dir, bool makes_dirs);
/* Makes the folder, or takes in what is there, once it is first needed. Returns 0, or -errno: why
 * says what is wrong. */
int git_store_open(struct git_store *st);
void git_store_finish(struct git_store *st);
void git_store_set_bounds(struct git_store *st, const struct git_store_bounds *bounds);

/* Makes the folder of a mirror where it is missing, and opens it. *ret is used until
 * git_store_release(). Returns a descriptor or -errno. */
int git_store_open_mirror(
	struct git_store *st, uid_t uid, const char *key, int history, struct git_item **ret);
/* What was fetched into it has changed it: how large it is now. module: the key of the submodule,
 * or NULL. */
void git_store_measure_mirror(struct git_store *st, struct git_item *mirror, const char *module);
/* This submodule is to be fetched: of those in the mirror that `keep` does not name the oldest go
 * where there are too many. Returns the bytes that went. */
uint64_t git_store_make_room(struct git_store *st, struct git_item *mirror,
	const struct git_modules *keep, const char *module);

/* An empty folder for a tree. Returns a descriptor or -errno. */
int git_store_open_new(struct git_store *st, uid_t uid, const char *key);
/* It is whole. Returns 0 or -errno. */
int git_store_publish(struct git_store *st, uid_t uid, const char *key, int kind,
	const char *commit, uint64_t bytes, uint64_t submodules);
void git_store_drop_new(struct git_store *st, uid_t uid, const char *key);

/* A whole tree, as it was checked out. *ret is used until git_store_release(). Returns a descriptor
 * or -ENOENT. */
int git_store_open_tree(struct git_store *st, uid_t uid, const char *key, int kind,
	const char *commit, struct git_item **ret);

void git_store_release(struct git_store *st, struct git_item *item);

#endif
