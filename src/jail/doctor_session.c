/* Checks of what the administrator and the session give to a user: ids, cgroups, the runtime
 * directory. */
#include "jail/doctor_priv.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/str.h"
#include "jail/subid.h"
#include "jail/throwaway.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

static int map_range(pid_t pid, void *arg, struct err *e)
{
	return subid_map(arg, pid, 0, e);
}

static int use_range(void *arg, struct err *e)
{
	if (setresgid(1000, 1000, 1000) < 0 || setresuid(1000, 1000, 1000) < 0)
		return err_set(e, ERR_SETUP, errno, "take a subordinate id");
	return 0;
}

int doctor_id_range(struct doctor *d, struct doctor_finding *f, struct err *e)
{
	struct subid_helpers h;
	int r = subid_prepare(&h, d->uid, e);
	if (r < 0)
		return r;
	struct throwaway t = {
		.flags = CLONE_NEWUSER, .map = map_range, .fn = use_range, .arg = &h
	};
	r = throwaway_run(&t, e);
	if (r == 0)
		doctor_why(f, "uids from %u, gids from %u", h.uids.first, h.gids.first);
	return r;
}

/* The first id that neither file gives to anybody. */
static uint32_t free_range(void)
{
	static const char *const files[] = { "/etc/subuid", "/etc/subgid" };
	uint32_t next = 100000;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		auto_free char *text = NULL;
		if (fd_read_file(AT_FDCWD, files[i], 1u << 20, &text) > 0 &&
			subid_next_free(text) > next)
			next = subid_next_free(text);
	}
	return next;
}

void doctor_hint_id_range(const struct doctor *d, const struct err *e, struct doctor_finding *f)
{
	doctor_why(f, "tasks have a single id: `--user root` cannot change owners, so apt and dnf "
		      "fail in a task");
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1)
		doctor_why(f, "no_new_privs is set on this process");
	const char *package = doctor_newuidmap_package(d->distro);
	if (strstr(e->msg, "not installed"))
		doctor_fix(f, "%s",
			package ? package : "install the newuidmap and newgidmap of shadow-utils");
	else if (str_starts(e->msg, "/etc/sub"))
		doctor_fix(f, "echo '%s:%u:65536' | sudo tee -a /etc/subuid /etc/subgid", d->user,
			free_range());
	else if (strstr(e->msg, "set-user-id"))
		doctor_fix(f, "sudo chmod u+s /usr/bin/newuidmap /usr/bin/newgidmap");
}

/* Adds the controllers that tasks need to a cgroup's children, and takes those away again that were
 * not there before. */
static int try_controllers(int cgroup, struct err *e)
{
	static const char *const wanted[] = { "memory", "cpu", "pids" };
	auto_free char *before = NULL;
	char word[32];
	int r = 0;
	if (fd_read_file(cgroup, "cgroup.subtree_control", 4096, &before) < 0)
		return err_set(e, ERR_SETUP, errno, "read cgroup.subtree_control");
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(wanted); i++) {
		if (strstr(before, wanted[i]))
			continue;
		snprintf(word, sizeof(word), "+%s", wanted[i]);
		int w = fd_write_file(cgroup, "cgroup.subtree_control", word);
		snprintf(word, sizeof(word), "-%s", wanted[i]);
		if (w == 0)
			fd_write_file(cgroup, "cgroup.subtree_control", word);
		/* Busy: allowed, once the processes in it have moved to a leaf. */
		if (w < 0 && w != -EBUSY)
			r = err_set(e, ERR_SETUP, -w, "enable the %s controller", wanted[i]);
	}
	return r;
}

static int check_available(int cgroup, struct err *e)
{
	auto_free char *have = NULL;
	ssize_t n = fd_read_file(cgroup, "cgroup.controllers", 4096, &have);
	if (n < 0)
		return err_set(e, ERR_SETUP, (int)-n, "read cgroup.controllers");
	if (strstr(have, "memory") && strstr(have, "cpu") && strstr(have, "pids"))
		return 0;
	have[strcspn(have, "\n")] = '\0';
	err_set(e, ERR_SETUP, 0, "the cgroup has the controllers \"%s\", not memory, cpu and pids",
		have);
	return -ENOENT;
}

