/* Ways out, and ways to more rights. Every attempt has valid arguments: where nothing stops it, it
 * works. */
#include "probe.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_PATH 4096

static void out_where(const char *what, const char *path)
{
	struct stat st;
	int r = stat(path, &st), error = r < 0 ? errno : 0;
	out_begin(what);
	out_int("errno", error);
	if (r == 0) {
		out_int("dev", (long long)st.st_dev);
		out_int("ino", (long long)st.st_ino);
	}
	out_end();
}

/* Climbs with ".." from the current directory, then from a descriptor that was opened before a
 * chroot further down. */
int cmd_chroot(int argc, char **argv)
{
	const char *dir = argc > 1 ? argv[1] : "/tmp";
	char sub[MAX_PATH];
	int saved = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	snprintf(sub, sizeof(sub), "%s/escape-%d", dir, (int)getpid());
	mkdir(sub, 0755);
	out_where("root", "/");
	out_result("chroot", chroot(sub));
	out_result("fchdir", fchdir(saved));
	for (int i = 0; i < 1000; i++)
		if (chdir("..") < 0)
			break;
	out_where("after_climb", ".");
	out_result("chroot_again", chroot("."));
	out_where("root_after", "/");
	rmdir(sub);
	return 0;
}

static void exit_now(void *arg)
{
	_exit(0);
}

static void unshare_flags(void *arg)
{
	int flags = *(int *)arg;
	out_result("unshare", unshare(flags));
}

static void clone_userns(void *arg)
{
	long pid = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);
	if (pid == 0)
		_exit(0);
	out_result("clone", pid);
}

static void clone3_call(void *arg)
{
	struct {
		uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
	} args = { .flags = *(uint64_t *)arg, .exit_signal = SIGCHLD };
	long pid = syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0)
		_exit(0);
	out_result(args.flags ? "clone3" : "clone3_plain", pid);
}

int cmd_userns(int argc, char **argv)
{
	static const int each[] = { CLONE_NEWUSER, CLONE_NEWNS, CLONE_NEWNET, CLONE_NEWPID,
		CLONE_NEWIPC, CLONE_NEWUTS, CLONE_NEWCGROUP, 0x80 /* time */ };
	uint64_t userns = CLONE_NEWUSER, plain = 0;
	for (size_t i = 0; i < sizeof(each) / sizeof(each[0]); i++) {
		int flags = each[i] | (each[i] == CLONE_NEWUSER ? 0 : CLONE_NEWUSER);
		run_child(unshare_flags, &flags);
	}
	run_child(clone_userns, NULL);
	run_child(clone3_call, &userns);
	run_child(clone3_call, &plain);
	out_result("fork", run_child(exit_now, NULL));
	return 0;
}

static void do_setns(void *arg)
{
	const char *path = arg;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	out_begin("setns");
	out_str("path", path);
	out_int("open_errno", fd < 0 ? errno : 0);
	/* With no descriptor to be had, at least the call itself is tried. */
	out_int("errno", setns(fd, 0) < 0 ? errno : 0);
	out_end();
}

static void do_setns_pidfd(void *arg)
{
	int pid = *(int *)arg;
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	out_begin("setns_pidfd");
	out_int("open_errno", fd < 0 ? errno : 0);
	out_int("errno", setns(fd, CLONE_NEWUTS) < 0 ? errno : 0);
	out_end();
}

int cmd_setns(int argc, char **argv)
{
	static const char *const names[] = { "cgroup", "ipc", "mnt", "net", "pid", "user", "uts" };
	int pid = argc > 1 ? (int)parse_number(argv[1]) : 1;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char path[64];
		snprintf(path, sizeof(path), "/proc/%d/ns/%s", pid, names[i]);
		run_child(do_setns, path);
	}
	run_child(do_setns_pidfd, &pid);
	return 0;
}

