/* Mounting by descriptor. Each returns 0 or a descriptor, or -errno with *e filled. Descriptors are
 * the caller's. */
#ifndef DAYFLY_JAIL_MOUNT_H
#define DAYFLY_JAIL_MOUNT_H

#include "base/err.h"
#include "jail/sys.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* One option of a new filesystem; value NULL makes it a flag. The list ends with a NULL key. */
struct mount_opt {
	const char *key;
	const char *value;
};

#define MOUNT_SAFE (SYS_MOUNT_ATTR_NOSUID | SYS_MOUNT_ATTR_NODEV)

/* A new, detached filesystem. attrs: SYS_MOUNT_ATTR_*. */
int mount_new(const char *fs, const struct mount_opt *opts, unsigned attrs, struct err *e);

/* Changes options of a filesystem that is there, by a descriptor of its root. */
int mount_change(int root_fd, const struct mount_opt *opts, struct err *e);

/* Attaches a detached mount at dirfd/path without following a symlink at the end; path "" is dirfd
 * itself. Borrows mount_fd. */
int mount_attach(int mount_fd, int dirfd, const char *path, struct err *e);

/* A detached copy of the mount at dirfd/path ("" for dirfd itself), with what is mounted below it
 * if recursive. */
int mount_clone(int dirfd, const char *path, bool recursive, struct err *e);

/* Sets attributes (SYS_MOUNT_ATTR_*) on a mount, and on all below it if recursive. */
int mount_set(int mount_fd, unsigned attrs, bool recursive, struct err *e);

/*
 * Opens (O_PATH) or makes what lies at an absolute path beneath root_fd, never following a symlink:
 * each missing directory is made with mode 0755. is_dir says what the last part is made as;
 * anything else that is already there is an error.
 */
int mount_target(int root_fd, const char *path, bool is_dir, struct err *e);

/*
 * Opens (O_PATH) or makes a directory in the same way; those that are made belong to uid, as user
 * and as group.
 */
int mount_dir_for(int root_fd, const char *path, uid_t uid, struct err *e);

#endif
