/* Making one jail: image and sources become mounts, then the clone, then the id maps. Runs in the
 * warden. */
#include "jail/claim.h"
#include "jail/host_view.h"
#include "jail/idmap.h"
#include "jail/launch_priv.h"
#include "jail/mount.h"

#include "base/cleanup.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

/* A process that ends needs some ms; a machine may have no time for it. */
#define END_WAIT_MS 1000

/* Everything that a launch opens and the child inherits; closed in the warden when the child
 * exists. */
static void destroy_jail(struct jail *in)
{
	if (!in)
		return;
	for (size_t i = 0; i < in->n_shown; i++)
		fd_close(&in->shown[i].tree_fd);
	fd_close(&in->image.tree_fd);
	fd_close(&in->workspace.tree_fd);
	for (size_t i = 0; i < ARRAY_SIZE(in->mounts); i++)
		fd_close(&in->mounts[i].tree_fd);
	fd_close(&in->disk_tree_fd);
	fd_close(&in->unpack_fd);
	fd_close(&in->status_fd);
	free(in->image.path);
	free(in->workspace.path);
	for (size_t i = 0; i < ARRAY_SIZE(in->mounts); i++)
		free(in->mounts[i].path);
	free(in->cwd);
	free(in);
}

static void clear_source(struct jail_source *s)
{
	s->fd = s->tree_fd = -1;
}

/* Whether the task may write into a directory of the client's. */
static bool has_shared(const struct plan *p)
{
	bool found = p->has_workspace && p->workspace.mode == PLAN_MODE_RW;
	for (size_t i = 0; i < p->n_mounts; i++)
		found = found || p->mounts[i].mode == PLAN_MODE_RW;
	return found;
}

static struct jail *new_jail(struct warden *w, const struct warden_jail *j)
{
	struct jail *in = calloc(1, sizeof(*in));
	if (!in)
		return NULL;
	in->id = j->id;
	in->plan = j->plan;
	in->mode = w->ids.mode;
	in->owner_uid = w->ids.uid;
	in->owner_gid = w->ids.gid;
	in->landlock_abi = w->landlock_abi;
	in->upper_on_disk = w->upper_on_disk;
	in->seccomp = &w->filters[j->plan->profile][j->plan->network];
	/* Root inside installs packages: those have set-user-id programs, and fail without. */
	if (j->plan->user == PLAN_USER_AGENT && has_shared(j->plan))
		in->seccomp_shared = &w->shared_filter;
	in->filters = &w->filters[0][0];
	in->shared_filter = &w->shared_filter;
	in->etc_masks = w->etc.masks;
	clear_source(&in->image);
	clear_source(&in->workspace);
	for (size_t i = 0; i < ARRAY_SIZE(in->mounts); i++)
		clear_source(&in->mounts[i]);
	memcpy(in->stdio, j->stdio, sizeof(in->stdio));
	in->inputs_fd = j->inputs_fd;
	in->unpack_fd = in->exec_fd = -1;
	for (size_t i = 0; i < ARRAY_SIZE(in->tar_fds); i++)
		in->tar_fds[i] = -1;
	in->changes_fd = j->plan->changes_fd_index < 0 ? -1 : j->sources[j->plan->changes_fd_index];
	int artifacts = j->plan->artifacts_fd_index;
	in->artifacts_fd = artifacts < 0 ? -1 : j->sources[artifacts];
	in->disk_fd = in->disk_tree_fd = in->status_fd = -1;
	in->store_fd = in->root_fd = in->proc_fd = in->host_root_fd = -1;
	in->upper_fd = in->lower_fd = in->tty_fd = -1;
	const char *home = j->plan->user == PLAN_USER_ROOT ? "/root" : PLAN_AGENT_HOME;
	in->cwd = strdup(j->plan->cwd		  ? j->plan->cwd
			 : j->plan->has_workspace ? j->plan->workspace.target
						  : home);
	if (in->cwd)
		return in;
	destroy_jail(in);
	return NULL;
}