static void classic_mounts(void *arg)
{
	out_result("mount_tmpfs", mount("none", "/tmp", "tmpfs", 0, NULL));
	out_result("mount_proc", mount("proc", "/tmp", "proc", 0, NULL));
	out_result("mount_bind", mount("/", "/tmp", NULL, MS_BIND | MS_REC, NULL));
	out_result("remount_rw", mount(NULL, "/proc/sys", NULL, MS_REMOUNT | MS_BIND, NULL));
	out_result("remount_root", mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND, NULL));
	out_result("umount_kcore", umount2("/proc/kcore", 0));
	out_result("umount_sys", umount2("/proc/sys", MNT_DETACH));
	out_result("umount_root", umount2("/", MNT_DETACH));
	out_result("pivot_root", syscall(SYS_pivot_root, ".", "."));
	out_result("move", mount("/proc", "/tmp", NULL, MS_MOVE, NULL));
	out_result("make_shared", mount(NULL, "/", NULL, MS_SHARED | MS_REC, NULL));
}

/* Numbers, not names: C libraries may be older than the calls. */
static void new_mounts(void *arg)
{
	uint64_t attr[4] = { 1 /* read-only */, 0, 0, 0 };
	struct {
		uint32_t size, spare;
		uint64_t id, param, more;
	} request = { .size = 24, .id = 1 };
	char reply[512];
	long fs = syscall(430, "tmpfs", 0);
	out_result("fsopen", fs);
	out_result("fsconfig", syscall(431, fs, 6, NULL, NULL, 0));
	out_result("fsmount", syscall(432, fs, 0, 0));
	out_result("fspick", syscall(433, AT_FDCWD, "/", 0));
	long tree = syscall(428, AT_FDCWD, "/", 1 /* clone */);
	out_result("open_tree", tree);
	out_result("move_mount", syscall(429, tree, "", AT_FDCWD, "/tmp", 4));
	out_result("mount_setattr", syscall(442, tree, "", AT_EMPTY_PATH, attr, sizeof(attr)));
	out_result("open_tree_attr", syscall(467, AT_FDCWD, "/", 1, attr, sizeof(attr)));
	out_result("statmount", syscall(457, &request, reply, sizeof(reply), 0));
	out_result("listmount", syscall(458, &request, reply, 8, 0));
}

/*
 * With the right to mount, in a mount namespace of its own: the control must not touch the host's
 * mounts. Inside the jail there is no such right and the attempts are made where the task is.
 */
int cmd_mount(int argc, char **argv)
{
	int r = unshare(CLONE_NEWNS);
	out_result("own_namespace", r);
	if (r == 0 && mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL) < 0)
		return 1;
	if (r < 0 && is_host_root())
		return 1;
	run_child(new_mounts, NULL);
	run_child(classic_mounts, NULL);
	return 0;
}

int cmd_handle(int argc, char **argv)
{
	if (argc < 2)
		return 2;
	struct {
		struct file_handle head;
		unsigned char bytes[MAX_HANDLE_SZ];
	} handle = { .head.handle_bytes = MAX_HANDLE_SZ };
	int mount_id, at = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	out_result("open", at);
	out_result("name_to_handle_at",
		name_to_handle_at(AT_FDCWD, argv[1], &handle.head, &mount_id, 0));
	out_result("open_by_handle_at", open_by_handle_at(at, &handle.head, O_RDONLY));
	/* Inode 2, the root of most file systems, as in the "shocker" exploit. */
	memset(handle.bytes, 0, sizeof(handle.bytes));
	handle.bytes[0] = 2;
	handle.head.handle_bytes = 8;
	handle.head.handle_type = 1;
	out_result("open_by_handle_at_root", open_by_handle_at(at, &handle.head, O_RDONLY));
	return 0;
}

