/* Checks of cgroup v2: whether a part of the tree is delegated, and what can be done in it. Nothing
 * of a warden that is at work there is touched. */
#include "jail/doctor_priv.h"

#include "base/cleanup.h"
#include "base/dir.h"
#include "base/fd.h"
#include "base/str.h"
#include "jail/cgroup.h"
#include "jail/cgroup_parse.h"
#include "jail/sys.h"
#include "jail/throwaway.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#define KILL_MS 1000

static bool has_systemd(void)
{
	return access("/run/systemd/system", F_OK) == 0;
}

int doctor_cgroup_version(struct doctor *d, struct doctor_finding *f, struct err *e)
{
	struct statfs fs;
	auto_free char *text = doctor_read("/proc/self/mountinfo");
	bool has_v1 = text && cgroup_parse_has_v1(text);
	bool is_v2 = statfs("/sys/fs/cgroup", &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC;
	if (is_v2 && !has_v1) {
		doctor_why(f, "v2");
		return 0;
	}
	if (has_v1)
		doctor_set(f, DOCTOR_DEGRADED,
			"the controllers of limits are used by cgroup v1, which dayfly does not "
			"use");
	else
		doctor_set(f, DOCTOR_DEGRADED, "no cgroup v2 is mounted at /sys/fs/cgroup");
	if (has_v1)
		doctor_fix(f,
			"boot %s with systemd.unified_cgroup_hierarchy=1 cgroup_no_v1=all on the "
			"kernel's command line",
			d->container[0] ? "the host of this container" : "");
	else
		doctor_fix(f, "sudo mount -t cgroup2 cgroup2 /sys/fs/cgroup");
	return 0;
}

/* ---- in a throw-away child ---- */

static bool has_warden(const struct cgroup_tree *t)
{
	return faccessat(t->base_fd, CGROUP_SUPERVISOR, F_OK, 0) == 0;
}

/* The cgroup hands a controller on and takes it back. One that is on already, or that cannot be
 * switched while processes are in the cgroup (they go to a leaf when dayflyd starts), is well. */
static int try_controllers(const struct cgroup_tree *t, struct err *e)
{
	auto_free char *before = NULL;
	char word[32];
	if (fd_read_file(t->base_fd, "cgroup.subtree_control", 4096, &before) < 0)
		return err_set(e, ERR_SETUP, errno, "read cgroup.subtree_control");
	uint32_t on = cgroup_parse_controllers(before);
	for (unsigned i = 0; i < PLAN_CONTROLLER_COUNT; i++) {
		if (!(t->controllers & ~on & 1u << i) || has_warden(t))
			continue;
		snprintf(word, sizeof(word), "+%s", plan_controller_name(i));
		int r = fd_write_file(t->base_fd, "cgroup.subtree_control", word);
		if (r < 0 && r != -EBUSY)
			return err_set(e, ERR_SETUP, -r, "enable the %s controller",
				plan_controller_name(i));
		word[0] = '-';
		if (r == 0 && !has_warden(t))
			fd_write_file(t->base_fd, "cgroup.subtree_control", word);
	}
	return 0;
}

/* A process born in a cgroup, and the end of all that is in it. */
static int try_kill(int cgroup, struct err *e)
{
	int pidfd = -1, status;
	pid_t pid = sys_clone_into(0, cgroup, &pidfd);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		poll(NULL, 0, 2 * KILL_MS);
		_exit(0);
	}
	if (pid < 0)
		return err_set(e, ERR_SETUP, (int)-pid, "clone a process into a cgroup");
	struct pollfd p = { .fd = pidfd, .events = POLLIN };
	int r = fd_write_file(cgroup, "cgroup.kill", "1");
	if (r < 0)
		err_set(e, ERR_SETUP, -r, "write cgroup.kill");
	else if (poll(&p, 1, KILL_MS) != 1)
		r = err_set(e, ERR_SETUP, ETIMEDOUT, "kill a process by cgroup.kill");
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	fd_close(&pidfd);
	return r;
}

/* dayflyd can move its own processes to a leaf, nobody else's. */
static bool is_dayfly(pid_t pid)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	auto_free char *comm = doctor_read(path);
	return comm && str_starts(comm, "dayfly");
}

/* A process for which the cgroup could not be divided; 0 for one that cannot be seen, -1: none. */
static pid_t find_other(const struct cgroup_tree *t)
{
	auto_free char *text = NULL;
	pid_t pid;
	if (has_warden(t) || fd_read_file(t->base_fd, "cgroup.procs", 1u << 20, &text) < 0)
		return -1;
	for (const char *next = text; cgroup_parse_pid(&next, &pid);)
		if (!is_dayfly(pid))
			return pid;
	return -1;
}

/* What is lacking, besides failures. */
enum { WELL, NO_CONTROLLER, OTHERS };

struct cgroup_work {
	bool is_kill;
	struct cgroup_tree tree; /* of the child; what it learned of it goes back in text */
	char text[384];
};

static int tell(struct cgroup_work *w)
{
	pid_t other = find_other(&w->tree);
	if (w->tree.why[0])
		snprintf(w->text, sizeof(w->text), "%s", w->tree.why);
	else if (other >= 0)
		snprintf(w->text, sizeof(w->text),
			"%s is delegated, but other processes are in it too (pid %d)", w->tree.path,
			(int)other);
	else
		snprintf(w->text, sizeof(w->text), "%s", w->tree.path);
	return w->tree.why[0] ? NO_CONTROLLER : other >= 0 ? OTHERS : WELL;
}

