/* Who the process is and what it was given. */
#include "probe.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

extern char **environ;

/* Lines "Name:\tvalue" of /proc/self/status, the interesting ones as they are. */
static void out_status(const char *path)
{
	static const char *const wanted[] = { "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb",
		"NoNewPrivs", "Seccomp", "Seccomp_filters", "SigBlk", "SigIgn", "SigCgt", "Threads",
		"TracerPid", "Groups" };
	char text[8192], *save = NULL;
	if (read_small(path, text, sizeof(text)) < 0)
		return;
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *colon = strchr(line, ':');
		if (!colon)
			continue;
		*colon = '\0';
		for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
			if (!strcmp(line, wanted[i]))
				out_str(line, colon + 1 + strspn(colon + 1, "\t "));
	}
}

static void out_file(const char *key, const char *path)
{
	char text[4096];
	ssize_t n = read_small(path, text, sizeof(text));
	if (n < 0)
		out_str(key, NULL);
	else
		out_bytes(key, text, (size_t)n);
}

static void out_groups(void)
{
	gid_t groups[256];
	int n = getgroups(256, groups);
	out_list_begin("groups");
	for (int i = 0; i < n; i++)
		out_item_int(groups[i]);
	out_list_end();
}

int cmd_id(int argc, char **argv)
{
	uid_t ruid, euid, suid;
	gid_t rgid, egid, sgid;
	struct utsname uts;
	char cwd[4096];
	getresuid(&ruid, &euid, &suid);
	getresgid(&rgid, &egid, &sgid);
	uname(&uts);
	mode_t mask = umask(0);
	umask(mask);
	out_begin("id");
	out_int("uid", ruid);
	out_int("euid", euid);
	out_int("suid", suid);
	out_int("gid", rgid);
	out_int("egid", egid);
	out_int("sgid", sgid);
	out_groups();
	out_int("pid", getpid());
	out_int("ppid", getppid());
	out_int("sid", getsid(0));
	out_int("pgid", getpgid(0));
	out_int("umask", mask);
	out_str("cwd", getcwd(cwd, sizeof(cwd)));
	out_str("hostname", uts.nodename);
	out_int("dumpable", prctl(PR_GET_DUMPABLE));
	out_int("keepcaps", prctl(PR_GET_KEEPCAPS));
	out_int("securebits", prctl(PR_GET_SECUREBITS));
	out_status("/proc/self/status");
	out_file("uid_map", "/proc/self/uid_map");
	out_file("gid_map", "/proc/self/gid_map");
	out_file("setgroups", "/proc/self/setgroups");
	out_file("cgroup", "/proc/self/cgroup");
	out_file("oom_score_adj", "/proc/self/oom_score_adj");
	out_end();
	return 0;
}

int cmd_ns(int argc, char **argv)
{
	static const char *const names[] = { "cgroup", "ipc", "mnt", "net", "pid", "user", "uts",
		"time" };
	out_begin("ns");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char path[64], target[64];
		snprintf(path, sizeof(path), "/proc/self/ns/%s", names[i]);
		ssize_t n = readlink(path, target, sizeof(target) - 1);
		target[n < 0 ? 0 : n] = '\0';
		out_str(names[i], target);
	}
	out_end();
	return 0;
}

static void out_descriptor(int fd)
{
	struct stat st;
	char path[64], target[4096];
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ssize_t n = readlink(path, target, sizeof(target) - 1);
	target[n < 0 ? 0 : n] = '\0';
	if (fstat(fd, &st) < 0)
		return;
	out_begin("fd");
	out_int("fd", fd);
	out_str("target", target);
	out_int("type", st.st_mode & S_IFMT);
	out_int("ino", (long long)st.st_ino);
	out_int("rdev_major", (long long)(st.st_rdev >> 8 & 0xfff));
	out_int("rdev_minor", (long long)(st.st_rdev & 0xff));
	out_int("flags", fcntl(fd, F_GETFL));
	out_bool("cloexec", (fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
	out_bool("tty", isatty(fd));
	out_end();
}

/* By trying each number, not by /proc/self/fd: nothing of our own is open meanwhile. */
int cmd_fds(int argc, char **argv)
{
	for (int fd = 0; fd < 65536; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			out_descriptor(fd);
	return 0;
}

int cmd_env(int argc, char **argv)
{
	out_begin("env");
	out_list_begin("env");
	for (char **e = environ; *e; e++)
		out_item_str(*e);
	out_list_end();
	out_end();
	return 0;
}

int cmd_rlimits(int argc, char **argv)
{
	static const char *const names[RLIM_NLIMITS] = { [RLIMIT_CPU] = "cpu",
		[RLIMIT_FSIZE] = "fsize",
		[RLIMIT_DATA] = "data",
		[RLIMIT_STACK] = "stack",
		[RLIMIT_CORE] = "core",
		[RLIMIT_RSS] = "rss",
		[RLIMIT_NPROC] = "nproc",
		[RLIMIT_NOFILE] = "nofile",
		[RLIMIT_MEMLOCK] = "memlock",
		[RLIMIT_AS] = "as",
		[RLIMIT_LOCKS] = "locks",
		[RLIMIT_SIGPENDING] = "sigpending",
		[RLIMIT_MSGQUEUE] = "msgqueue",
		[RLIMIT_NICE] = "nice",
		[RLIMIT_RTPRIO] = "rtprio",
		[RLIMIT_RTTIME] = "rttime" };
	for (int i = 0; i < RLIM_NLIMITS; i++) {
		struct rlimit rl;
		if (getrlimit(i, &rl) < 0)
			continue;
		out_begin("rlimit");
		out_str("name", names[i]);
		out_int("soft", rl.rlim_cur == RLIM_INFINITY ? -1 : (long long)rl.rlim_cur);
		out_int("hard", rl.rlim_max == RLIM_INFINITY ? -1 : (long long)rl.rlim_max);
		struct rlimit more = { rl.rlim_cur,
			rl.rlim_max == RLIM_INFINITY ? rl.rlim_max : rl.rlim_max + 1 };
		int r = setrlimit(i, &more);
		out_int("raise_errno", rl.rlim_max == RLIM_INFINITY || r == 0 ? 0 : errno);
		out_end();
	}
	return 0;
}

static void *wait_forever(void *arg)
{
	pause();
	return NULL;
}

int cmd_threads(int argc, char **argv)
{
	int n = argc > 1 ? (int)parse_number(argv[1]) : 4;
	for (int i = 0; i < n; i++) {
		pthread_t t;
		int r = pthread_create(&t, NULL, wait_forever, NULL);
		if (r) {
			errno = r;
			out_result("pthread_create", -1);
			return 1;
		}
	}
	DIR *d = opendir("/proc/self/task");
	for (struct dirent *de; d && (de = readdir(d));) {
		if (de->d_name[0] == '.')
			continue;
		char path[300];
		snprintf(path, sizeof(path), "/proc/self/task/%s/status", de->d_name);
		out_begin("thread");
		out_str("tid", de->d_name);
		out_status(path);
		out_end();
	}
	fflush(stdout);
	_exit(0);
}
