/* The delegated subtree: finding, taking and leaving it. See cgroup.h. */
#include "jail/cgroup.h"
#include "jail/cgroup_parse.h"
#include "jail/cgroup_priv.h"
#include "jail/sys.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/dir.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#define FILE_MAX (1u << 20)
/* Our processes may fork while they are moved. */
#define MOVE_ROUNDS 4
/* A warden that has just died may still be seen for a moment, and so may the jails that it left. */
#define WAIT_NS	 NS_PER_S
#define PAUSE_US 2000

#define ALL_CONTROLLERS ((1u << PLAN_CONTROLLER_COUNT) - 1)
/* Without all of these there is no reason to make cgroups. */
#define MAIN_CONTROLLERS                                                                           \
	(1u << PLAN_CONTROLLER_MEMORY | 1u << PLAN_CONTROLLER_PIDS | 1u << PLAN_CONTROLLER_CPU)

int cgroup_read(int dirfd, const char *file, char **ret)
{
	ssize_t n = fd_read_file(dirfd, file, FILE_MAX, ret);
	return n < 0 ? (int)n : 0;
}

/* "memory, pids and cpu" */
static void name_controllers(uint32_t set, char *out, size_t size)
{
	size_t n = 0;
	out[0] = '\0';
	for (unsigned i = 0; i < PLAN_CONTROLLER_COUNT; i++) {
		if (!(set & 1u << i))
			continue;
		set &= ~(1u << i);
		n += (size_t)snprintf(out + n, size - n, "%s%s",
			n == 0 ? ""
			: set  ? ", "
			       : " and ",
			plan_controller_name(i));
	}
}

static int unsupported(struct err *e, int errnum, const char *what)
{
	return err_set(e, ERR_UNSUPPORTED, errnum, "%s", what);
}

/* ---- finding it ---- */

struct finding {
	int own_fd;  /* the cgroup that we are in */
	int base_fd; /* the same, or the one above */
	bool is_in_supervisor;
	char path[1024]; /* of base */
};

static int find_mount(const struct cgroup_place *p, char *path, size_t size,
	struct cgroup_mount *ret, struct err *e)
{
	int r = cgroup_parse_self(p->self, path, size);
	if (r == 0)
		r = cgroup_parse_mount(p->mountinfo, path, ret);
	if (r == -ENOENT)
		return unsupported(e, 0, "cgroup v2 is not mounted on this host");
	if (r == -EXDEV || r == -ESTALE)
		return unsupported(
			e, 0, "the mounted cgroup tree does not show the cgroup that dayfly is in");
	if (r < 0)
		return unsupported(e, -r, "read the path of the own cgroup");
	if (ret->is_read_only) {
		unsupported(e, 0, "the cgroup tree is mounted read-only");
		return -EROFS;
	}
	return 0;
}