static int map_shown(struct warden *w, struct warden_jail *j, struct jail *in, int tree,
	const char *path, struct err *e)
{
	int ns = ids_image_namespace(&w->ids, j->slot, e);
	if (ns < 0)
		return ns;
	int r = idmap_apply(tree, ns, false);
	if (r < 0)
		/* Without the map, /etc and /usr are what the host's "others" may read. */
		jail_degrade(in, CONTROL_IDMAPPED_IMAGE, "%s: owners show as nobody (%s)", path,
			strerror(-r));
	else
		jail_enforce(in, CONTROL_IDMAPPED_IMAGE);
	return 0;
}

/* What is not there, or goes meanwhile with its package, is not shown. */
static int show_of_host(
	struct warden *w, struct warden_jail *j, struct jail *in, const char *name, struct err *e)
{
	char path[32];
	struct stat st;
	struct jail_shown *d = &in->shown[in->n_shown];
	*d = (struct jail_shown){ .tree_fd = -1 };
	snprintf(d->name, sizeof(d->name), "%s", name);
	snprintf(path, sizeof(path), "/%s", name);
	if (lstat(path, &st) < 0)
		return 0;
	if (S_ISLNK(st.st_mode)) {
		ssize_t n = readlink(path, d->link, sizeof(d->link) - 1);
		d->link[n < 0 ? 0 : n] = '\0';
		in->n_shown += n > 0;
		return 0;
	}
	if (!S_ISDIR(st.st_mode))
		return 0;
	if (w->ids.mode == WARDEN_MODE_ROOT && !host_mounts_are_below(&w->host_mounts, path)) {
		auto_close int tree = mount_clone(AT_FDCWD, path, false, e);
		int r = tree < 0 ? tree : map_shown(w, j, in, tree, path, e);
		if (r < 0)
			return tree == -ENOENT ? 0 : r;
		d->tree_fd = fd_take(&tree);
	}
	in->n_shown++;
	return 0;
}

static int prepare_host_image(
	struct warden *w, struct warden_jail *j, struct jail *in, struct err *e)
{
	int r = etc_scan_refresh(&w->etc, e);
	in->etc_masks = w->etc.masks;
	for (size_t i = 0; r == 0 && host_view_names[i]; i++)
		r = show_of_host(w, j, in, host_view_names[i], e);
	return r;
}

static int compare_ints(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* The child has a copy of every descriptor of the warden: other jails' lifelines among them. Only
 * its own stay. */
static void close_others(const struct jail *in)
{
	int keep[11 + JAIL_SHOWN_MAX + ARRAY_SIZE(in->mounts) + LIMIT_TARS];
	size_t n = 0;
	for (size_t i = 0; i < 3; i++)
		keep[n++] = in->stdio[i];
	keep[n++] = in->status_fd;
	keep[n++] = in->disk_tree_fd;
	keep[n++] = in->inputs_fd;
	keep[n++] = in->unpack_fd;
	for (size_t i = 0; i < in->plan->n_tars; i++)
		keep[n++] = in->tar_fds[i];
	keep[n++] = in->changes_fd;
	keep[n++] = in->artifacts_fd;
	keep[n++] = in->image.tree_fd;
	keep[n++] = in->workspace.tree_fd;
	for (size_t i = 0; i < in->n_shown; i++)
		keep[n++] = in->shown[i].tree_fd;
	for (size_t i = 0; i < in->plan->n_mounts; i++)
		keep[n++] = in->mounts[i].tree_fd;
	qsort(keep, n, sizeof(keep[0]), compare_ints);
	unsigned next = 3;
	for (size_t i = 0; i < n; i++) {
		if (keep[i] < (int)next)
			continue;
		if ((unsigned)keep[i] > next)
			sys_close_range(next, (unsigned)keep[i] - 1);
		next = (unsigned)keep[i] + 1;
	}
	sys_close_range(next, ~0u);
}

static int clone_jail(struct warden *w, struct warden_jail *j, struct jail *in, struct err *e)
{
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_set(e, ERR_SETUP, errno, "make a socket pair");
	j->status_fd = pair[0];
	in->status_fd = pair[1];
	uint64_t flags = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS;
	/* A cgroup namespace begins where its maker is: from here that would be our own cgroup, so
	 * jail init makes it. */
	if (!in->has_cgroup)
		flags |= CLONE_NEWCGROUP;
	if (j->plan->network == PLAN_NETWORK_NONE)
		flags |= CLONE_NEWNET;
	pid_t pid = ids_clone(
		&w->ids, j->slot, j->plan->limits.processes, flags, j->cgroup.fd, &j->pidfd);
	if (pid == 0) {
		close_others(in);
		jail_init_main(in);
	}
	if (pid < 0) {
		err_set(e, ERR_SETUP, (int)-pid, "create the namespaces");
		snprintf(e->step, sizeof(e->step), "namespaces");
		err_hint(
			e, "`dayfly doctor` finds out why this host refuses it and prints the fix");
		return pid;
	}
	j->pid = pid;
	return 0;
}

/* A jail goes before the daemon when the host runs out of memory. Jail init could not say so
 * itself: that file is not its own. With CAP_SYS_RESOURCE it is also the least that a task can give
 * itself later. Without effect where it is not allowed. */
static void go_first(pid_t pid)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", (int)pid);
	fd_write_file(AT_FDCWD, path, "500");
}

