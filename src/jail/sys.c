/* Raw system calls: see sys.h. */
#include "jail/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#endif
#define LANDLOCK_VERSION_FLAG 1u

static long ret(long r)
{
	return r < 0 ? -errno : r;
}

pid_t sys_clone(uint64_t flags, int *ret_pidfd)
{
	return sys_clone_into(flags, -1, ret_pidfd);
}

pid_t sys_clone_into(uint64_t flags, int cgroup_fd, int *ret_pidfd)
{
	int pidfd = -1;
	struct clone_args args = {
		.flags = flags | CLONE_PIDFD | (cgroup_fd >= 0 ? CLONE_INTO_CGROUP : 0),
		.pidfd = (uint64_t)(uintptr_t)&pidfd,
		.exit_signal = SIGCHLD,
		.cgroup = cgroup_fd >= 0 ? (uint64_t)cgroup_fd : 0,
	};
	long pid = ret(syscall(SYS_clone3, &args, sizeof(args)));
	if (pid > 0)
		*ret_pidfd = pidfd;
	return (pid_t)pid;
}

int sys_pidfd_open(pid_t pid)
{
	return (int)ret(syscall(SYS_pidfd_open, pid, 0));
}

int sys_pidfd_send_signal(int pidfd, int signo)
{
	return (int)ret(syscall(SYS_pidfd_send_signal, pidfd, signo, NULL, 0));
}

int sys_pivot_root(const char *new_root, const char *put_old)
{
	return (int)ret(syscall(SYS_pivot_root, new_root, put_old));
}

int sys_close_range(unsigned first, unsigned last)
{
	return (int)ret(syscall(SYS_close_range, first, last, 0));
}

int sys_openat2(int dirfd, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve)
{
	struct open_how how = { .flags = flags | O_CLOEXEC, .mode = mode, .resolve = resolve };
	return (int)ret(syscall(SYS_openat2, dirfd, path, &how, sizeof(how)));
}

int sys_fsopen(const char *fs)
{
	return (int)ret(syscall(SYS_fsopen, fs, 1 /* FSOPEN_CLOEXEC */));
}

int sys_fspick(int fd)
{
	/* FSPICK_CLOEXEC | FSPICK_EMPTY_PATH */
	return (int)ret(syscall(SYS_fspick, fd, "", 0x1 | 0x8));
}

int sys_fsconfig(int fs_fd, unsigned cmd, const char *key, const char *value)
{
	return (int)ret(syscall(SYS_fsconfig, fs_fd, cmd, key, value, 0));
}

int sys_fsmount(int fs_fd, unsigned attrs)
{
	return (int)ret(syscall(SYS_fsmount, fs_fd, 1 /* FSMOUNT_CLOEXEC */, attrs));
}

int sys_open_tree(int dirfd, const char *path, unsigned flags)
{
	return (int)ret(syscall(SYS_open_tree, dirfd, path, flags | SYS_OPEN_TREE_CLOEXEC));
}

int sys_move_mount(int mount_fd, int target_dirfd, const char *target)
{
	unsigned flags = SYS_MOVE_F_EMPTY_PATH | (target[0] ? 0 : SYS_MOVE_T_EMPTY_PATH);
	return (int)ret(syscall(SYS_move_mount, mount_fd, "", target_dirfd, target, flags));
}

int sys_mount_setattr(int mount_fd, const struct sys_mount_attr *attr, unsigned flags)
{
	return (int)ret(syscall(
		SYS_mount_setattr, mount_fd, "", flags | AT_EMPTY_PATH, attr, sizeof(*attr)));
}

int sys_landlock_abi(void)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_VERSION_FLAG);
	return abi > 0 ? (int)abi : 0;
}
