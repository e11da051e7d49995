/* Processes: debugging, leaving them behind, having too many, refusing to end. */
#include "probe.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void stop_self(void)
{
	ptrace(PTRACE_TRACEME, 0, NULL, NULL);
	raise(SIGSTOP);
	_exit(42);
}

static void trace_child(void)
{
	pid_t pid = fork();
	if (pid == 0)
		stop_self();
	int status = 0;
	out_result("fork", pid);
	waitpid(pid, &status, WUNTRACED);
	out_begin("child_stopped");
	out_bool("stopped", WIFSTOPPED(status));
	out_end();
	errno = 0;
	out_result("ptrace_peek", ptrace(PTRACE_PEEKUSER, pid, NULL, NULL) == -1 && errno ? -1 : 0);
	/* The option that would lift the filters of the tracee; needs a privilege. */
	out_result("suspend_seccomp", ptrace(PTRACE_SETOPTIONS, pid, NULL, (void *)(1l << 21)));
	long word = 7;
	struct iovec local = { &word, sizeof(word) }, remote = { &word, sizeof(word) };
	out_result("process_vm_readv", process_vm_readv(pid, &local, 1, &remote, 1, 0));
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
}

int cmd_ptrace(int argc, char **argv)
{
	trace_child();
	for (int i = 1; i < argc; i++) {
		pid_t pid = (pid_t)parse_number(argv[i]);
		out_begin("ptrace_other");
		out_int("pid", pid);
		out_int("errno", ptrace(PTRACE_SEIZE, pid, NULL, NULL) < 0 ? errno : 0);
		out_end();
	}
	return 0;
}

/* The inside of other processes, through /proc. */
int cmd_mem(int argc, char **argv)
{
	static const char *const names[] = { "mem", "environ", "maps", "auxv", "fd", "root", "cwd",
		"exe", "ns/mnt", "stack", "syscall", "cmdline" };
	for (int i = 1; i < argc; i++) {
		for (size_t j = 0; j < sizeof(names) / sizeof(names[0]); j++) {
			char path[64], text[4096];
			snprintf(path, sizeof(path), "/proc/%s/%s", argv[i], names[j]);
			int error = 0;
			if (!strcmp(names[j], "fd")) {
				DIR *d = opendir(path);
				error = d ? 0 : errno;
				if (d)
					closedir(d);
			} else if (!strcmp(names[j], "root") || !strcmp(names[j], "cwd") ||
				   !strcmp(names[j], "exe") || !strcmp(names[j], "ns/mnt")) {
				error = readlink(path, text, sizeof(text)) < 0 ? errno : 0;
			} else if (!strcmp(names[j], "mem")) {
				int fd = open(path, O_RDWR | O_CLOEXEC);
				error = fd < 0 ? errno : 0;
				close(fd);
			} else {
				error = read_small(path, text, sizeof(text)) < 0 ? errno : 0;
			}
			out_begin("mem");
			out_str("path", path);
			out_int("errno", error);
			out_end();
		}
	}
	return 0;
}

static void count_states(int *zombies, int *processes)
{
	*zombies = *processes = 0;
	DIR *d = opendir("/proc");
	for (struct dirent *de; d && (de = readdir(d));) {
		char path[300], text[512];
		if (de->d_name[0] < '0' || de->d_name[0] > '9')
			continue;
		snprintf(path, sizeof(path), "/proc/%s/stat", de->d_name);
		if (read_small(path, text, sizeof(text)) < 0)
			continue;
		const char *paren = strrchr(text, ')');
		*zombies += paren && paren[2] == 'Z';
		*processes += 1;
	}
	if (d)
		closedir(d);
}

/* Every grandchild loses its parent at once: whoever is process 1 must reap it. */
int cmd_orphans(int argc, char **argv)
{
	long n = argc > 1 ? (long)parse_number(argv[1]) : 100;
	int failures = 0;
	for (long i = 0; i < n; i++) {
		pid_t pid = fork();
		if (pid == 0)
			_exit(fork() < 0 ? 1 : 0);
		int status = 0;
		if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
			failures++;
	}
	int zombies = 1, processes = 0;
	for (int tries = 0; zombies && tries < 200; tries++) {
		usleep(10000);
		count_states(&zombies, &processes);
	}
	out_begin("orphans");
	out_int("made", n);
	out_int("failures", failures);
	out_int("zombies", zombies);
	out_int("processes", processes);
	out_end();
	return 0;
}

int cmd_storm(int argc, char **argv)
{
	long max = argc > 1 ? (long)parse_number(argv[1]) : 1000, n = 0;
	int error = 0;
	pid_t *pids = calloc((size_t)max, sizeof(*pids));
	for (; n < max; n++) {
		pid_t pid = fork();
		if (pid < 0) {
			error = errno;
			break;
		}
		if (pid == 0)
			for (;;)
				pause();
		pids[n] = pid;
	}
	for (long i = 0; i < n; i++)
		kill(pids[i], SIGKILL);
	while (wait(NULL) > 0)
		;
	free(pids);
	out_begin("storm");
	out_int("forks", n);
	out_int("errno", error);
	out_end();
	return 0;
}

int cmd_stubborn(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "ignore";
	sigset_t all;
	sigfillset(&all);
	if (!strcmp(how, "ignore"))
		for (int s = 1; s < NSIG; s++)
			signal(s, SIG_IGN);
	else if (!strcmp(how, "block"))
		sigprocmask(SIG_BLOCK, &all, NULL);
	out_result("ready", 0);
	if (!strcmp(how, "stop"))
		raise(SIGSTOP);
	for (;;)
		if (!strcmp(how, "spin"))
			;
		else
			usleep(50000);
}

/* setsid, two forks, everything closed: the parent ends at once. */
int cmd_daemonize(int argc, char **argv)
{
	unsigned seconds = argc > 1 ? (unsigned)parse_number(argv[1]) : 3600;
	pid_t pid = fork();
	if (pid < 0)
		return 1;
	if (pid > 0) {
		waitpid(pid, NULL, 0);
		out_result("left", 0);
		return 0;
	}
	setsid();
	if (fork() > 0)
		_exit(0);
	for (int s = 1; s < NSIG; s++)
		signal(s, SIG_IGN);
	for (int fd = 0; fd < 256; fd++)
		close(fd);
	time_t end = time(NULL) + seconds;
	while (time(NULL) < end)
		usleep(100000);
	_exit(0);
}

int cmd_kill(int argc, char **argv)
{
	for (int i = 2; i < argc; i++) {
		int signo = (int)parse_number(argv[i]);
		int r = kill((pid_t)parse_number(argv[1]), signo);
		int error = r < 0 ? errno : 0;
		out_begin("kill");
		out_int("signal", signo);
		out_int("errno", error);
		out_end();
	}
	return 0;
}

int cmd_sleep(int argc, char **argv)
{
	unsigned seconds = argc > 1 ? (unsigned)parse_number(argv[1]) : 3600;
	out_result("ready", 0);
	while (seconds > 0)
		seconds = sleep(seconds);
	return 0;
}