/* Whether jail init had a reason of its own to end, which it tells, or its end does. What is done
 * to a process that ends fails in many ways. Call it only for one that cannot go on anyway. */
static bool had_its_own_end(const struct warden_jail *j)
{
	struct pollfd end = { .fd = j->pidfd, .events = POLLIN };
	siginfo_t how = { 0 };
	char word;
	/* One that still waits for its start leaves now, and says nothing. */
	shutdown(j->status_fd, SHUT_WR);
	if (poll(&end, 1, END_WAIT_MS) <= 0)
		return false;
	if (recv(j->status_fd, &word, 1, MSG_PEEK | MSG_DONTWAIT) > 0)
		return true;
	if (waitid(P_PIDFD, (id_t)j->pidfd, &how, WEXITED | WNOHANG | WNOWAIT) < 0)
		return false;
	return how.si_code != CLD_EXITED || how.si_status != JAIL_EXIT_NO_START;
}

static int release_jail(struct warden *w, struct warden_jail *j, struct err *e)
{
	struct wire_request rq;
	int r = 0;
	go_first(j->pid);
	if (w->ids.mode != WARDEN_MODE_SINGLE)
		r = ids_write_maps(&w->ids, j->slot, j->pid, j->plan->user, e);
	wire_request_init(&rq, WIRE_START, j->id);
	if (r == 0)
		fd_send(j->status_fd, &rq, sizeof(rq), NULL, 0);
	if (r < 0 && !had_its_own_end(j)) {
		snprintf(e->step, sizeof(e->step), "ids");
		return r;
	}
	j->state = WARDEN_JAIL_LIVE;
	return 0;
}

static void enforce_limits(struct warden *w, struct jail *in, const struct plan_limits *l)
{
	if (l->memory_bytes)
		jail_enforce(in, CONTROL_MEMORY_LIMIT);
	if (l->memory_bytes && !w->cgroup.has_swap)
		jail_degrade(in, CONTROL_MEMORY_LIMIT, "this kernel does not limit swap");
	if (l->cpu_millis)
		jail_enforce(in, CONTROL_CPU_LIMIT);
	if (l->cpu_time_ms)
		jail_enforce(in, CONTROL_CPU_TIME_LIMIT);
	if (l->io_read_bps || l->io_write_bps)
		jail_enforce(in, CONTROL_IO_LIMIT);
	if (l->pids)
		jail_enforce(in, CONTROL_PIDS_LIMIT);
}