static int open_own(const struct cgroup_place *p, const struct cgroup_mount *m, struct err *e)
{
	const uint64_t resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV;
	struct statfs fs;
	auto_close int mount = open(m->point, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (mount < 0 || fstatfs(mount, &fs) < 0)
		return err_set(e, ERR_UNSUPPORTED, errno, "open %s", m->point);
	if (!p->is_fake && fs.f_type != CGROUP2_SUPER_MAGIC)
		return err_set(
			e, ERR_UNSUPPORTED, 0, "something else is mounted over %s", m->point);
	int fd = sys_openat2(
		mount, m->below[0] ? m->below : ".", O_RDONLY | O_DIRECTORY, 0, resolve);
	return fd < 0 ? err_set(e, ERR_UNSUPPORTED, -fd, "open the own cgroup %s", m->below) : fd;
}

static bool ends_in_supervisor(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash && slash != path && !strcmp(slash + 1, CGROUP_SUPERVISOR);
}

static int find_base(const struct cgroup_place *p, struct finding *f, struct err *e)
{
	struct cgroup_mount m;
	int r = find_mount(p, f->path, sizeof(f->path), &m, e);
	if (r < 0)
		return r;
	r = f->own_fd = open_own(p, &m, e);
	if (r < 0)
		return r;
	if (ends_in_supervisor(f->path)) {
		if (!m.below[0])
			return unsupported(e, 0, "the cgroup above the own one is not visible");
		f->is_in_supervisor = true;
		*strrchr(f->path, '/') = '\0';
		/* cgroupfs has no links: ".." is the cgroup above. */
		f->base_fd = openat(f->own_fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	} else {
		f->base_fd = fcntl(f->own_fd, F_DUPFD_CLOEXEC, 3);
	}
	return f->base_fd < 0 ? unsupported(e, errno, "open the delegated cgroup") : 0;
}

static void finding_finish(struct finding *f)
{
	fd_close(&f->own_fd);
	fd_close(&f->base_fd);
}
#define auto_finding __attribute__((cleanup(finding_finish)))

/* ---- whether it is ours ---- */

static bool has_mark(int fd, const char *name)
{
	char value[2];
	return fgetxattr(fd, name, value, sizeof(value)) == 1 && value[0] == '1';
}

/* systemd marks what it delegates; root may read one mark, since version 251 everybody the other.
 */
static bool is_marked(int fd)
{
	return has_mark(fd, "user.delegate") || has_mark(fd, "trusted.delegate");
}

static int check_delegated(const struct cgroup_place *p, const struct finding *f, struct err *e)
{
	static const char *const files[] = { ".", "cgroup.procs", "cgroup.subtree_control" };
	struct stat st;
	int r = -EACCES;
	if (p->is_privileged) {
		/* Only the root of the whole tree has no events. */
		bool is_root = faccessat(f->base_fd, "cgroup.events", F_OK, 0) < 0;
		if (is_marked(f->base_fd) || (!p->has_systemd && !is_root))
			return 0;
		if (is_root)
			unsupported(e, 0,
				"dayfly runs in the root of the cgroup tree; nothing was delegated "
				"to it");
		else
			err_set(e, ERR_UNSUPPORTED, 0, "systemd has not delegated the cgroup %s",
				f->path);
	} else {
		if (fstat(f->base_fd, &st) < 0)
			return unsupported(e, errno, "look at the own cgroup");
		bool is_ours = st.st_uid == geteuid();
		for (size_t i = 0; i < ARRAY_SIZE(files); i++)
			is_ours &= faccessat(f->base_fd, files[i], W_OK, AT_EACCESS) == 0;
		if (is_ours)
			return 0;
		err_set(e, ERR_UNSUPPORTED, 0, "the cgroup %s is not delegated to user id %u",
			f->path, (unsigned)geteuid());
	}
	return r;
}

static int read_controllers(
	const struct cgroup_place *p, const struct finding *f, uint32_t *ret, struct err *e)
{
	auto_free char *text = NULL;
	char names[64];
	int r = cgroup_read(f->base_fd, "cgroup.controllers", &text);
	if (r < 0)
		return unsupported(e, -r, "read cgroup.controllers");
	*ret = cgroup_parse_controllers(text);
	if (*ret & MAIN_CONTROLLERS)
		return 0;
	name_controllers(MAIN_CONTROLLERS, names, sizeof(names));
	if (cgroup_parse_has_v1(p->mountinfo))
		err_set(e, ERR_UNSUPPORTED, 0,
			"the controllers %s are used by cgroup v1 on this host", names);
	else
		err_set(e, ERR_UNSUPPORTED, 0, "none of the controllers %s is delegated to %s",
			names, f->path);
	return -ENOENT;
}

/* ---- taking it ---- */

static int make_dir(int at, const char *name, bool *ret_made, struct err *e)
{
	bool made = mkdirat(at, name, 0755) == 0;
	if (!made && errno != EEXIST)
		return err_set(e, ERR_UNSUPPORTED, errno, "make the cgroup %s", name);
	int fd = dir_open(at, name);
	if (fd < 0)
		return err_set(e, ERR_UNSUPPORTED, -fd, "open the cgroup %s", name);
	if (ret_made)
		*ret_made = made;
	return fd;
}

static bool is_own(const struct cgroup_place *p, pid_t pid)
{
	for (size_t i = 0; i < p->n_pids; i++)
		if (p->pids[i] == pid)
			return true;
	return false;
}

static int move_pid(int to, pid_t pid)
{
	char text[16];
	snprintf(text, sizeof(text), "%d", (int)pid);
	return fd_write_file(to, "cgroup.procs", text);
}

/* Moves those of our processes that are in one cgroup to another. *ret_other: one that is left. */
static int move_own(const struct cgroup_place *p, int from, int to, pid_t *ret_other)
{
	auto_free char *text = NULL;
	int r = cgroup_read(from, "cgroup.procs", &text), moved = 0;
	const char *next = text;
	pid_t pid;
	*ret_other = -1;
	while (r == 0 && cgroup_parse_pid(&next, &pid)) {
		if (!is_own(p, pid)) {
			*ret_other = pid;
			continue;
		}
		r = move_pid(to, pid);
		moved += r == 0;
		/* It has just ended. */
		r = r == -ESRCH ? 0 : r;
	}
	return r < 0 ? r : moved;
}

static int someone_else(pid_t pid, const char *path, struct err *e)
{
	char file[64];
	auto_free char *comm = NULL;
	snprintf(file, sizeof(file), "/proc/%d/comm", (int)pid);
	if (pid > 0 && fd_read_file(AT_FDCWD, file, 64, &comm) > 0)
		comm[strcspn(comm, "\n")] = '\0';
	err_set(e, ERR_UNSUPPORTED, 0, "other processes are in the cgroup %s too: %s (%d)", path,
		comm ? comm : "one that cannot be seen", (int)pid);
	return -EBUSY;
}

/* A cgroup that hands controllers on must have no process of its own. */
static int vacate(
	struct cgroup_tree *t, const struct cgroup_place *p, const char *path, struct err *e)
{
	pid_t other = -1;
	int r = 1;
	for (int i = 0; r > 0 && i < MOVE_ROUNDS; i++)
		r = move_own(p, t->base_fd, t->supervisor_fd, &other);
	if (r < 0)
		return unsupported(e, -r, "move dayfly to the cgroup " CGROUP_SUPERVISOR);
	return other >= 0 ? someone_else(other, path, e) : 0;
}

static int write_control(int fd, char sign, unsigned controller)
{
	char word[16];
	snprintf(word, sizeof(word), "%c%s", sign, plan_controller_name(controller));
	return fd_write_file(fd, "cgroup.subtree_control", word);
}

/* Returns what was enabled and was not before; *set loses what could not be. */
static uint32_t enable(int fd, uint32_t *set, int *ret_why)
{
	auto_free char *text = NULL;
	uint32_t before = 0, done = 0;
	if (cgroup_read(fd, "cgroup.subtree_control", &text) == 0)
		before = cgroup_parse_controllers(text);
	for (unsigned i = 0; i < PLAN_CONTROLLER_COUNT; i++) {
		if (!(*set & ~before & 1u << i))
			continue;
		int r = write_control(fd, '+', i);
		if (r < 0) {
			*set &= ~(1u << i);
			*ret_why = r;
		} else {
			done |= 1u << i;
		}
	}
	return done;
}

static void disable(int fd, uint32_t set)
{
	for (unsigned i = 0; i < PLAN_CONTROLLER_COUNT; i++)
		if (set & 1u << i)
			write_control(fd, '-', i);
}

static bool lock_tasks(int fd)
{
	uint64_t end = clock_mono_ns() + WAIT_NS;
	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK || clock_mono_ns() > end)
			return false;
		usleep(PAUSE_US);
	}
	return true;
}

