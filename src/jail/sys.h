/*
 * System calls that the C library does not wrap everywhere, under their own names with a sys_
 * prefix. Each returns what the kernel returns, or -errno.
 */
#ifndef DAYFLY_JAIL_SYS_H
#define DAYFLY_JAIL_SYS_H

#include <linux/openat2.h>
#include <linux/sched.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* From linux/mount.h, which cannot be included beside sys/mount.h on every release. */
#ifndef OPEN_TREE_CLONE
#define OPEN_TREE_CLONE 1
#endif
#define SYS_OPEN_TREE_CLOEXEC 02000000 /* O_CLOEXEC */
#define SYS_MOVE_F_EMPTY_PATH 0x04
#define SYS_MOVE_T_EMPTY_PATH 0x40
#define SYS_FSCONFIG_FLAG     0
#define SYS_FSCONFIG_STRING   1
#define SYS_FSCONFIG_CREATE   6
#define SYS_FSCONFIG_CHANGE   7
#define SYS_MOUNT_ATTR_RDONLY 0x01
#define SYS_MOUNT_ATTR_NOSUID 0x02
#define SYS_MOUNT_ATTR_NODEV  0x04
#define SYS_MOUNT_ATTR_NOEXEC 0x08
#define SYS_MOUNT_ATTR_IDMAP  0x00100000

struct sys_mount_attr {
	uint64_t attr_set;
	uint64_t attr_clr;
	uint64_t propagation;
	uint64_t userns_fd;
};

/* Like fork with namespaces: returns the child's pid, 0 in the child. *ret_pidfd is set in the
 * parent. flags: CLONE_*. */
pid_t sys_clone(uint64_t flags, int *ret_pidfd);
/* The same, with the child in this cgroup from its first moment; -1: in the caller's. */
pid_t sys_clone_into(uint64_t flags, int cgroup_fd, int *ret_pidfd);
int sys_pidfd_open(pid_t pid);
int sys_pidfd_send_signal(int pidfd, int signo);
int sys_pivot_root(const char *new_root, const char *put_old);
int sys_close_range(unsigned first, unsigned last);
int sys_openat2(int dirfd, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve);

int sys_fsopen(const char *fs);
int sys_fspick(int fd); /* of the mount that the descriptor is the root of */
int sys_fsconfig(int fs_fd, unsigned cmd, const char *key, const char *value);
int sys_fsmount(int fs_fd, unsigned attrs);
int sys_open_tree(int dirfd, const char *path, unsigned flags); /* flags: OPEN_TREE_CLONE, AT_* */
int sys_move_mount(int mount_fd, int target_dirfd, const char *target);
int sys_mount_setattr(
	int mount_fd, const struct sys_mount_attr *attr, unsigned flags); /* flags: AT_RECURSIVE */

/* The Landlock ABI version of this kernel, 0 if there is none. */
int sys_landlock_abi(void);

#endif