static int prepare_cgroup(struct warden *w, struct warden_jail *j, struct jail *in, struct err *e)
{
	const struct plan_limits *l = &j->plan->limits;
	int r = cgroup_task_make(&w->cgroup, j->plan->task, l, &j->cgroup, e);
	if (r < 0 || j->cgroup.fd < 0)
		return r;
	in->has_cgroup = true;
	jail_enforce(in, CONTROL_CGROUP);
	enforce_limits(w, in, l);
	return 0;
}

static int prepare_store(struct warden *w, struct warden_jail *j, struct jail *in, struct err *e)
{
	if (!w->upper_on_disk)
		return 0;
	int r = store_make(w, j, e);
	snprintf(in->disk_path, sizeof(in->disk_path), "%.440s/%s", w->state_path, j->disk_name);
	if (r == 0 && w->ids.mode == WARDEN_MODE_ROOT)
		r = in->disk_tree_fd = mount_clone(w->state_fd, j->disk_name, false, e);
	return r;
}

static int prepare_jail(struct warden *w, struct warden_jail *j, struct jail *in, struct err *e)
{
	j->slot = ids_take_slot(&w->ids);
	/* What waits for a task must not be what keeps one from its range. */
	if (j->slot < 0 && j->state != WARDEN_JAIL_PARKED && pool_give_way(w))
		j->slot = ids_take_slot(&w->ids);
	if (j->slot < 0)
		return err_set(e, ERR_BUSY, EBUSY, "all %d ranges of ids are in use", w->ids.count);
	int r = j->plan->image == PLAN_IMAGE_HOST ? prepare_host_image(w, j, in, e)
						  : launch_take_image(w, j, in, e);
	if (r == 0)
		r = launch_take_sources(w, j, in, e);
	if (r == 0)
		r = prepare_store(w, j, in, e);
	return r < 0 ? r : prepare_cgroup(w, j, in, e);
}

int launch_jail(struct warden *w, struct warden_jail *j, struct err *e)
{
	struct jail *in = new_jail(w, j);
	if (!in)
		return err_set(e, ERR_INTERNAL, ENOMEM, "make a jail");
	int r = prepare_jail(w, j, in, e);
	if (r == 0)
		r = clone_jail(w, j, in, e);
	destroy_jail(in);
	return r < 0 ? r : release_jail(w, j, e);
}

int launch_parked(struct warden *w, struct warden_jail *j, struct err *e)
{
	struct jail *in = new_jail(w, j);
	if (!in)
		return err_set(e, ERR_INTERNAL, ENOMEM, "make a jail");
	in->is_parked = true;
	in->pivots_early = j->pivots_early;
	int r = prepare_jail(w, j, in, e);
	if (r == 0)
		r = clone_jail(w, j, in, e);
	destroy_jail(in);
	if (r == 0)
		r = release_jail(w, j, e);
	/* So that whoever claims it need not wait for it. */
	if (r == 0 && w->ids.mode == WARDEN_MODE_ROOT && w->ids.has_own)
		ids_own_namespace(&w->ids, j->slot, w->ids.own_uid, w->ids.own_gid, NULL);
	j->state = WARDEN_JAIL_PARKED;
	return r;
}

int launch_claim(struct warden *w, struct warden_jail *j, struct err *e)
{
	struct jail *in = new_jail(w, j);
	if (!in)
		return err_set(e, ERR_INTERNAL, ENOMEM, "make a jail");
	int r = launch_take_sources(w, j, in, e);
	if (r == 0)
		r = cgroup_task_limit(&w->cgroup, &j->cgroup, &j->plan->limits, e);
	if (r == 0) {
		enforce_limits(w, in, &j->plan->limits);
		r = claim_send(j->status_fd, j->plan_fd, in);
		if (r < 0)
			err_set(e, ERR_SETUP, -r, "give a jail of the pool its task");
	}
	destroy_jail(in);
	j->state = WARDEN_JAIL_LIVE;
	return r;
}