int cgroup_open_tasks(struct cgroup_tree *t, struct err *e)
{
	int why = 0;
	fd_close(&t->tasks_fd);
	int fd = t->tasks_fd = make_dir(t->base_fd, CGROUP_TASKS, NULL, e);
	if (fd < 0)
		return fd;
	if (!lock_tasks(fd)) {
		unsupported(e, 0, "another dayflyd uses the same cgroup");
		return -EBUSY;
	}
	enable(fd, &t->controllers, &why);
	if (t->controllers & MAIN_CONTROLLERS)
		return 0;
	return err_set(e, ERR_UNSUPPORTED, -why, "enable controllers in the cgroup " CGROUP_TASKS);
}

static int take(
	struct cgroup_tree *t, const struct cgroup_place *p, struct finding *f, struct err *e)
{
	int why = 0, r;
	t->base_fd = fd_take(&f->base_fd);
	t->supervisor_fd = f->is_in_supervisor ? fd_take(&f->own_fd)
					       : make_dir(t->base_fd, CGROUP_SUPERVISOR,
							 &t->made_supervisor, e);
	if (t->supervisor_fd < 0)
		return t->supervisor_fd;
	r = vacate(t, p, f->path, e);
	if (r < 0)
		return r;
	t->enabled = enable(t->base_fd, &t->controllers, &why);
	if (!(t->controllers & MAIN_CONTROLLERS))
		return err_set(e, ERR_UNSUPPORTED, -why, "enable controllers in %s", f->path);
	r = cgroup_open_tasks(t, e);
	if (r < 0)
		return r;
	cgroup_sweep(t->tasks_fd);
	r = cgroup_try(t, e);
	return r < 0 ? r : cgroup_limits_write_total(t, e);
}