int cmd_mknod(int argc, char **argv)
{
	if (argc < 5)
		return 2;
	mode_t type = argv[2][0] == 'b' ? S_IFBLK : argv[2][0] == 'c' ? S_IFCHR : S_IFIFO;
	dev_t dev = makedev((unsigned)parse_number(argv[3]), (unsigned)parse_number(argv[4]));
	out_result("mknod", mknod(argv[1], type | 0600, dev));
	out_result("open", open(argv[1], O_RDONLY | O_NONBLOCK | O_CLOEXEC));
	unlink(argv[1]);
	return 0;
}

static void try_id(void *arg)
{
	const char *what = arg;
	gid_t groups[] = { 0, 4, 27 };
	if (!strcmp(what, "setuid_0"))
		out_result(what, setuid(0));
	else if (!strcmp(what, "setgid_0"))
		out_result(what, setgid(0));
	else if (!strcmp(what, "setresuid_1"))
		out_result(what, setresuid(1, 1, 1));
	else if (!strcmp(what, "setresgid_1"))
		out_result(what, setresgid(1, 1, 1));
	else if (!strcmp(what, "setgroups"))
		out_result(what, syscall(SYS_setgroups, 3, groups));
	else if (!strcmp(what, "setfsuid_0")) {
		setfsuid(0);
		out_result(what, setfsuid(0) == 0 ? 0 : (errno = EPERM, -1));
	} else if (!strcmp(what, "setuid_unmapped")) {
		out_result(what, setuid(400000));
	}
}

int cmd_ids(int argc, char **argv)
{
	static const char *const tries[] = { "setuid_0", "setgid_0", "setresuid_1", "setresgid_1",
		"setgroups", "setfsuid_0", "setuid_unmapped" };
	for (size_t i = 0; i < sizeof(tries) / sizeof(tries[0]); i++)
		run_child(try_id, (void *)tries[i]);
	return 0;
}

int cmd_exe(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		int fd = open(argv[i], O_WRONLY | O_CLOEXEC);
		int error = fd < 0 ? errno : 0;
		out_begin("exe");
		out_str("path", argv[i]);
		out_int("write_errno", error);
		/* The way of CVE-2019-5736: a descriptor for reading, opened again for writing. */
		int path_fd = open(argv[i], O_PATH | O_CLOEXEC);
		char again[64];
		snprintf(again, sizeof(again), "/proc/self/fd/%d", path_fd);
		int second = path_fd < 0 ? -1 : open(again, O_WRONLY | O_CLOEXEC);
		error = second < 0 ? errno : 0;
		out_int("reopen_errno", error);
		out_end();
		close(fd);
		close(second);
		close(path_fd);
	}
	return 0;
}

static void own_seccomp(void *arg)
{
	struct sock_filter insns[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EACCES),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { .len = 4, .filter = insns };
	out_result("no_new_privs", prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	out_result("listener", syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
				       SECCOMP_FILTER_FLAG_NEW_LISTENER, &prog));
	out_result("filter", syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog));
	out_result("filtered_call", syscall(SYS_getppid));
	/* A filter that allows everything must not bring back what the jail's refuses. */
	insns[2].k = SECCOMP_RET_ALLOW;
	out_result("prctl_filter", prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog, 0, 0));
	/* A bad pointer: EFAULT where no filter is in the way, and no mount ever. */
	out_result("mount_after", syscall(SYS_mount, -1, -1, -1, 0, 0));
}

static void own_landlock(void *arg)
{
	struct landlock_ruleset_attr attr = { .handled_access_fs = LANDLOCK_ACCESS_FS_WRITE_FILE };
	out_result("landlock_abi", syscall(444, NULL, 0, 1));
	int fd = (int)syscall(444, &attr, sizeof(attr), 0);
	out_result("landlock_ruleset", fd);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	out_result("landlock_restrict", syscall(446, fd, 0));
	out_result("landlocked_write", open("/dev/null", O_WRONLY | O_CLOEXEC));
}

int cmd_self_filter(int argc, char **argv)
{
	run_child(own_seccomp, NULL);
	run_child(own_landlock, NULL);
	return 0;
}