static int try_cgroup(void *arg, struct err *e)
{
	char name[64];
	auto_close int cgroup = open(arg, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (cgroup < 0)
		return err_set(e, ERR_SETUP, errno, "open %s", (const char *)arg);
	snprintf(name, sizeof(name), "dayfly-probe-%d", (int)getpid());
	int r = mkdirat(cgroup, name, 0755) < 0
			? err_set(e, ERR_SETUP, errno, "make a cgroup in %s", (const char *)arg)
			: 0;
	if (r < 0)
		return r;
	r = check_available(cgroup, e);
	if (r == 0)
		r = try_controllers(cgroup, e);
	if (unlinkat(cgroup, name, AT_REMOVEDIR) < 0 && r == 0)
		r = err_set(e, ERR_SETUP, errno, "remove a cgroup");
	return r;
}

/* Where this process's own cgroup is in the file system. */
static int own_cgroup(char *ret, size_t size, struct err *e)
{
	auto_free char *cgroups = NULL, *mounts = NULL;
	struct doctor_mount m;
	char path[512];
	if (fd_read_file(AT_FDCWD, "/proc/self/cgroup", 65536, &cgroups) <= 0 ||
		fd_read_file(AT_FDCWD, "/proc/self/mountinfo", 1u << 20, &mounts) <= 0 ||
		doctor_parse_cgroup(cgroups, path, sizeof(path)) < 0 ||
		doctor_find_mount(mounts, "cgroup2", &m) < 0) {
		err_set(e, ERR_SETUP, 0, "no cgroup v2 is mounted here");
		return -ENOENT;
	}
	/* The mount may show only a part of the tree. */
	size_t skip = strcmp(m.root, "/") ? strlen(m.root) : 0;
	if (skip && (!str_starts(path, m.root) || (path[skip] && path[skip] != '/'))) {
		err_set(e, ERR_SETUP, 0, "the own cgroup %s is not visible below %s", path,
			m.point);
		return -ENOENT;
	}
	snprintf(ret, size, "%s%s", m.point, path + skip);
	return 0;
}

int doctor_cgroup(struct doctor *d, struct doctor_finding *f, struct err *e)
{
	char path[1100];
	struct throwaway t = { .fn = try_cgroup, .arg = path };
	int r = own_cgroup(path, sizeof(path), e);
	if (r == 0)
		r = throwaway_run(&t, e);
	if (r < 0)
		return r;
	/* True of the host, yet a promise that this version does not use. */
	doctor_set(f, DOCTOR_DEGRADED,
		"%s is delegated, but this version makes no cgroups: limits on memory, cpus and "
		"pids are refused, or best effort",
		path);
	doctor_fix(f, "list these limits under best_effort (--best-effort memory,cpus,pids)");
	return 0;
}

void doctor_hint_cgroup(const struct doctor *d, const struct err *e, struct doctor_finding *f)
{
	struct stat st;
	doctor_why(f, "limits on memory, cpus and pids cannot be enforced");
	if (stat("/sys/fs/cgroup/cgroup.controllers", &st) < 0)
		doctor_fix(f, "boot with systemd.unified_cgroup_hierarchy=1 cgroup_no_v1=all on "
			      "the kernel's command line");
	else if (d->is_root)
		doctor_fix(f, "set Delegate=yes in the service's unit (contrib/ has one)");
	else
		doctor_fix(f, "systemd-run --user --scope -p Delegate=yes dayflyd");
}

int doctor_container(struct doctor *d, struct doctor_finding *f, struct err *e)
{
	if (d->container[0])
		doctor_why(f, "inside a container (%s)", d->container);
	else
		doctor_why(f, "no container was noticed");
	return 0;
}

int doctor_runtime_dir(struct doctor *d, struct doctor_finding *f, struct err *e)
{
	char linger[128];
	struct stat st;
	const char *dir = getenv("XDG_RUNTIME_DIR");
	if (!dir || !*dir) {
		doctor_set(f, DOCTOR_DEGRADED,
			"XDG_RUNTIME_DIR is not set: give a socket by --socket or DAYFLY_SOCKET");
		doctor_fix(f, "log in through a full session (ssh, not su)");
		return 0;
	}
	if (stat(dir, &st) < 0 || !S_ISDIR(st.st_mode) || st.st_uid != d->uid ||
		(st.st_mode & 0077)) {
		doctor_set(f, DOCTOR_DEGRADED,
			"%s is not a directory of this user's alone (mode 0700)", dir);
		return 0;
	}
	doctor_why(f, "%s", dir);
	snprintf(linger, sizeof(linger), "/var/lib/systemd/linger/%s", d->user);
	if (access("/run/systemd/system", F_OK) == 0 && access(linger, F_OK) < 0)
		doctor_why(f, "note: at logout it goes away, and tasks with it; `loginctl "
			      "enable-linger` keeps them");
	return 0;
}
