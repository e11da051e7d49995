/* The table of subcommands. */
#include "probe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct {
	const char *name;
	command_fn run;
	const char *help;
} commands[] = {
	{ "id", cmd_id, "ids, capabilities, no_new_privs, seccomp, signals, umask, cwd" },
	{ "ns", cmd_ns, "inodes of the namespaces" },
	{ "fds", cmd_fds, "open descriptors with their targets" },
	{ "env", cmd_env, "the environment" },
	{ "rlimits", cmd_rlimits, "resource limits, and whether each hard limit can be raised" },
	{ "threads", cmd_threads, "N: start threads, print each one's seccomp mode" },
	{ "ls", cmd_ls, "DIR...: entries with type, mode, owner, device numbers" },
	{ "tree", cmd_tree, "DIR DEPTH: every path below" },
	{ "stat", cmd_stat, "PATH...: without following the last symlink" },
	{ "cat", cmd_cat, "PATH...: up to 64 KiB of each" },
	{ "open", cmd_open, "FLAGS PATH...: r, w, rw, d (O_PATH), and creat" },
	{ "write", cmd_write, "PATH TEXT: into an existing file" },
	{ "create", cmd_create, "PATH TEXT [MODE]" },
	{ "mounts", cmd_mounts, "mountinfo" },
	{ "procs", cmd_procs, "processes in /proc" },
	{ "fill", cmd_fill, "PATH MAX: write until an error, then unlink" },
	{ "inodes", cmd_inodes, "DIR MAX: create files until an error, then remove them" },
	{ "xattr", cmd_xattr, "PATH NAME VALUE: set, then read back" },
	{ "swap", cmd_swap, "A B SECONDS: exchange two names in a loop" },
	{ "call", cmd_call, "NUMBER ARGS...: one system call in a forked child" },
	{ "sweep", cmd_sweep, "FIRST LAST: every call with bad arguments, each in a child" },
	{ "foreign", cmd_foreign, "x32|i386 NUMBER: a call of another ABI, in a child" },
	{ "bench", cmd_bench, "N: nanoseconds of a getppid call" },
	{ "chroot", cmd_chroot, "DIR: the classic ways out of a root" },
	{ "userns", cmd_userns, "new user namespaces by unshare, clone and clone3" },
	{ "setns", cmd_setns, "PID: enter its namespaces" },
	{ "mount", cmd_mount, "mount, remount, umount, pivot_root, the new mount calls" },
	{ "handle", cmd_handle, "PATH: open_by_handle_at" },
	{ "mknod", cmd_mknod, "PATH b|c|p MAJOR MINOR" },
	{ "ids", cmd_ids, "setuid, setgid, setgroups to others" },
	{ "exe", cmd_exe, "PATH...: open each for writing, as for /proc/1/exe" },
	{ "self-filter", cmd_self_filter, "seccomp and Landlock by the task itself" },
	{ "sockets", cmd_sockets, "every family, type and protocol of interest" },
	{ "connect", cmd_connect,
		"unix PATH | abstract NAME | tcp ADDRESS PORT | udp ADDRESS PORT" },
	{ "net", cmd_net, "interfaces" },
	{ "tiocsti", cmd_tiocsti, "type into an own terminal; also with high bits set" },
	{ "ipc", cmd_ipc, "create|look KEY: System V objects and a message queue" },
	{ "kernel", cmd_kernel, "io_uring, keys, userfaultfd, bpf, perf, personality" },
	{ "ptrace", cmd_ptrace, "own child, and the processes given" },
	{ "mem", cmd_mem, "PID...: open /proc/PID/mem, environ, fd, root, cwd" },
	{ "orphans", cmd_orphans, "N: double-forked children; zombies left" },
	{ "storm", cmd_storm, "MAX: fork until it fails" },
	{ "stubborn", cmd_stubborn, "ignore|stop|block: refuse to end" },
	{ "daemonize", cmd_daemonize, "SECONDS: leave a process behind" },
	{ "kill", cmd_kill, "PID SIGNAL..." },
	{ "sleep", cmd_sleep, "SECONDS" },
};

unsigned long long parse_number(const char *text)
{
	char *end;
	errno = 0;
	unsigned long long v = text[0] == '-' ? (unsigned long long)strtoll(text, &end, 0)
					      : strtoull(text, &end, 0);
	if (errno || end == text || *end) {
		fprintf(stderr, "probe: \"%s\" is not a number\n", text);
		exit(2);
	}
	return v;
}

ssize_t read_small(const char *path, char *out, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return -1;
	size_t len = 0;
	ssize_t n = 1;
	while (len + 1 < size && (n = read(fd, out + len, size - 1 - len)) > 0)
		len += (size_t)n;
	int error = errno;
	close(fd);
	errno = error;
	out[len] = '\0';
	return n < 0 && len == 0 ? -1 : (ssize_t)len;
}

bool is_host_root(void)
{
	char map[256];
	if (geteuid() != 0 || read_small("/proc/self/uid_map", map, sizeof(map)) < 0)
		return false;
	return strstr(map, "4294967295") != NULL;
}

int run_child(child_fn fn, void *arg)
{
	fflush(stdout);
	pid_t pid = fork();
	if (pid < 0)
		return -1;
	if (pid == 0) {
		fn(arg);
		fflush(stdout);
		_exit(0);
	}
	int status = 0;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return status;
}

int main(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < sizeof(commands) / sizeof(commands[0]); i++)
		if (!strcmp(argv[1], commands[i].name))
			return commands[i].run(argc - 1, argv + 1);
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		fprintf(stderr, "  %-12s %s\n", commands[i].name, commands[i].help);
	return 2;
}