static void close_all(struct cgroup_tree *t)
{
	fd_close(&t->tasks_fd);
	fd_close(&t->supervisor_fd);
	fd_close(&t->base_fd);
	free(take_ptr(t->devices));
	t->controllers = 0;
}

/* Everything as it was before, as far as others let us. */
static void give_back(struct cgroup_tree *t, const struct cgroup_place *p)
{
	pid_t other;
	if (t->tasks_fd >= 0)
		unlinkat(t->base_fd, CGROUP_TASKS, AT_REMOVEDIR);
	if (t->base_fd >= 0)
		disable(t->base_fd, t->enabled);
	if (t->made_supervisor) {
		move_own(p, t->supervisor_fd, t->base_fd, &other);
		unlinkat(t->base_fd, CGROUP_SUPERVISOR, AT_REMOVEDIR);
	}
	close_all(t);
	t->enabled = 0;
}

static void cut_path(struct cgroup_tree *t, const char *path)
{
	snprintf(t->path, sizeof(t->path), "%.*s", (int)sizeof(t->path) - 1, path);
}

static void note_missing(struct cgroup_tree *t)
{
	char names[64];
	uint32_t missing = ALL_CONTROLLERS & ~t->controllers;
	if (!missing)
		return;
	name_controllers(missing, names, sizeof(names));
	snprintf(t->why, sizeof(t->why), "%.150s has no controller %.60s%s", t->path, names,
		t->devices ? "" : "; /sys/block shows no disk");
}

void cgroup_tree_init(struct cgroup_tree *t)
{
	*t = (struct cgroup_tree){ .base_fd = -1, .supervisor_fd = -1, .tasks_fd = -1 };
}

static void tree_begin(struct cgroup_tree *t, const struct cgroup_place *p)
{
	cgroup_tree_init(t);
	t->is_fake = p->is_fake;
	t->devices = p->devices && p->devices[0] ? strdup(p->devices) : NULL;
	if (p->total)
		t->total = *p->total;
}

void cgroup_tree_open(struct cgroup_tree *t, const struct cgroup_place *p)
{
	auto_finding struct finding f = { .own_fd = -1, .base_fd = -1 };
	struct err e = { 0 };
	tree_begin(t, p);
	int r = find_base(p, &f, &e);
	if (r >= 0)
		r = read_controllers(p, &f, &t->controllers, &e);
	if (r >= 0)
		r = check_delegated(p, &f, &e);
	if (r >= 0) {
		cut_path(t, f.path);
		r = take(t, p, &f, &e);
	}
	if (r >= 0) {
		note_missing(t);
		return;
	}
	give_back(t, p);
	snprintf(t->why, sizeof(t->why), "%.*s", (int)sizeof(t->why) - 1, e.msg);
}