static int in_new_cgroup(const struct cgroup_work *w, struct err *e)
{
	char name[64];
	int base = w->tree.base_fd;
	snprintf(name, sizeof(name), "dayfly-probe-%d", (int)getpid());
	if (mkdirat(base, name, 0755) < 0)
		return err_set(e, ERR_SETUP, errno, "make a cgroup in %s", w->tree.path);
	auto_close int cgroup = dir_open(base, name);
	int r = cgroup < 0   ? err_set(e, ERR_SETUP, -cgroup, "open a new cgroup")
		: w->is_kill ? try_kill(cgroup, e)
			     : try_controllers(&w->tree, e);
	fd_close(&cgroup);
	if (unlinkat(base, name, AT_REMOVEDIR) < 0 && r == 0)
		r = err_set(e, ERR_SETUP, errno, "remove a cgroup");
	return r;
}

static int try_cgroup(void *arg, struct err *e)
{
	struct cgroup_work *w = arg;
	struct cgroup_place place;
	int r = cgroup_place_read(&place, -1);
	r = r < 0 ? err_set(e, ERR_SETUP, -r, "read the place in the cgroup tree")
		  : cgroup_tree_find(&place, &w->tree, e);
	cgroup_place_finish(&place);
	if (r < 0)
		return r;
	int lacking = tell(w);
	r = in_new_cgroup(w, e);
	cgroup_tree_close(&w->tree);
	return r < 0 ? r : lacking;
}

/* ---- findings ---- */

static void fix_container(const struct doctor *d, struct doctor_finding *f)
{
	if (!strcmp(d->container, "docker"))
		doctor_fix(f,
			"docker run --cgroupns=private --security-opt writable-cgroups=true ...   "
			"# Docker 28 and later");
	else if (!strcmp(d->container, "podman"))
		doctor_fix(f,
			"podman run --cgroupns=private --security-opt unmask=/sys/fs/cgroup ...");
	else
		doctor_fix(
			f, "give the container a cgroup namespace and a writable /sys/fs/cgroup");
}

/* Where systemd is, in which unit to say it; else by hand. */
static void fix_delegation(const struct doctor *d, struct doctor_finding *f)
{
	if (!has_systemd() && d->container[0])
		fix_container(d, f);
	else if (has_systemd() && d->is_root)
		doctor_fix(f,
			"systemd-run --scope -p Delegate=yes dayflyd   # or Delegate=yes in the "
			"service's unit");
	else if (has_systemd())
		doctor_fix(f,
			"systemd-run --user --scope -p Delegate=yes dayflyd   # or Delegate=yes in "
			"the user's unit");
	else
		doctor_fix(f,
			"sudo sh -c 'cd /sys/fs/cgroup && echo +memory +cpu +pids "
			">cgroup.subtree_control && mkdir -p dayfly && chown %s dayfly "
			"dayfly/cgroup.procs dayfly/cgroup.subtree_control' && sh -c 'echo $$ | "
			"sudo tee /sys/fs/cgroup/dayfly/cgroup.procs && exec dayflyd'",
			d->user);
}

int doctor_cgroup(struct doctor *d, struct doctor_finding *f, struct err *e)
{
	struct cgroup_work w = { .is_kill = false };
	struct throwaway t = {
		.fn = try_cgroup, .arg = &w, .result = w.text, .result_size = sizeof(w.text)
	};
	int r = throwaway_run(&t, e);
	d->has_cgroups = r >= 0;
	if (r < 0)
		return r;
	doctor_why(f, "%s", w.text);
	if (r == WELL)
		return 0;
	doctor_set(f, DOCTOR_DEGRADED, "limits that need it are refused, or best effort");
	if (r == NO_CONTROLLER && has_systemd() && !d->is_root)
		doctor_fix(f, "sudo mkdir -p /etc/systemd/system/user@.service.d && printf "
			      "'[Service]\\nDelegate=cpu cpuset io memory pids\\n' | sudo tee "
			      "/etc/systemd/system/user@.service.d/delegate.conf && sudo systemctl "
			      "daemon-reload   # from the next login on");
	else
		fix_delegation(d, f);
	return 0;
}

void doctor_hint_cgroup(const struct doctor *d, const struct err *e, struct doctor_finding *f)
{
	auto_free char *text = doctor_read("/proc/self/mountinfo");
	doctor_why(f, "limits on memory, CPUs and processes are refused, or best effort "
		      "(--best-effort memory,cpus,pids)");
	/* Else that check tells what to do. */
	if (text && !cgroup_parse_has_v1(text))
		fix_delegation(d, f);
}

int doctor_cgroup_kill(struct doctor *d, struct doctor_finding *f, struct err *e)
{
	struct cgroup_work w = { .is_kill = true };
	struct throwaway t = { .fn = try_cgroup, .arg = &w };
	if (!d->has_cgroups) {
		doctor_set(f, DOCTOR_DEGRADED,
			"not tried, as cgroup-delegation is not well; tasks end with their pid "
			"namespace");
		return 0;
	}
	int r = throwaway_run(&t, e);
	if (r < 0)
		doctor_why(f, "needs Linux 5.14; a cgroup is frozen and killed one by one instead");
	return r < 0 ? r : 0;
}

/* Text only: it cannot be tried without logging out. */
int doctor_linger(struct doctor *d, struct doctor_finding *f, struct err *e)
{
	char path[128];
	snprintf(path, sizeof(path), "/var/lib/systemd/linger/%s", d->user);
	if (!has_systemd()) {
		doctor_why(f, "there is no systemd, which could end a login's processes");
	} else if (access(path, F_OK) < 0) {
		doctor_set(f, DOCTOR_DEGRADED,
			"at the last logout systemd ends what %s runs, dayflyd and tasks with it",
			d->user);
		doctor_fix(f, "loginctl enable-linger");
	}
	return 0;
}
