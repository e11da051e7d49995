/*
 * What the kernel itself takes, without dayfly: the floors that `make bench` compares with.
 *
 *	floor exec|ns|parked COUNT [PROGRAM]
 *
 * exec    fork and execve
 * ns      a clone with every namespace that a jail has, id maps, a tmpfs, overlays on /usr and
 * /etc, /proc, pivot_root, execve parked  such a jail is there already; it forks and execs once
 *
 * PROGRAM is /bin/true. Prints for each time nanoseconds from the beginning to the death of the
 * program, one a line. Needs root.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ALL_NAMESPACES                                                                             \
	(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | \
		CLONE_NEWCGROUP)

static const char *program = "/bin/true";
static char dir[] = "/tmp/dayfly-floor-XXXXXX";

static uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void check(int r, const char *what)
{
	if (r < 0)
		err(1, "%s", what);
}

static _Noreturn void exec_program(void)
{
	char *const argv[] = { (char *)program, NULL };
	execv(program, argv);
	_exit(127);
}

static void wait_for(pid_t pid)
{
	int status;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (status)
		errx(1, "the child ended with status %d", status);
}

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	check(fd, path);
	if (write(fd, text, strlen(text)) < 0)
		err(1, "%s", path);
	close(fd);
}

static void overlay(const char *name)
{
	char options[256], target[64], work[64], upper[64], lower[64];
	snprintf(lower, sizeof(lower), "/%s", name);
	snprintf(target, sizeof(target), "root/%s", name);
	snprintf(upper, sizeof(upper), "upper-%s", name);
	snprintf(work, sizeof(work), "work-%s", name);
	check(mkdir(target, 0755), target);
	check(mkdir(upper, 0755), upper);
	check(mkdir(work, 0755), work);
	snprintf(options, sizeof(options), "lowerdir=%s,upperdir=%s,workdir=%s,userxattr", lower,
		upper, work);
	check(mount("overlay", target, "overlay", MS_NOSUID | MS_NODEV, options), target);
}

/* What every jail needs, and nothing else. */
static void set_up(void)
{
	static const char *const links[] = { "bin", "sbin", "lib", "lib64" };
	check(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), "private mounts");
	check(mount("tmpfs", dir, "tmpfs", MS_NOSUID | MS_NODEV, "size=64m"), "tmpfs");
	check(chdir(dir), dir);
	check(mkdir("root", 0755), "root");
	overlay("usr");
	overlay("etc");
	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
		char from[32], to[32];
		snprintf(from, sizeof(from), "usr/%s", links[i]);
		snprintf(to, sizeof(to), "root/%s", links[i]);
		check(symlink(from, to), to);
	}
	check(mkdir("root/proc", 0755), "proc");
	check(mount("proc", "root/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL), "proc");
	check(mount("root", "root", NULL, MS_BIND | MS_REC, NULL), "root");
	check(chdir("root"), "root");
	check((int)syscall(SYS_pivot_root, ".", "."), "pivot_root");
	check(umount2(".", MNT_DETACH), "old root");
	check(chdir("/"), "/");
}

/* Returns 0 in the child, which has its ids. */
static pid_t clone_all(int *ret_fd)
{
	int pair[2];
	char path[64], byte = 0;
	struct clone_args args = { .flags = ALL_NAMESPACES, .exit_signal = SIGCHLD };
	check(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), "socketpair");
	pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	check(pid, "clone3");
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(pair[0]);
		*ret_fd = pair[1];
		if (read(*ret_fd, &byte, 1) != 1)
			_exit(1);
		return 0;
	}
	close(pair[1]);
	*ret_fd = pair[0];
	snprintf(path, sizeof(path), "/proc/%d/uid_map", (int)pid);
	write_file(path, "0 0 1");
	snprintf(path, sizeof(path), "/proc/%d/gid_map", (int)pid);
	write_file(path, "0 0 1");
	if (write(*ret_fd, &byte, 1) != 1)
		err(1, "write");
	return pid;
}

static uint64_t time_exec(void)
{
	uint64_t start = now_ns();
	pid_t pid = fork();
	check(pid, "fork");
	if (pid == 0)
		exec_program();
	wait_for(pid);
	return now_ns() - start;
}

static uint64_t time_ns(void)
{
	int fd;
	uint64_t start = now_ns();
	pid_t pid = clone_all(&fd);
	if (pid == 0) {
		set_up();
		exec_program();
	}
	wait_for(pid);
	close(fd);
	return now_ns() - start;
}

static uint64_t time_parked(void)
{
	int fd;
	char byte = 0;
	pid_t pid = clone_all(&fd);
	if (pid == 0) {
		set_up();
		if (write(fd, &byte, 1) != 1 || read(fd, &byte, 1) != 1)
			_exit(1);
		pid_t task = fork();
		if (task == 0)
			exec_program();
		wait_for(task);
		_exit(write(fd, &byte, 1) != 1);
	}
	if (read(fd, &byte, 1) != 1)
		err(1, "the jail");
	uint64_t start = now_ns();
	if (write(fd, &byte, 1) != 1 || read(fd, &byte, 1) != 1)
		err(1, "the jail");
	uint64_t took = now_ns() - start;
	wait_for(pid);
	close(fd);
	return took;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		uint64_t (*time)(void);
	} kinds[] = { { "exec", time_exec }, { "ns", time_ns }, { "parked", time_parked } };
	if (argc > 3)
		program = argv[3];
	for (size_t k = 0; argc > 2 && k < sizeof(kinds) / sizeof(kinds[0]); k++) {
		if (strcmp(argv[1], kinds[k].name) != 0)
			continue;
		if (!mkdtemp(dir))
			err(1, "%s", dir);
		for (int i = 0; i < (int)strtol(argv[2], NULL, 10); i++)
			printf("%llu\n", (unsigned long long)kinds[k].time());
		return rmdir(dir) < 0 || fflush(stdout) != 0;
	}
	fprintf(stderr, "usage: floor exec|ns|parked COUNT [PROGRAM]\n");
	return 2;
}