int cgroup_tree_find(const struct cgroup_place *p, struct cgroup_tree *ret, struct err *e)
{
	auto_finding struct finding f = { .own_fd = -1, .base_fd = -1 };
	tree_begin(ret, p);
	int r = find_base(p, &f, e);
	if (r >= 0)
		r = read_controllers(p, &f, &ret->controllers, e);
	if (r >= 0)
		r = check_delegated(p, &f, e);
	if (r < 0) {
		close_all(ret);
		return r;
	}
	cut_path(ret, f.path);
	note_missing(ret);
	ret->base_fd = fd_take(&f.base_fd);
	return 0;
}

void cgroup_tree_close(struct cgroup_tree *t)
{
	if (t->tasks_fd >= 0) {
		cgroup_sweep(t->tasks_fd);
		unlinkat(t->base_fd, CGROUP_TASKS, AT_REMOVEDIR);
	}
	close_all(t);
}

/* ---- leaving it ---- */

static bool is_populated(int fd)
{
	auto_free char *text = NULL;
	uint64_t populated = 0;
	return cgroup_read(fd, "cgroup.events", &text) == 0 &&
	       cgroup_parse_key(text, "populated", &populated) == 0 && populated;
}

/* Removes a cgroup with all that lies below it, and says whether it is gone. */
static bool remove_below(int at, const char *name, int depth)
{
	if (unlinkat(at, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return true;
	struct cgroup_task c = { .fd = dir_open(at, name) };
	auto_closedir DIR *d = c.fd >= 0 && depth > 0 ? dir_list(c.fd) : NULL;
	struct dirent *entry;
	if (is_populated(c.fd))
		cgroup_task_kill(&c);
	while (d && (entry = dir_next(d)))
		if (entry->d_type == DT_DIR)
			remove_below(c.fd, entry->d_name, depth - 1);
	fd_close(&c.fd);
	return unlinkat(at, name, AT_REMOVEDIR) == 0 || errno == ENOENT;
}

static bool sweep_once(int dirfd)
{
	auto_closedir DIR *d = dir_list(dirfd);
	struct dirent *entry;
	bool all = true;
	while (d && (entry = dir_next(d)))
		if (entry->d_type == DT_DIR)
			all &= remove_below(dirfd, entry->d_name, 4);
	return all;
}

void cgroup_sweep(int dirfd)
{
	uint64_t end = clock_mono_ns() + WAIT_NS;
	while (!sweep_once(dirfd) && clock_mono_ns() < end)
		usleep(PAUSE_US);
}

/* Whether there is nothing below the delegated cgroup that somebody else has made. */
static bool is_all_ours(int fd)
{
	auto_closedir DIR *d = dir_list(fd);
	struct dirent *entry;
	while (d && (entry = dir_next(d)))
		if (entry->d_type == DT_DIR && strcmp(entry->d_name, CGROUP_SUPERVISOR) != 0 &&
			strcmp(entry->d_name, CGROUP_TASKS) != 0)
			return false;
	return d != NULL;
}

void cgroup_tree_undo(const struct cgroup_place *p)
{
	auto_finding struct finding f = { .own_fd = -1, .base_fd = -1 };
	pid_t other = -1;
	struct err e;
	if (find_base(p, &f, &e) < 0 || !f.is_in_supervisor || check_delegated(p, &f, &e) < 0)
		return;
	auto_close int tasks = dir_open(f.base_fd, CGROUP_TASKS);
	if (tasks >= 0) {
		if (!lock_tasks(tasks))
			return;
		cgroup_sweep(tasks);
		if (unlinkat(f.base_fd, CGROUP_TASKS, AT_REMOVEDIR) < 0)
			return;
	}
	if (!is_all_ours(f.base_fd))
		return;
	/* With controllers on for its children, no process could go back to it. */
	disable(f.base_fd, ALL_CONTROLLERS);
	move_own(p, f.own_fd, f.base_fd, &other);
	unlinkat(f.base_fd, CGROUP_SUPERVISOR, AT_REMOVEDIR);
}
